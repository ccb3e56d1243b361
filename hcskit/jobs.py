"""Jobs: functions without arguments, run in parallel on this machine's cores or wherever the caller says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager
from functools import partial
from itertools import islice
from threading import Event
from typing import Any, Protocol, TypeVar

__all__ = ["RunJobs", "jobs_here", "run_here", "side_by_side"]

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 4  # while one ends and another begins, two are in full work


class RunJobs(Protocol):
    """Runs jobs, and returns their results in the order of the jobs; the first error ends the rest.

    Jobs that leave this process must be picklable, and may run twice if a worker is lost. Several threads may call it
    at once: their jobs share the workers.
    """

    def __call__(
        self, jobs: Sequence[Callable[[], T]], done: Callable[[T], object] = ..., wanted: Callable[[], bool] = ...
    ) -> list[T]:
        """Run jobs; `done` takes each result as it comes. When they are no longer `wanted`, it is a CancelledError."""


def _always() -> bool:
    return True


@contextmanager
def jobs_here() -> Iterator[RunJobs]:
    """Yield what runs jobs in threads, one for each core that this process may use; see `RunJobs`."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None) as pool:
        yield partial(_run_in, pool)


def run_here(
    jobs: Sequence[Callable[[], T]], done: Callable[[T], Any] = lambda _: None, wanted: Callable[[], bool] = _always
) -> list[T]:
    """Run jobs in threads of their own, one for each core; see `RunJobs`.

    Examples
    --------
    >>> run_here([lambda: 1, lambda: 2])
    [1, 2]
    """
    with jobs_here() as run:
        return run(jobs, done, wanted)


def _run_in(
    pool: ThreadPoolExecutor,
    jobs: Sequence[Callable[[], T]],
    done: Callable[[T], Any] = lambda _: None,
    wanted: Callable[[], bool] = _always,
) -> list[T]:
    futures = [pool.submit(job) for job in jobs]
    try:
        for future in as_completed(futures):
            if not wanted():
                raise CancelledError
            done(future.result())
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return [future.result() for future in futures]


def side_by_side(work: Callable[[T, RunJobs], R], items: Iterable[T], run: RunJobs, at_once: int = _AT_ONCE) -> list[R]:
    """Do the work on some items, such as plates, several at a time; return the results in the order of the items.

    While the last jobs of one item run, or it is checked or gathered, the jobs of others take the idle workers. An item
    is taken when another has ended, so that memory is flat in their number. The first error ends the others' work.

    Parameters
    ----------
    work : callable
        Takes an item, and what runs its jobs. It is called in a thread of its own.
    items : iterable
        What to work on.
    run : RunJobs
        Runs the jobs of all.
    at_once : int
        How many items at a time.

    Examples
    --------
    >>> side_by_side(lambda number, run: sum(run([lambda: number] * 3)), range(4), run_here)
    [0, 3, 6, 9]
    """
    waiting = enumerate(items)
    results: dict[int, R] = {}
    ended = Event()

    def run_own(
        jobs: Sequence[Callable[[], Any]],
        done: Callable[[Any], object] = lambda _: None,
        wanted: Callable[[], bool] = _always,
    ) -> list[Any]:
        return run(jobs, done, lambda: wanted() and not ended.is_set())

    with ThreadPoolExecutor(at_once) as threads:
        pending: dict[Future[R], int] = {}
        try:
            while True:
                more = islice(waiting, at_once - len(pending))
                pending |= {threads.submit(work, item, run_own): number for number, item in more}
                if not pending:
                    break
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    results[pending.pop(future)] = future.result()
        finally:
            ended.set()
    return [results[number] for number in range(len(results))]
