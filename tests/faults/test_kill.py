"""Kill -9 at any call to the disk, in every step of a pipeline, again and again: then the same command ends as ever."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

import pytest

from tests.faults.conftest import Steps

#: How many folders, and how many times a step is killed in each before it may end.
SWEEP = {"import": (8, 5), "quality": (3, 5), "train": (1, 4), "predict": (1, 3), "response": (8, 5), "report": (1, 2)}


def test_there_are_a_hundred_kills() -> None:
    assert sum(folders * kills for folders, kills in SWEEP.values()) >= 100


@pytest.mark.slow
@pytest.mark.parametrize("step", SWEEP)
def test_a_step_that_is_killed_is_done_by_the_same_command(steps: Steps, tmp_path: Path, step: str) -> None:
    """Some calls are killed in the middle of a write. What is there in between is whole, whatever came before."""
    rng = random.Random(step)  # noqa: S311
    (folders, kills), calls = SWEEP[step], sum(steps.counts[step].values())
    for number in range(folders):
        run = steps.start(step, tmp_path / str(number))
        for _ in range(kills):
            while (killed := steps.run(step, run, at=rng.randint(1, calls), errno=-1)).status == 0:
                shutil.rmtree(run)  # what was resumed ended before that call
                steps.start(step, run)
            assert killed.status == -signal.SIGKILL, killed
            steps.assert_whole(step, run)
        steps.finish(step, run)
