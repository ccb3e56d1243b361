"""What a cluster's file may say, and what its jobs ask the batch system for."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from hcskit.cluster import ClusterConfig, open_cluster
from hcskit.cluster._open import _jobqueue_class, _options
from hcskit.errors import InputError

SLURM = ClusterConfig(
    kind="slurm",
    workers=2,
    ranks_per_worker=4,
    cores=40,
    memory="64GiB",
    queue="screening",
    account="hcs",
    walltime="02:00:00",
    interface="lo",
    job_extra=("--constraint=avx512",),
    local_directory=Path("/scratch"),
)


def job_script(config: ClusterConfig, folder: Path) -> str:
    certificates = folder / "certificates"
    certificates.mkdir()
    with _jobqueue_class(config.kind)(**_options(config, "hcskit-0", folder, certificates)) as cluster:
        return str(cluster.job_script())


def test_a_job_asks_for_what_the_file_says(tmp_path: Path) -> None:
    lines = job_script(SLURM, tmp_path).splitlines()
    asked = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]
    assert asked == [
        "-J hcskit-0",
        f"-e {tmp_path}/hcskit-0-%J.err",
        f"-o {tmp_path}/hcskit-0-%J.out",
        "-p screening",
        "-A hcs",
        "-n 1",
        "--cpus-per-task=40",
        "--mem=64G",
        "-t 02:00:00",
        "--no-requeue",
        "--constraint=avx512",
    ]
    command = lines[-1].split()
    assert command[:3] == [sys.executable, "-m", "distributed.cli.dask_worker"]
    options = dict(pairwise(command))
    assert command[3].startswith("tls://127.0.0.1:")
    assert (options["--nthreads"], options["--memory-limit"], options["--interface"]) == ("40", "64.00GiB", "lo")
    assert (options["--local-directory"], options["--death-timeout"]) == ("/scratch", "60")


def test_a_job_script_holds_no_secret(tmp_path: Path) -> None:
    script = job_script(SLURM, tmp_path)
    keys = sorted((tmp_path / "certificates").iterdir())
    assert len(keys) == 3
    for path in keys:
        assert path.stat().st_mode & 0o077 == 0
        assert str(path) in script
        for line in path.read_text().splitlines():
            assert line not in script


@pytest.mark.parametrize("kind", ["pbs", "lsf", "sge"])
def test_other_batch_systems_are_known_by_name(kind: str, tmp_path: Path) -> None:
    script = job_script(SLURM.model_copy(update={"kind": kind, "job_extra": ()}), tmp_path)
    assert "#SBATCH" not in script
    assert "hcskit-0" in script
    assert "requeue" not in script


def test_an_unknown_kind_names_the_known_ones() -> None:
    config = ClusterConfig(kind="cray", cores=1, memory="1GB", walltime="1:00")
    with (
        pytest.raises(InputError, match=r"kind 'cray'; known: local, address, .*lsf, .*pbs, .*sge, slurm"),
        open_cluster(config),
    ):
        pass


def test_a_folder_with_a_space_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "my screen"
    with pytest.raises(InputError, match=r"job scripts cannot hold a path with a space, such as .*my screen"):
        _options(SLURM, "hcskit-0", folder, folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: slurm", "a cluster of kind slurm needs cores, memory and walltime"),
        ("kind: address", "the kind address needs an address"),
        ("address: tcp://here:1", "the kind address needs an address, and no other kind has one"),
        ("nodes: 2", "nodes"),
        ("workers: 0", "workers"),
        ("[1, 2]", "valid dictionary"),
        ("kind: !!python/object/apply:os.getcwd []", "python/object"),
    ],
)
def test_a_file_that_is_no_cluster_says_why(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="is not the description of a cluster") as caught:
        ClusterConfig.from_yaml(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_of_slurm_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text("kind: slurm\nworkers: 8\nranks_per_worker: 4\ncores: 40\nmemory: 64GiB\nwalltime: '08:00:00'\n")
    config = ClusterConfig.from_yaml(path)
    assert (config.kind, config.workers, config.ranks_per_worker, config.cores) == ("slurm", 8, 4, 40)
    assert ClusterConfig() == ClusterConfig(kind="local", workers=1, ranks_per_worker=1)


def test_ctrl_c_stays_ctrl_c_and_a_cluster_can_be_opened_in_any_thread() -> None:
    code = """
import signal, threading
from hcskit.cluster._open import _jobqueue_class
found = []
thread = threading.Thread(target=lambda: found.append(_jobqueue_class("slurm")))
thread.start()
thread.join()
print(found[0].__name__, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "SLURMCluster True\n"
