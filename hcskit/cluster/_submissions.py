"""Submitting the jobs of a cluster, and submitting again those that the batch system refuses for now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from distributed.core import Status

__all__ = ["Submissions", "queued"]

_TRIES = 5
_NAMES = {"slurm": "Slurm", "moab": "Moab"}


class Submissions:
    """The queue of jobs that are to be submitted, one after another.

    The same job was accepted before, so a refusal of a later one is about their number, or about a batch system that is
    busy: it is tried again with growing waits, and the jobs behind it wait as well.

    Parameters
    ----------
    kind : str
        Of batch system.
    patience : float
        Seconds that all waits take together.
    say : callable
        Receives a line for each refusal.

    Attributes
    ----------
    words : str
        What the batch system said of the last job that it refused; empty since it accepted one.
    accepted : int
        How many it has accepted.
    """

    def __init__(self, kind: str, patience: float, say: Callable[[str], object]) -> None:
        self.system, self.say, self.words = _NAMES.get(kind, kind.upper()), say, ""
        self._waits: list[float] = [patience * 2**turn / (2**_TRIES - 1) for turn in range(_TRIES)]
        self.accepted = self._refused = 0  # the latter in a row
        self._turn = asyncio.Lock()

    async def submit(self, job: Any) -> None:
        """Submit a job when those before it are, unless it is refused too often or is not wanted any more."""
        async with self._turn:
            while not job.unwanted.is_set():
                try:
                    await job.submit()
                except (OSError, RuntimeError, ValueError) as error:
                    self.words = " ".join(str(error).rpartition("stderr:\n")[2].split())
                    wait = self._after_refusal()
                    if wait is None:
                        return
                    with suppress(TimeoutError):
                        await asyncio.wait_for(job.unwanted.wait(), wait)
                else:
                    self.accepted, self._refused, self.words = self.accepted + 1, 0, ""
                    return

    def _after_refusal(self) -> float | None:
        """Return how long to wait until the next attempt; None: do not try again."""
        self._refused += 1
        if not self.accepted:
            return None
        told = f"{self.system} refuses a further job: {self.words}; accepted so far: {self.accepted}"
        if self._refused <= _TRIES:
            wait = self._waits[self._refused - 1]
            self.say(f"{told}; trying again in {wait:.0f} s ({self._refused} of {_TRIES})")
            return wait
        if self._refused == _TRIES + 1:
            self.say(f"{told}; not tried again")
        return None


class _Queued:
    """Lets a job of dask-jobqueue be submitted by a queue; Dask itself never sees a refusal, which would end it."""

    queue: Submissions

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.unwanted = asyncio.Event()
        self._submission: Any = None

    @property
    def worker_names(self) -> tuple[str, ...]:
        """The names of the workers that it starts."""
        return (str(self.name),)  # type: ignore[attr-defined]

    async def start(self) -> None:
        self._submission = asyncio.ensure_future(self.queue.submit(self))
        self.status = Status.running

    async def submit(self) -> None:
        await super().start()  # type: ignore[misc]

    async def close(self) -> None:
        self.unwanted.set()
        if self._submission is not None:
            await self._submission  # it may have been accepted just now
        await super().close()  # type: ignore[misc]
        self.status = Status.closed


def queued(job_class: type[Any], queue: Submissions) -> type[Any]:
    """Return a class of jobs that are submitted by a queue."""
    return type(f"Queued{job_class.__name__}", (_Queued, job_class), {"queue": queue})
