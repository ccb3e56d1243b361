"""GPUs: what a cluster's file may ask for, what jobs ask the batch system for, and what workers and ranks are given."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from distributed import Worker
from pydantic import ValidationError

from hcskit.cluster import ClusterConfig, open_cluster
from hcskit.cluster._batch import _jobqueue_class, job_options
from hcskit.cluster.ranks import variables
from hcskit.cluster.ranks._process import RankProcess, RankTask
from hcskit.errors import InputError
from hcskit.recipe import Recipe

JOB = {"cores": 40, "memory": "64GiB", "walltime": "02:00:00", "interface": "lo", "ranks_per_worker": 4}
TELL = """
import json, os, pathlib
def tell(out):
    pathlib.Path(out).write_text(json.dumps(dict(os.environ)))
"""


def _job_script(config: ClusterConfig, folder: Path) -> str:
    (folder / "certificates").mkdir()
    with _jobqueue_class(config.kind)(**job_options(config, "hcskit-0", folder, folder / "certificates")) as cluster:
        return str(cluster.job_script())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "extra", "asked"),
    [
        (1, (), ["--gres=gpu:4"]),
        (None, (), []),
        (0, (), []),
        (1, ("--constraint=gpu80",), ["--gres=gpu:4"]),
        (1, ("--gres=gpu:a100:4",), ["--gres=gpu:a100:4"]),
        (1, ("--gpus-per-node=4",), ["--gpus-per-node=4"]),
    ],
)
def test_a_job_of_slurm_asks_for_a_gpu_for_each_rank(
    said: int | None, extra: tuple[str, ...], asked: list[str], tmp_path: Path
) -> None:
    script = _job_script(ClusterConfig(kind="slurm", gpus_per_rank=said, job_extra=extra, **JOB), tmp_path)
    directives = [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH")]
    assert [line for line in directives if line.startswith(("--gres", "--gpus"))] == asked


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "directive"), [("pbs", "-l select=1:ncpus=40:ngpus=4"), ("lsf", "-gpu num=4"), ("sge", "-l gpu=4")]
)
def test_other_batch_systems_are_asked_in_the_words_of_the_site(kind: str, directive: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=rf"job_extra that asks {kind} for 4 GPUs a job"):
        ClusterConfig(kind=kind, gpus_per_rank=1, **JOB)
    config = ClusterConfig(kind=kind, gpus_per_rank=1, job_extra=(directive,), **JOB)
    assert directive in _job_script(config, tmp_path)


def test_a_rank_has_one_gpu_or_none() -> None:
    with pytest.raises(ValidationError, match="gpus_per_rank"):
        ClusterConfig.model_validate({"gpus_per_rank": 2})


def _environment(dask_worker: Worker) -> tuple[int, str | None]:
    return int(dask_worker.name), os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "workers", "seen"),
    [
        (None, 2, {0: "GPU-a,GPU-b", 1: "GPU-c,GPU-d"}),
        (1, 2, {0: "GPU-a,GPU-b", 1: "GPU-c,GPU-d"}),
        (0, 2, {0: "-1", 1: "-1"}),
        (None, 3, dict.fromkeys(range(3), "GPU-a,GPU-b,GPU-c,GPU-d,GPU-e")),  # too few: left to the ranks
    ],
)
def test_workers_of_one_machine_have_gpus_of_their_own(
    said: int | None, workers: int, seen: dict[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b,GPU-c,GPU-d,GPU-e")
    config = ClusterConfig(workers=workers, ranks_per_worker=2, cores=1, gpus_per_rank=said)
    with open_cluster(config) as cluster:
        cluster.client.wait_for_workers(workers)
        assert dict(cluster.client.run(_environment).values()) == seen


@pytest.mark.slow
def test_more_ranks_than_gpus_of_this_machine_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    config = ClusterConfig(workers=2, ranks_per_worker=2, cores=1, gpus_per_rank=1)
    with (
        pytest.raises(
            InputError, match=r"2 workers of 2 ranks need 4 GPUs, and this machine has 3 .*gpus_per_rank to 0"
        ),
        open_cluster(config),
    ):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "machine", "seen"),
    [(1, "4,5,6,7", "6"), (None, "4,5,6,7", "6"), (0, "4,5,6,7", "-1"), (None, "-1", "-1"), (None, "4,5", "4,5")],
)
def test_a_rank_starts_with_its_own_gpu(
    said: int | None, machine: str, seen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tell.py").write_text(TELL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", machine)
    asked = variables(Recipe(), ClusterConfig(gpus_per_rank=said)) | {"HOROVOD_LOCAL_RANK": "2"}
    out = tmp_path / "environment.json"
    task = RankTask(2, "tell:tell", {"out": str(out)}, asked, str(tmp_path / "log"), (0, 1))
    rank = RankProcess(task, (4, 4), lambda _: None)
    with rank.process:
        assert rank.process.wait(60) == 0
        rank.end()
    assert json.loads(out.read_text())["CUDA_VISIBLE_DEVICES"] == seen


def test_a_rank_without_the_gpu_that_was_asked_for_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    asked = variables(Recipe(), ClusterConfig(gpus_per_rank=1))
    with pytest.raises(InputError, match=r"4 ranks on \S+ need a GPU each, and there is 1; start fewer ranks"):
        RankProcess(RankTask(0, "tell:tell", {}, asked, str(tmp_path / "log"), (0, 1)), (4, 4), lambda _: None)
