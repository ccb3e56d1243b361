"""Jobs that a batch system refuses."""

from __future__ import annotations

import asyncio

from hcskit.cluster._submissions import Submissions


class Job:
    """A job that is refused so many times."""

    def __init__(self, refusals: int) -> None:
        self.refusals, self.unwanted = refusals, asyncio.Event()

    async def submit(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("Command exited with non-zero exit code.\nstderr:\nsbatch: error: no\n  room\n")


def submit(submissions: Submissions, *refusals: int) -> None:
    async def all_of_them() -> None:
        for number in refusals:
            await submissions.submit(Job(number))

    asyncio.run(all_of_them())


def test_a_job_that_is_refused_again_and_again_is_given_up() -> None:
    said: list[str] = []
    submissions = Submissions("slurm", 0.3, said.append)
    submit(submissions, 0, 99)
    told = "Slurm refuses a further job: sbatch: error: no room; accepted so far: 1"
    assert said == [*(f"{told}; trying again in 0 s ({turn} of 5)" for turn in range(1, 6)), f"{told}; not tried again"]
    assert (submissions.accepted, submissions.words) == (1, "sbatch: error: no room")


def test_a_first_job_that_is_refused_is_not_tried_again() -> None:
    said: list[str] = []
    submissions = Submissions("slurm", 3600.0, said.append)
    submit(submissions, 99)
    assert (submissions.accepted, submissions.words, said) == (0, "sbatch: error: no room", [])


def test_what_was_refused_is_forgotten_once_it_is_accepted() -> None:
    submissions = Submissions("slurm", 0.3, lambda _: None)
    submit(submissions, 0, 2)
    assert (submissions.accepted, submissions.words) == (2, "")
