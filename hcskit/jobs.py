"""Jobs: functions without arguments, run in parallel on this machine's cores or wherever the caller says."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Protocol, TypeVar

__all__ = ["RunJobs", "run_here"]

T = TypeVar("T")


class RunJobs(Protocol):
    """Runs jobs, and returns their results in the order of the jobs; the first error ends the rest.

    Jobs that leave this process must be picklable, and may run twice if a worker is lost.
    """

    def __call__(self, jobs: Sequence[Callable[[], T]], done: Callable[[T], object] = ...) -> list[T]:
        """Run jobs; `done` takes each result as it comes."""


def run_here(jobs: Sequence[Callable[[], T]], done: Callable[[T], Any] = lambda _: None) -> list[T]:
    """Run jobs in threads, one for each core that this process may use; see `RunJobs`.

    Examples
    --------
    >>> run_here([lambda: 1, lambda: 2])
    [1, 2]
    """
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            for future in as_completed(futures):
                done(future.result())
        except BaseException:
            for future in futures:
                future.cancel()
            raise
    return [future.result() for future in futures]
