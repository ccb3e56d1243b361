"""What a cluster's file may say, and what its jobs ask the batch system for."""

from __future__ import annotations

import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import get_args

import dask
import pytest

from hcskit.cluster import ClusterConfig, open_cluster
from hcskit.cluster._batch import _jobqueue_class, job_class, job_options
from hcskit.cluster._submissions import Submissions
from hcskit.errors import InputError, StoreError

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
    cluster_class = _jobqueue_class(config.kind)
    options = job_options(config, "hcskit-0", folder, certificates)
    options["job_cls"] = job_class(config, cluster_class.job_cls, Submissions(config.kind, 1.0, print))
    with dask.config.set(config.site_settings), cluster_class(**options) as cluster:
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


def test_one_job_starts_a_worker_on_each_of_its_nodes(tmp_path: Path) -> None:
    config = SLURM.model_copy(update={"placement": "one_job", "workers": 3})
    lines = job_script(config, tmp_path).splitlines()
    assert {"#SBATCH --nodes=3", "#SBATCH --ntasks=3", "#SBATCH --ntasks-per-node=1", "#SBATCH --mem=64G"} <= set(lines)
    *step, task = shlex.split(lines[-1])
    assert step[0] == "srun"
    assert {"--kill-on-bad-exit=1", "--ntasks-per-node=1", "--cpus-per-task=40"} <= set(step)
    names = []
    for number in ("0", "1", "10"):
        shown = task.replace("exec ", "echo ")
        environment = {"SLURM_PROCID": number}
        told = subprocess.run(["sh", "-c", shown], env=environment, capture_output=True, text=True, check=True).stdout
        names.append(dict(pairwise(told.split()))["--name"])
    assert names == ["dummy-name", "dummy-name.1", "dummy-name.10"]


def test_a_job_script_holds_no_secret(tmp_path: Path) -> None:
    script = job_script(SLURM, tmp_path)
    keys = sorted((tmp_path / "certificates").iterdir())
    assert len(keys) == 3
    for path in keys:
        assert path.stat().st_mode & 0o077 == 0
        assert str(path) in script
        for line in path.read_text().splitlines():
            assert line not in script


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pbs", "lsf", "sge"])
def test_other_batch_systems_are_known_by_name(kind: str, tmp_path: Path) -> None:
    script = job_script(SLURM.model_copy(update={"kind": kind, "job_extra": ()}), tmp_path)
    assert "#SBATCH" not in script
    assert "hcskit-0" in script
    assert "requeue" not in script


def test_the_kinds_are_those_of_dask_jobqueue(tmp_path: Path) -> None:
    """But HTCondor's, which has neither queues nor a walltime."""
    for kind in set(get_args(ClusterConfig.model_fields["kind"].annotation)) - {"local", "address"}:
        assert _jobqueue_class(kind).__name__ == f"{kind.upper()}Cluster".replace("MOAB", "Moab")


def test_a_folder_with_a_space_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "my screen"
    with pytest.raises(InputError, match=r"job scripts cannot hold a path with a space, such as .*my screen"):
        job_options(SLURM, "hcskit-0", folder, folder)


JOB = "kind: slurm\ncores: 2\nmemory: 3GB\nwalltime: '1:00'\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: slrum", "kind: found 'slrum'; it must be 'local', 'address', 'slurm', 'pbs'"),
        ("kind: address", "address: is missing; a cluster of kind address needs it"),
        ("address: tcp://here:1", "address: found 'tcp://here:1'; only a cluster of kind address has one"),
        ("worker: 2", "worker: there is no such field; did you mean workers?"),
        ("nodelist: 2", "nodelist: there is no such field; it can be account, address"),
        ("workers: 0", "workers: found 0; it must be greater than or equal to 1"),
        ("workers: two", "workers: found 'two'; it must be a valid integer"),
        ("workers: 2\nbegin_with: 3", "begin_with: found 3; there are no more than 2 (workers)"),
        ("placement: one_job", "placement: found 'one_job'; only Slurm has it, and the kind is local"),
        (f"{JOB}gpus_per_rank: 2", "gpus_per_rank: found 2; it must be 0 or 1"),
        (f"{JOB}log_directory: 3", "log_directory: found 3; it is not a valid path"),
        (f"{JOB.replace('3GB', 'lots')}", "memory: found 'lots'; it must be a size with its unit, such as 64GiB"),
        (f"{JOB.replace('3GB', '64')}", "memory: found '64'; it must be a size with its unit"),
        (f"{JOB}walltime: long", "walltime: found 'long'; it must be a time as the batch system writes it, such as 08"),
        (f"{JOB}walltime: 720", "walltime: found 720; it must be a time"),
        ("[1, 2]", "found [1, 2]; it must be a valid dictionary"),
        ("kind: !!python/object/apply:os.getcwd []", "python/object"),
    ],
)
def test_a_file_that_is_no_cluster_says_why(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="is not the description of a cluster: ") as caught:
        ClusterConfig.from_yaml(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text("kind: slurm\nworkers: 0\nmemory: lots\nque: fast\ninterface: 10.20.0.0/99\n")
    with pytest.raises(InputError) as caught:
        ClusterConfig.from_yaml(path)
    told = [line.partition(":")[0] for line in str(caught.value).splitlines()[1:]]
    assert told == ["  - workers", "  - cores", "  - memory", "  - walltime", "  - interface", "  - que"]


def test_both_spellings_are_taken(tmp_path: Path) -> None:
    """YAML 1.1 has 12:00:00 for a number; dask-jobqueue has other names, and its file has hyphens in them."""
    path = tmp_path / "cluster.yaml"
    path.write_text(
        "{kind: slurm, cores: 2, memory: 3 GB, walltime: 12:00:00, account: 71, job-script-prologue: module load cuda,"
        " job_extra_directives: [--exclusive], job_directives_skip: --mem, python: /opt/python}"
    )
    config = ClusterConfig.from_yaml(path)
    assert (config.walltime, config.account, config.job_extra) == ("12:00:00", "71", ("--exclusive",))
    lines = job_script(config, tmp_path).splitlines()
    assert not any("--mem" in line for line in lines if line.startswith("#SBATCH"))
    assert lines.index("module load cuda") < lines.index(next(line for line in lines if "dask_worker" in line))
    assert lines[-1].startswith("/opt/python -m ")


def test_what_a_site_says_is_taken_where_the_file_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site" / "jobqueue.yaml"
    site.parent.mkdir()
    site.write_text(
        "jobqueue:\n  slurm: {name: dask-worker, queue: site, account: hcs, walltime: 2:00:00, env-extra: [. env.sh],"
        " memory: 9GB, death-timeout: 600, shebang: '#!/bin/zsh'}\n  pbs: {queue: other}\n"
    )
    monkeypatch.setattr(dask.config, "paths", [str(site.parent)])
    config = ClusterConfig.model_validate({"kind": "slurm", "cores": 2, "memory": "3GB", "interface": "lo"})
    assert (config.queue, config.account, config.walltime, config.memory) == ("site", "hcs", "2:00:00", "3GB")
    assert config.from_site == (
        f"from {site}: queue, account, walltime, prologue, shebang; set by hcskit itself: death-timeout"
    )
    lines = job_script(config, tmp_path).splitlines()
    assert lines[0] == "#!/bin/zsh"
    assert {"#SBATCH -p site", "#SBATCH -t 2:00:00", ". env.sh"} <= set(lines)
    assert ClusterConfig().from_site == ""


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = SLURM.model_copy(update={"log_directory": tmp_path / "file" / "logs"})
    with (
        pytest.raises(StoreError, match=r"/file/logs could not be written: Not a directory"),
        open_cluster(config),
    ):
        pass


def test_a_file_of_slurm_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text("kind: slurm\nworkers: 8\nranks_per_worker: 4\ncores: 40\nmemory: 64GiB\nwalltime: '08:00:00'\n")
    config = ClusterConfig.from_yaml(path)
    assert (config.kind, config.workers, config.ranks_per_worker, config.cores) == ("slurm", 8, 4, 40)
    assert ClusterConfig() == ClusterConfig(kind="local", workers=1, ranks_per_worker=1)


@pytest.mark.slow
def test_ctrl_c_stays_ctrl_c_and_a_cluster_can_be_opened_in_any_thread() -> None:
    code = """
import signal, threading
from hcskit.cluster._batch import _jobqueue_class
found = []
thread = threading.Thread(target=lambda: found.append(_jobqueue_class("slurm")))
thread.start()
thread.join()
print(found[0].__name__, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "SLURMCluster True\n"
