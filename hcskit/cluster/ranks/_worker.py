"""What runs in a Dask worker: the ranks of one gang that belong there."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence

from distributed import get_worker

from hcskit.cluster.ranks._process import RankFailure, RankProcess, RankTask
from hcskit.errors import RunError

__all__ = ["run_ranks", "stop_ranks"]

_POLL = 0.1
_FOLLOW = 5.0  # seconds until the end of another rank shows, if it is the cause
_stopped: set[str] = set()

# The driver reports how a rank failed; Dask would first print the pickled error.
logging.getLogger("distributed.worker").addFilter(lambda record: RankFailure.__name__ not in record.getMessage())


def run_ranks(gang: str, tasks: Sequence[RankTask]) -> None:
    """Run ranks until all have ended; if one fails, the others are ended too.

    Raises
    ------
    RankFailure
        Of the rank that failed.
    RunError
        If the gang was stopped.
    """
    worker = get_worker()
    slots = (len(tasks), worker.state.nthreads)
    ranks: list[RankProcess] = []
    failures: list[RankFailure] = []
    ends = math.inf
    try:
        for task in tasks:
            ranks.append(RankProcess(task, slots, lambda line: worker.log_event(gang, line)))  # noqa: PERF401 - one may fail
        while any(rank.running for rank in ranks) and time.monotonic() < ends:
            if gang in _stopped:
                raise RunError("stopped, as another rank was lost")
            failures = _failures(ranks)
            if any(not failure.may_follow for failure in failures):
                break
            if failures:
                ends = min(ends, time.monotonic() + _FOLLOW)
            time.sleep(_POLL)
            for rank in ranks:
                rank.silence += _POLL  # not by the clock: this process may have been frozen as well
        failures = _failures(ranks)
    finally:
        for rank in ranks:  # together, or those that live would say that they miss the others
            rank.kill()
        for rank in ranks:
            rank.end()
    if failures:
        raise min(failures, key=lambda failure: failure.may_follow)


def stop_ranks(gang: str) -> None:
    """End a gang's ranks in this worker; to be run beside its tasks."""
    _stopped.add(gang)


def _failures(ranks: Sequence[RankProcess]) -> list[RankFailure]:
    return [failure for rank in ranks if (failure := rank.failure()) is not None]
