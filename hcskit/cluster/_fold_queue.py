"""The queue of folds: a fold takes a whole worker, and starts again on another if that worker is lost."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from distributed import Client

from hcskit.cluster._workers import Patience, WorkerLostError, workers_there
from hcskit.errors import RunError

__all__ = ["run_fold_queue"]

_POLL = 1.0
_LOSSES_WITHOUT_PROGRESS = 3


def run_fold_queue(
    client: Client,
    folds: Sequence[int],
    do: Callable[[int, str, Callable[[], None]], None],
    progress: Callable[[int], int],
    *,
    patience: float,
    say: Callable[[str], object],
) -> None:
    """Run folds on present and future workers, never two in one: Dask alone would fill a worker's threads.

    Parameters
    ----------
    client : distributed.Client
        Client of the cluster.
    folds : sequence of int
        Their numbers.
    do : callable
        Runs a fold: takes its number, a worker's address, and a function to call about once a second, which raises
        if the fold must end. It raises `WorkerLostError` if the worker is lost.
    progress : callable
        Takes a fold's number, and returns how many epochs are done.
    patience : float
        Seconds to wait while there is no worker.
    say : callable
        Receives messages about folds whose worker is lost.

    Raises
    ------
    Exception
        What a fold raised; the others are stopped.
    RunError
        If no worker is left, or a fold repeatedly loses its worker without progress.
    """
    waiting, running, losses = deque(folds), dict[str, tuple[int, Future[None]]](), Counter[tuple[int, int]]()
    over = Event()
    patient = Patience(client, patience)
    with ThreadPoolExecutor(len(folds)) as pool:
        try:
            while waiting or running:
                there = workers_there(client)
                free = [address for address in there if address not in running]
                for address in free[: len(waiting)]:
                    fold = waiting.popleft()
                    running[address] = fold, pool.submit(do, fold, address, lambda: _end_if(over))
                for address in [address for address, (_, future) in running.items() if future.done()]:
                    fold, future = running.pop(address)
                    if _is_lost(fold, future, say):
                        losses[fold, progress(fold)] += 1
                        if losses[fold, progress(fold)] > _LOSSES_WITHOUT_PROGRESS:
                            raise RunError(
                                f"fold {fold} has lost {_LOSSES_WITHOUT_PROGRESS + 1} workers without a finished epoch "
                                "between; give the jobs more time or memory, and start the same again"
                            )
                        waiting.append(fold)
                patient.check()
                time.sleep(_POLL)
        finally:
            over.set()


def _end_if(over: Event) -> None:
    if over.is_set():
        raise RunError("stopped with the others")


def _is_lost(fold: int, future: Future[None], say: Callable[[str], object]) -> bool:
    """Return whether a fold must be run again; raise what it raised."""
    try:
        future.result()
    except WorkerLostError as error:
        say(f"{error}; fold {fold} resumes elsewhere")
        return True
    except Exception as error:
        error.add_note(f"This was fold {fold}.")
        raise
    return False
