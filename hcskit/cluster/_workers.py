"""The workers of a cluster: listing them, waiting for them, and calling functions in them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from distributed import Client
from distributed.comm.core import CommClosedError

from hcskit.errors import RunError

__all__ = ["Patience", "WorkerLostError", "ask", "wait_for_workers", "workers_there"]

_POLL = 1.0
_OFTEN = 0.2
_SILENCE = 30.0  # seconds without an answer after which a scheduler is given up


class WorkerLostError(RunError):
    """A worker left while its ranks were running; what was checkpointed is still there."""


def wait_for_workers(client: Client, count: int, timeout: float) -> list[str]:
    """Return the addresses of the given number of workers, host by host, once all have started.

    Raises
    ------
    InputError
        If the batch system accepts none of the jobs.
    RunError
        If they have not within `timeout` seconds; the message names those that have not.
    """
    ends = time.monotonic() + timeout
    while len(workers := workers_there(client)) < count:
        check_submissions(client)
        if time.monotonic() > ends:
            raise RunError(
                f"{len(workers)} of {count} workers were there after {timeout:g} s; {_missing(client, workers)}look at "
                "the batch system's queue and at the jobs' output (all nodes must see its folder), or give them more "
                "time (start_timeout in the cluster's file)"
            )
        time.sleep(_OFTEN)
    return sorted(workers, key=lambda address: (workers[address]["host"], str(workers[address]["name"])))[:count]


def workers_there(client: Client) -> dict[str, Any]:
    """Ask the scheduler for the current workers, by address.

    Raises
    ------
    RunError
        If the scheduler does not answer for half a minute.
    """
    # Not `Client.scheduler_info`: the client's own poll every two seconds, which asks for no worker, may
    # overwrite the answer before it is returned, and all workers would seem lost.
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
    """Name the workers that did not start, and their jobs, if the cluster is our own."""
    started = getattr(client.cluster, "workers", {})
    there = {worker["name"] for worker in workers.values()}
    jobs = [
        f"{name} (job {job.job_id})" if getattr(job, "job_id", None) else str(name)
        for name, job in started.items()
        if name not in there
    ]
    words = getattr(getattr(client.cluster, "submissions", None), "words", "")
    refused = f"the last submission was refused: {words}; " if words else ""
    return f"missing: {', '.join(jobs)}; {refused}" if jobs else refused


def check_submissions(client: Client) -> None:
    """Raise `InputError` if the batch system has refused the first job, and none will come."""
    if (submissions := getattr(client.cluster, "submissions", None)) is not None:
        submissions.check()


class Patience:
    """Ends a wait when there has been no worker for too long.

    Parameters
    ----------
    client : distributed.Client
        Client of the cluster.
    seconds : float
        How long to wait without a worker.
    """

    def __init__(self, client: Client, seconds: float) -> None:
        self.client, self.seconds = client, seconds
        self.ends = time.monotonic() + seconds

    def check(self) -> int:
        """Return the number of the workers' threads.

        Raises
        ------
        RunError
            If there has been none for so long.
        InputError
            If the batch system accepts none of the jobs.
        """
        check_submissions(self.client)
        workers = workers_there(self.client)
        if workers:
            self.ends = time.monotonic() + self.seconds
        elif time.monotonic() > self.ends:
            raise RunError(
                f"there has been no worker for {self.seconds:g} s; look at the batch system's queue and at the jobs' "
                "output, and start the same again"
            )
        return sum(worker["nthreads"] for worker in workers.values())


def ask(client: Client, addresses: list[str], question: Any, *arguments: Any) -> dict[str, Any]:
    """Call a function in each of some workers, and return the results.

    Raises
    ------
    WorkerLostError
        If a worker does not answer.
    """
    answers: dict[str, Any] = client.run(question, *arguments, workers=addresses, on_error="return")
    for address in addresses:
        answer = answers.get(address)
        if answer is None or isinstance(answer, CommClosedError):
            raise WorkerLostError(f"the worker {address} was lost before the ranks started")
        if isinstance(answer, Exception):
            raise answer
    return answers
