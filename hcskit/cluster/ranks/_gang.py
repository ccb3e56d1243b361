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

from hcskit.cluster._workers import WorkerLostError, ask, workers_there
from hcskit.cluster.ranks._binding import core_shares, machine
from hcskit.cluster.ranks._process import RankFailure, RankTask
from hcskit.cluster.ranks._rendezvous import rendezvous
from hcskit.cluster.ranks._worker import run_ranks, stop_ranks

__all__ = ["run_gang"]

_POLL = 1.0
_MEET = 300.0  # seconds for all ranks to find one another
_GRACE = 15.0  # seconds for ranks to end after they were asked to


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
    rank_timeout: float = 120.0,
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
    rank_timeout : float
        Seconds after which a rank whose process shows no sign of life is given up.
    say : callable
        Takes each line of output, with its rank.
    tick : callable
        Called about once a second.

    Raises
    ------
    Exception
        What a rank raised, with a note of its rank and host.
    WorkerLostError
        If a worker left, or a rank was given up.
    """
    gang = f"gang-{uuid4().hex}"
    # A worker counts as a host: host names may be equal on all nodes, and addresses are no names to Horovod.
    hosts = [f"worker{number}" for number in range(len(addresses)) for _ in range(ranks_per_worker)]
    owners = [address for address in addresses for _ in range(ranks_per_worker)]
    # A single rank needs no Horovod.
    alone = nullcontext([{"HOROVOD_RANK": "0", "HOROVOD_SIZE": "1"}])
    shares = core_shares(ask(client, addresses, machine), ranks_per_worker)
    client.subscribe_topic(gang, lambda event: say(f"[{event[1][0]}] {event[1][1]}"))  # type: ignore[no-untyped-call]
    try:
        with alone if len(hosts) == 1 else rendezvous(hosts, *meet, timeout=_MEET) as places:
            tasks: dict[str, list[RankTask]] = {address: [] for address in addresses}
            for address, place in zip(owners, places, strict=True):
                log = str(logs / f"rank-{place['HOROVOD_RANK']}.log")
                share, variables = shares[address][len(tasks[address])], {**(environment or {}), **place}
                number = int(place["HOROVOD_RANK"])
                tasks[address].append(RankTask(number, target, arguments, variables, log, share, rank_timeout))
            futures = {
                address: client.submit(run_ranks, gang, own, workers=[address], pure=False, retries=0)
                for address, own in tasks.items()
            }
            _watch(client, gang, futures, tick, {address: own[0].log for address, own in tasks.items()})
    finally:
        client.unsubscribe_topic(gang)  # type: ignore[no-untyped-call]


def _watch(
    client: Client, gang: str, futures: Mapping[str, Any], tick: Callable[[], object], logs: Mapping[str, str]
) -> None:
    """Wait for the ranks; if one failed, first check whether a lost worker was the cause."""
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
                    raise WorkerLostError(f"the worker {address} (output in {logs[address]}) was lost during training")
            if time.monotonic() > ends:
                # A rank that was killed is a likelier cause than one that could not reach it.
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
    with suppress(Exception):  # the worker may be ending, and its ranks with it
        alive += [address for address in workers_there(client) if address in waiting]
        client.run(stop_ranks, gang, workers=alive, on_error="ignore")
    ends = time.monotonic() + _GRACE
    while time.monotonic() < ends and any(not waiting[address].done() for address in alive):
        time.sleep(_POLL / 5)
    client.cancel(list(waiting.values()))  # type: ignore[no-untyped-call]
