"""Placing the ranks of one training on Dask workers: all or none, and all end together."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from distributed import Client, wait
from distributed.comm.core import CommClosedError

from hcskit.cluster.ranks._binding import machine, shares
from hcskit.cluster.ranks._process import RankFailure, RankTask
from hcskit.cluster.ranks._rendezvous import rendezvous
from hcskit.cluster.ranks._worker import run_ranks, stop_ranks
from hcskit.errors import RunError

__all__ = ["Patience", "WorkerLostError", "ask", "run_gang", "wait_for_workers", "workers_there"]

_POLL = 1.0
_MEET = 300.0  # seconds for all ranks to find one another
_GRACE = 15.0  # seconds for ranks to end after they were told to
_SILENCE = 30.0  # seconds without an answer after which a scheduler is given up


class WorkerLostError(RunError):
    """A worker left while its ranks were running; what was checkpointed is still there."""


def wait_for_workers(client: Client, count: int, timeout: float) -> list[str]:
    """Return the addresses of so many workers, host by host, when they are all there.

    Raises
    ------
    RunError
        If they are not within `timeout` seconds; says which are.
    """
    with suppress(TimeoutError):
        client.wait_for_workers(count, timeout=timeout)
    workers = workers_there(client)
    if len(workers) < count:
        raise RunError(
            f"{len(workers)} of {count} workers were there after {timeout:g} s; {_missing(client, workers)}look at the "
            "batch system's queue and at the jobs' output (all nodes must see its folder), or give them more time "
            "(start_timeout in the cluster's file)"
        )
    return sorted(workers, key=lambda address: (workers[address]["host"], str(workers[address]["name"])))[:count]


def workers_there(client: Client) -> dict[str, Any]:
    """Ask the scheduler for the workers that there are now: address to what is known of it.

    Raises
    ------
    RunError
        If the scheduler cannot be asked for half a minute.
    """
    # Not `Client.scheduler_info`: the client's own question of every two seconds, which asks for no worker, may
    # overwrite the answer before it is returned, and all workers seem lost.
    scheduler: Any = client.scheduler
    ends = time.monotonic() + _SILENCE
    while True:
        try:
            workers: dict[str, Any] = client.sync(scheduler.identity, n_workers=-1)["workers"]  # type: ignore[no-untyped-call]
        except OSError as error:
            if time.monotonic() > ends:
                raise RunError(f"the scheduler has not answered for {_SILENCE:g} s ({error}); is it there?") from error
            time.sleep(_POLL)
        else:
            return workers


def _missing(client: Client, workers: Mapping[str, Any]) -> str:
    """Name the workers that did not come, where the cluster is our own, and their jobs."""
    started = getattr(client.cluster, "workers", {})
    there = {worker["name"] for worker in workers.values()}
    jobs = [
        f"{name} (job {job.job_id})" if getattr(job, "job_id", None) else str(name)
        for name, job in started.items()
        if name not in there
    ]
    return f"missing: {', '.join(jobs)}; " if jobs else ""


class Patience:
    """Ends a wait when there has been no worker for too long.

    Parameters
    ----------
    client : distributed.Client
        Client of the cluster.
    seconds : float
        How long there may be none.
    """

    def __init__(self, client: Client, seconds: float) -> None:
        self.client, self.seconds = client, seconds
        self.ends = time.monotonic() + seconds

    def check(self) -> None:
        """Look whether there is a worker.

        Raises
        ------
        RunError
            If there has been none for so long.
        """
        if workers_there(self.client):
            self.ends = time.monotonic() + self.seconds
        elif time.monotonic() > self.ends:
            raise RunError(
                f"there has been no worker for {self.seconds:g} s; look at the batch system's queue and at the jobs' "
                "output, and start the same again"
            )


def ask(client: Client, addresses: list[str], question: Any, *arguments: Any) -> dict[str, Any]:
    """Call a function in each of some workers, and return what they answer.

    Raises
    ------
    WorkerLostError
        If a worker does not.
    """
    answers: dict[str, Any] = client.run(question, *arguments, workers=addresses, on_error="return")
    for address in addresses:
        answer = answers.get(address)
        if answer is None or isinstance(answer, CommClosedError):
            raise WorkerLostError(f"the worker {address} was lost before the ranks started")
        if isinstance(answer, Exception):
            raise answer
    return answers


def run_gang(
    client: Client,
    target: str,
    arguments: Mapping[str, Any],
    *,
    addresses: list[str],
    ranks_per_worker: int,
    logs: Path,
    environment: Mapping[str, str] | None = None,
    meet: tuple[str, str] = ("127.0.0.1", "lo"),
    say: Callable[[str], object] = print,
    tick: Callable[[], object] = lambda: None,
) -> None:
    """Run one function in all ranks, and return when all have ended.

    Parameters
    ----------
    client : distributed.Client
        Client of the cluster.
    target : str
        ``module:function``, imported in each rank's own process.
    arguments : mapping
        Its arguments, as JSON has them.
    addresses : list of str
        The workers; each gets `ranks_per_worker` ranks.
    ranks_per_worker : int
        Ranks in a worker; they share its cores.
    logs : path-like
        Folder of the ranks' output, one file each.
    environment : mapping of str to str, optional
        Further variables for every rank.
    meet : tuple of str
        Address of this machine at which the ranks find one another, and the network interface over which they talk.
    say : callable
        Takes each line of output, with its rank.
    tick : callable
        Called about once a second.

    Raises
    ------
    Exception
        What a rank raised, with a note of its rank and host.
    WorkerLostError
        If a worker left.
    """
    gang = f"gang-{uuid4().hex}"
    # A worker counts as a host: host names may be equal on all nodes, and addresses are no names to Horovod.
    hosts = [f"worker{number}" for number in range(len(addresses)) for _ in range(ranks_per_worker)]
    owners = [address for address in addresses for _ in range(ranks_per_worker)]
    # One rank meets nobody, and needs no Horovod.
    alone = nullcontext([{"HOROVOD_RANK": "0", "HOROVOD_SIZE": "1"}])
    seats = shares(ask(client, addresses, machine), ranks_per_worker)
    client.subscribe_topic(gang, lambda event: say(f"[{event[1][0]}] {event[1][1]}"))  # type: ignore[no-untyped-call]
    try:
        with alone if len(hosts) == 1 else rendezvous(hosts, *meet, timeout=_MEET) as places:
            tasks: dict[str, list[RankTask]] = {address: [] for address in addresses}
            for address, place in zip(owners, places, strict=True):
                log = str(logs / f"rank-{place['HOROVOD_RANK']}.log")
                share, variables = seats[address][len(tasks[address])], {**(environment or {}), **place}
                tasks[address].append(RankTask(int(place["HOROVOD_RANK"]), target, arguments, variables, log, share))
            futures = {
                address: client.submit(run_ranks, gang, own, workers=[address], pure=False, retries=0)
                for address, own in tasks.items()
            }
            _watch(client, gang, futures, tick)
    finally:
        client.unsubscribe_topic(gang)  # type: ignore[no-untyped-call]


def _watch(client: Client, gang: str, futures: Mapping[str, Any], tick: Callable[[], object]) -> None:
    """Wait for the ranks; where one failed, find out first whether that came of a lost worker."""
    waiting, failures, ends = dict(futures), {}, math.inf
    try:
        while waiting:
            tick()
            _pause([future for future in waiting.values() if not future.done()])
            there = workers_there(client)
            for address, future in list(waiting.items()):
                if future.done():
                    error = future.exception()
                    if error is None:
                        del waiting[address]
                        continue
                    if not getattr(error, "may_follow", False):
                        raise error
                    failures[address] = error
                    ends = min(ends, time.monotonic() + _GRACE)
                if address not in there:
                    raise WorkerLostError(f"the worker {address} was lost in mid-training")
            if time.monotonic() > ends:
                # A rank that was killed is rather the cause than one that could not reach it.
                raise min(failures.values(), key=lambda failure: bool(failure.library))
    except BaseException as error:
        _stop(client, gang, waiting)
        if isinstance(error, RankFailure):
            raise error.error() from None
        raise


def _pause(futures: list[Any]) -> None:
    if not futures:
        time.sleep(_POLL)
        return
    with suppress(TimeoutError):
        wait(futures, timeout=_POLL, return_when="FIRST_COMPLETED")  # type: ignore[no-untyped-call]


def _stop(client: Client, gang: str, waiting: Mapping[str, Any]) -> None:
    alive: list[str] = []
    with suppress(Exception):  # a worker may go just now; its ranks go with it
        alive += [address for address in workers_there(client) if address in waiting]
        client.run(stop_ranks, gang, workers=alive, on_error="ignore")
    ends = time.monotonic() + _GRACE
    while time.monotonic() < ends and any(not waiting[address].done() for address in alive):
        time.sleep(_POLL / 5)
    client.cancel(list(waiting.values()))  # type: ignore[no-untyped-call]
