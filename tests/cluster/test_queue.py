"""The batch system is followed whatever it answers; a real Slurm is asked in test_slurm.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from hcskit.cluster import ClusterConfig
from hcskit.cluster._batch import open_batch
from hcskit.cluster._queue import NEWS, watched_queue
from hcskit.errors import InputError

Until = Callable[[Callable[[], object]], None]
SLURM = ClusterConfig.model_validate({"kind": "slurm", "cores": 2, "memory": "2GB", "walltime": "1:00"})


def test_an_answer_that_makes_no_sense_is_told_and_asked_for_again(
    tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = tmp_path / "answer"
    answer.write_text("1|what\n")
    command = tmp_path / "squeue"
    command.write_text(f"#!/bin/sh\ncat {answer}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    job = SimpleNamespace(job_id="1", name="worker", worker_names=("worker",))
    scheduler = SimpleNamespace(task_metadata={}, workers={})
    submissions = SimpleNamespace(system="Slurm", words="", accepted=1)
    cluster = SimpleNamespace(scheduler=scheduler, workers={"worker": job}, submissions=submissions)
    said: list[str] = []
    with watched_queue(cluster, SLURM, "name", tmp_path, said.append):
        until(lambda: said)
        answer.write_text("1|PENDING|Resources|N/A\n")
        until(lambda: scheduler.task_metadata.get(NEWS, {}).get("queued") == 1)
    assert "the jobs cannot be followed: ValueError" in said[0]
    assert said[1:] == ["Slurm: job 1 PENDING (Resources)"]


def test_a_scheduler_that_cannot_be_started_leaves_no_keys(tmp_path: Path, until: Until) -> None:
    nowhere = SLURM.model_copy(update={"interface": "198.51.100.0/24"})
    with pytest.raises(InputError, match="is no interface"), open_batch(nowhere, tmp_path, "", print):
        pass
    until(lambda: not list(tmp_path.iterdir()))
