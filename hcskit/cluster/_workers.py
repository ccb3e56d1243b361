"""The workers of a cluster: listing them, waiting for them, and calling functions in them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from distributed import Client
from distributed.comm.core import CommClosedError

from hcskit.cluster._queue import NEWS, News
from hcskit.errors import InputError, RunError

__all__ = ["Patience", "WorkerLostError", "ask", "wait_for_workers", "workers_there"]

_POLL = 1.0
_OFTEN = 0.2
_LOSSES = 3  # of each worker, while all are waited for
_SILENCE = 30.0  # seconds without an answer after which a scheduler is given up


class WorkerLostError(RunError):
    """A worker left while its ranks were running, or one of these froze; what was checkpointed is still there."""


def wait_for_workers(client: Client, count: int, timeout: float, *, queue: bool = True) -> list[str]:
    """Return the addresses of the given number of workers, host by host, once all have started.

    Parameters
    ----------
    client : distributed.Client
        Client of the cluster.
    count : int
        How many workers.
    timeout : float
        Seconds to wait.
    queue : bool
        Do not count the time for which jobs wait in the batch system's queue.

    Raises
    ------
    InputError
        If the batch system accepts none of the jobs.
    RunError
        If they have not within `timeout` seconds, or some can no longer come; the message names those that have not. If
        too many have come and gone.
    """
    ends, seen = time.monotonic() + timeout, set[str]()
    while True:
        news, workers = news_of(client), workers_there(client)  # in this order none is missed that comes between
        if len(workers) >= count:
            break
        seen |= workers.keys()
        if (lost := len(seen - workers.keys())) > _LOSSES * count:
            raise RunError(
                f"{lost} workers have come and gone before {count} were there at a time; look at the end of the jobs' "
                "output, and give the jobs more memory or a longer walltime"
            )
        if news.lost and len(workers) + news.queued + news.unknown < count:
            raise RunError(
                f"{len(workers)} of {count} workers are there, and too few others can come: {_why(news)}; remedy that, "
                "and start again"
            )
        if queue and news.queued:
            ends = time.monotonic() + timeout
        if time.monotonic() > ends:
            raise RunError(
                f"{len(workers)} of {count} workers were there after {timeout:g} s; {_told(news)}look at the batch "
                "system's queue and at the jobs' output (all nodes must see its folder), or give them more time "
                "(start_timeout in the cluster's file)"
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
    workers: dict[str, Any] = _answer(client, lambda: scheduler.identity(n_workers=-1))["workers"]
    return workers


def news_of(client: Client) -> News:
    """Ask the scheduler for the news of the batch system's queue.

    Raises
    ------
    InputError
        If the batch system has refused the first job, and none will come.
    RunError
        If the scheduler does not answer for half a minute.
    """
    scheduler: Any = client.scheduler
    news = News(**_answer(client, lambda: scheduler.get_metadata(keys=[NEWS], default={})))
    if news.refused and not news.accepted:
        raise InputError(f"{news.system} refuses the job: {news.refused}")
    return news


def _answer(client: Client, question: Callable[[], Any]) -> Any:
    ends = time.monotonic() + _SILENCE
    while True:
        try:
            return client.sync(question)  # type: ignore[no-untyped-call]
        except OSError as error:
            if time.monotonic() > ends:
                raise RunError(f"the scheduler has not answered for {_SILENCE:g} s ({error}); is it there?") from error
            time.sleep(_POLL)


def _told(news: News) -> str:
    """Name the workers that did not start."""
    missing = f"missing: {', '.join(news.missing)}; " if news.missing else ""
    refused = f"the last submission was refused: {news.refused}; " if news.refused else ""
    return missing + refused


def _why(news: News) -> str:
    """Say what has become of one job: of several, it is mostly the same."""
    return news.lost[0] + (f" (the first of {len(news.lost)} such jobs)" if news.lost[1:] else "")


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
        self._threads, self._asked = 0, -math.inf

    def check(self) -> int:
        """Return the number of the workers' threads, as it was a second ago or later.

        Raises
        ------
        RunError
            If there has been none for so long, apart from the time in the batch system's queue, or none can come.
        InputError
            If the batch system accepts none of the jobs.
        """
        if time.monotonic() < self._asked + _POLL:
            return self._threads
        self._asked = time.monotonic()
        scheduler: Any = self.client.scheduler
        news, threads = news_of(self.client), _answer(self.client, lambda: scheduler.ncores())
        if threads or news.queued:
            self.ends = time.monotonic() + self.seconds
        elif news.lost and not news.unknown:
            raise RunError(f"there is no worker, and none can come: {_why(news)}; remedy that, and start again")
        elif time.monotonic() > self.ends:
            raise RunError(
                f"there has been no worker for {self.seconds:g} s; look at the batch system's queue and at the jobs' "
                "output, and start the same again"
            )
        self._threads = sum(threads.values())
        return self._threads


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
