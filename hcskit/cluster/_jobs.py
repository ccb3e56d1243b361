"""Jobs as ordinary Dask tasks: those of a lost worker are done by the others, or by its replacement."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from distributed import as_completed, get_worker
from distributed.scheduler import KilledWorker

from hcskit.cluster._checks import check_versions, versions
from hcskit.cluster._open import AnyCluster, Cluster, config_of, open_cluster
from hcskit.cluster._workers import Patience
from hcskit.errors import RunError
from hcskit.jobs import RunJobs, jobs_here

__all__ = ["job_runner", "plates_at_once", "run_jobs"]

T = TypeVar("T")

_RETRIES = 2  # a shared file system may fail for a moment
_POLL = 0.05  # seconds
_PLATES = range(4, 65)  # at a time: the driver has a thread and a table for each
_JOBS = 24  # of a plate with 96 wells, in the steps that look at its fields
_AHEAD = 16  # jobs on the cluster for each thread: a thousand plates have more of them than a scheduler should hold
_FETCH = 60.0  # seconds to bring a result here, if its worker is still there


@contextmanager
def job_runner(cluster: AnyCluster | None, folder: str | Path | None = None) -> Iterator[RunJobs]:
    """Yield what runs jobs: on a cluster, or on this machine's cores if there is none.

    Parameters
    ----------
    cluster : Cluster, ClusterConfig, path-like or None
        As `open_cluster` takes it.
    folder : path-like, optional
        Folder for the output of a batch system's jobs.
    """
    if cluster is None:
        with jobs_here() as run:
            yield run
    else:
        with open_cluster(cluster, folder) as there:
            yield partial(run_jobs, there)


def plates_at_once(cluster: AnyCluster | None) -> int:
    """Return how many plates to work on side by side, so that those of 96 wells keep all workers busy.

    Examples
    --------
    >>> plates_at_once(None)
    4
    """
    config = config_of(cluster)
    wanted = math.ceil(config.workers * (config.cores or 1) / _JOBS)
    return min(max(wanted, _PLATES.start), _PLATES.stop - 1)


def run_jobs(
    cluster: Cluster,
    jobs: Sequence[Callable[[], T]],
    done: Callable[[T], object] = lambda _: None,
    wanted: Callable[[], bool] = lambda: True,
) -> list[T]:
    """Run jobs on a cluster; see `hcskit.jobs.RunJobs`.

    Raises
    ------
    Exception
        What a job raised, after it was tried three times.
    InputError
        If a worker has other versions than this process.
    RunError
        If there is no worker for longer than the cluster's ``start_timeout``, or workers die of one job again and
        again.
    """
    results: dict[int, T] = {}
    for number, result in _completed(cluster, jobs, wanted):
        results[number] = result
        done(result)
    return [results[number] for number in range(len(jobs))]


_versions = cache(versions)  # each job asks


def _do(job: Callable[[], T], software: dict[str, str]) -> T:
    """Run a job in a worker, whose threads share the cores; TensorFlow, if loaded, gets as many threads."""
    worker = get_worker()
    check_versions(worker.address, _versions(), software)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(worker.state.nthreads))
    return job()


def _completed(
    cluster: Cluster, jobs: Sequence[Callable[[], T]], wanted: Callable[[], bool]
) -> Iterator[tuple[int, T]]:
    """Yield the numbers and results of jobs as they finish; only the next few are on the cluster, and none is left."""
    waiting = enumerate(jobs)
    do = partial(_do, software=versions())
    coming = as_completed([], loop=cluster.client.loop)  # type: ignore[no-untyped-call]
    patient = Patience(cluster.client, cluster.config.start_timeout)
    number_of: dict[Any, int] = {}
    try:
        while wanted():
            room = _AHEAD * max(patient.check(), 1) - len(number_of)
            more = list(islice(waiting, max(room, 0)))
            futures = cluster.client.map(do, [job for _, job in more], pure=False, retries=_RETRIES)
            number_of.update(zip(futures, (number for number, _ in more), strict=True))
            coming.update(futures)  # type: ignore[no-untyped-call]
            if not number_of:
                return
            for future in coming.next_batch(block=False):  # type: ignore[no-untyped-call]
                try:
                    result = future.result(timeout=_FETCH)
                except TimeoutError:
                    if future.status == "error":
                        raise
                    # Lost with its worker: run it again.
                    coming.add(future)  # type: ignore[no-untyped-call]
                else:
                    yield number_of.pop(future), result
                    future.release()
            time.sleep(_POLL)
        raise CancelledError
    except KilledWorker as error:
        raise RunError(
            f"{error.allowed_failures + 1} workers died one after another in the same job; look at their output, and "
            "give them more memory or time"
        ) from error
    finally:
        cluster.client.cancel(list(number_of))  # type: ignore[no-untyped-call]
