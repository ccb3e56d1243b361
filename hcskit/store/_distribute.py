"""Where work is done: on the Dask cluster whose client is open, else on this machine's cores."""

from __future__ import annotations

import os
import sys
from concurrent.futures import Executor, ThreadPoolExecutor

__all__ = ["executor"]


def executor() -> Executor:
    """Return a pool of workers; its jobs must be picklable, and may be run twice if a worker is lost."""
    if "distributed" in sys.modules:  # else there can be no client
        from distributed import get_client

        try:
            pool: Executor = get_client().get_executor(pure=False)  # type: ignore[no-untyped-call]
        except ValueError:  # nor is there one
            pass
        else:
            return pool
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
