"""A disk that is full, read-only, over its quota, broken or out of reach, in every step: one sentence, and no harm."""

from __future__ import annotations

import errno
import os
import random
import shutil
from pathlib import Path

import pytest

from tests.faults.conftest import Steps, contents, partial_files

LASTING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # until somebody does something about it
FOREVER = 10**9
CASES = [
    (step, name, call)
    for step in ("import", "quality", "response")
    for name, call in zip(
        ("EIO", "ENOSPC", "EDQUOT", "EROFS", "ESTALE"), ("fsync", "write", "write", "open", "rename"), strict=True
    )
]
CASES += [("import", "ENOSPC", "mkdir"), ("quality", "ENOSPC", "mkdir"), ("quality", "ESTALE", "write")]
CASES += [("train", "ENOSPC", "write"), ("train", "EIO", "fsync"), ("train", "EROFS", "open")]
CASES += [("predict", "EDQUOT", "write"), ("predict", "EROFS", "open"), ("report", "ENOSPC", "write")]


def told(name: str) -> str:
    return "the disk is full" if name == "ENOSPC" else os.strerror(getattr(errno, name))


def assert_told(said: str, name: str, run: Path) -> None:
    """One sentence that says what is wrong and where."""
    assert said.startswith("Error: "), said
    assert said.count("\n") == 1, said
    assert told(name) in said
    assert str(run) in said


@pytest.mark.slow
@pytest.mark.parametrize(("step", "name", "call"), CASES)
def test_an_error_of_the_disk_is_a_sentence_and_leaves_nothing_half(
    steps: Steps, tmp_path: Path, step: str, name: str, call: str
) -> None:
    run, number = steps.start(step, tmp_path / "run"), getattr(errno, name)
    at = random.Random(f"{step} {name} {call}").randint(1, steps.counts[step][call])  # noqa: S311
    faults = {"calls": call, "at": at, "until": FOREVER if number in LASTING else at, "errno": number}
    failed = steps.run(step, run, **faults)
    assert failed.status == 1, failed
    assert_told(failed.said, name, run)
    steps.assert_whole(step, run)
    assert not partial_files(run)
    steps.finish(step, run)


@pytest.mark.slow
@pytest.mark.parametrize("call", ["write", "rename", "fsync"])
def test_outputs_that_were_there_are_the_old_or_the_new(steps: Steps, tmp_path: Path, call: str) -> None:
    run = shutil.copytree(steps.after("quality"), tmp_path / "run")
    again = f"hcskit.assess({str(run)!r}, hcskit.preprocess.Limits(focus_z=-0.1), **quiet)"
    before, at = contents(run), random.Random(call).randint(1, 3)  # noqa: S311
    failed = steps.processes["light"].run(again, run, calls=call, at=at, errno=errno.EIO)
    assert_told(failed.said, "EIO", run)
    assert not partial_files(run)
    left = contents(run)
    assert steps.processes["light"].run(again, run).status == 0
    after = contents(run)
    assert after != before
    assert left.keys() == before.keys()
    assert all(content in (before[name], after[name]) for name, content in left.items())
