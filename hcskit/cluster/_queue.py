"""The jobs of a cluster in the batch system's queue: what the user is told of them, and what those who wait ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

from hcskit.cluster._config import ClusterConfig
from hcskit.cluster._slurm import GONE, Place, places_of
from hcskit.errors import HcskitError

__all__ = ["NEWS", "News", "watched_queue"]

#: Where the scheduler keeps the news, so that all its clients can read them, those of a pipeline's steps as well.
NEWS = "hcskit-queue"

_TICK = 0.5
_OFTEN, _SELDOM = 1.0, 30.0  # seconds between two questions to the batch system: more, as long as nothing changes
_MOVED = timedelta(minutes=15)  # by which an expected start must have moved to be told again
_NAMED = 8  # jobs that a line lists
_LINES = 5  # of a job's output that an error shows


class News(NamedTuple):
    """What is known of the workers that are not there yet.

    Attributes
    ----------
    queued : int
        How many are in jobs that wait in the queue, or have just started.
    unknown : int
        How many are in jobs of which the batch system has said nothing.
    lost : tuple of str
        Why each of the other jobs brings no worker.
    missing : tuple of str
        The names of all these jobs.
    system : str
        Name of the batch system.
    refused : str
        What it said of the last submission, if it refused it.
    accepted : bool
        Whether it has accepted any.
    """

    queued: int = 0
    unknown: int = 0
    lost: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    system: str = ""
    refused: str = ""
    accepted: bool = True


@contextmanager
def watched_queue(
    cluster: Any, config: ClusterConfig, name: str, folder: Path, say: Callable[[str], object]
) -> Iterator[None]:
    """Follow the jobs of dask-jobqueue's cluster, tell what changes, and keep the news in its scheduler.

    Parameters
    ----------
    cluster : dask_jobqueue.JobQueueCluster
        Its jobs are those of `hcskit.cluster._submissions.queued`.
    config : ClusterConfig
        How long to wait for what.
    name : str
        Of all its jobs.
    folder : Path
        Of their output.
    say : callable
        Receives a line for each change.
    """
    over, queue = Event(), _Queue(cluster, config, name, folder, say)

    def follow() -> None:
        while not over.wait(_TICK):
            try:
                cluster.scheduler.task_metadata[NEWS] = queue.look()._asdict()
            except Exception as error:  # noqa: BLE001 - whoever waits for workers must not wait for a thread that died
                queue.fail(f"{type(error).__name__}: {error}")

    thread = Thread(target=follow, name="queue", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class _Queue:
    """What was last heard of the jobs whose workers are not there."""

    def __init__(
        self, cluster: Any, config: ClusterConfig, name: str, folder: Path, say: Callable[[str], object]
    ) -> None:
        self.cluster, self.config, self.name, self.folder, self.say = cluster, config, name, folder, say
        self._teller = _Teller(cluster.submissions.system, say)
        self._came: set[str] = set()
        self._places: dict[str, Place] = {}
        self._since: dict[tuple[str, bool], float] = {}  # when a job was first seen to wait, or to run
        self._asked: tuple[str, ...] = ()
        self._pause, self._next, self._failure = _OFTEN, 0.0, ""

    def look(self) -> News:
        """Ask the batch system, if it is time, and return the news."""
        self._came |= {worker.name for worker in list(self.cluster.scheduler.workers.values())}
        jobs = [job for job in list(self.cluster.workers.values()) if not self._came.issuperset(job.worker_names)]
        numbers = tuple(job.job_id for job in jobs if job.job_id)
        if self.config.kind == "slurm" and numbers and (numbers != self._asked or time.monotonic() > self._next):
            self._ask(numbers)
        fates = {number: self._fate(number, self._places[number]) for number in numbers if number in self._places}
        self._teller.tell({number: self._places[number] for number in fates})
        size = {job.job_id: len(set(job.worker_names) - self._came) for job in jobs}
        submissions = self.cluster.submissions
        return News(
            queued=sum(size[number] for number, fate in fates.items() if not fate),
            unknown=sum(len(job.worker_names) for job in jobs if job.job_id not in fates),
            lost=tuple(filter(None, fates.values())),
            missing=tuple(f"{job.name} (job {job.job_id})" if job.job_id else str(job.name) for job in jobs),
            system=submissions.system,
            refused=submissions.words,
            accepted=submissions.accepted > 0,
        )

    def _ask(self, numbers: tuple[str, ...]) -> None:
        """Renew the jobs' places; what was known of them stays if there is no answer."""
        before, now = self._places, time.monotonic()
        try:
            found = places_of(self.name)
        except HcskitError as error:
            self.fail(str(error))
        else:
            self._failure = ""
            self._places = {number: found.get(number, GONE) for number in numbers}
        finally:  # also where an answer cannot be read, or it would be asked for again at once
            for number, place in self._places.items():
                self._since.setdefault((number, place.runs), now)
            self._pause = min(2 * self._pause, _SELDOM) if before == self._places else _OFTEN
            self._asked, self._next = numbers, time.monotonic() + self._pause

    def fail(self, why: str) -> None:
        """Say why nothing is heard of the jobs, once."""
        if why != self._failure:
            self.say(f"the jobs cannot be followed: {why}")
        self._failure = why

    def _fate(self, number: str, place: Place) -> str:
        """Return why a job brings no worker any more; empty if it may."""
        waited, limit = time.monotonic() - self._since[number, place.runs], self.config.queue_timeout
        if place.hopeless:
            return f"job {number} is {place}{self._output(number)}"
        if place.runs and waited > self.config.start_timeout:
            return (
                f"job {number} has run for {self.config.start_timeout:g} s (start_timeout) and its worker is not there"
                f"{self._output(number)}"
            )
        if not place.runs and limit is not None and waited > limit:
            return f"job {number} has waited for {limit:g} s (queue_timeout) and is {place}"
        return ""

    def _output(self, number: str) -> str:
        """Quote the end of what a job has written."""
        written = sorted(self.folder.glob(f"{self.name}-{number}*.err"))
        if not written:
            return f"; it has written nothing into {self.folder}: do the nodes see it?"
        with suppress(OSError):
            for path in written:
                lines = map(str.strip, path.read_text(encoding="utf-8", errors="replace").splitlines())
                if last := [line for line in lines if line][-_LINES:]:
                    return f"; {path} ends with: {' | '.join(last)}"
        return ""


class _Teller:
    """Says where jobs are when that has changed; those that start at once are not worth a line."""

    def __init__(self, system: str, say: Callable[[str], object]) -> None:
        self.system, self.say = system, say
        self._told, self._starts = dict[str, str](), dict[str, str]()

    def tell(self, places: dict[str, Place]) -> None:
        found = {number: f"{place}{self._expected(number, place)}" for number, place in places.items() if place.is_told}
        if found.items() - self._told.items() and (self._told or set(found.values()) != {"RUNNING"}):
            groups: dict[str, list[str]] = {}
            for number, text in found.items():
                groups.setdefault(text, []).append(number)
            self.say(f"{self.system}: {'; '.join(f'{_jobs(numbers)} {text}' for text, numbers in groups.items())}")
            self._told = found
        if not places:
            self._told = {}

    def _expected(self, number: str, place: Place) -> str:
        """Return when a job is expected to start, as it was told before unless that has moved."""
        if place.runs or place.hopeless or not place.start:
            return ""
        told = self._starts.get(number)
        if told is None or abs(datetime.fromisoformat(place.start) - datetime.fromisoformat(told)) > _MOVED:
            self._starts[number] = place.start
        return f", expected to start at {self._starts[number]}"


def _jobs(numbers: list[str]) -> str:
    more = f" and {len(numbers) - _NAMED} more" if numbers[_NAMED:] else ""
    return f"{'jobs' if numbers[1:] else 'job'} {', '.join(numbers[:_NAMED])}{more}"
