"""A whole run as a job of a real Slurm; other batch systems are told."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hcskit.cluster import ClusterConfig
from hcskit.errors import InputError
from hcskit.pipeline import cancel, log_of, status, submit
from hcskit.results import RunRecord

SCRIPT = Path(__file__).parents[1] / "cluster" / "slurm.sh"
SLURM = {"kind": "slurm", "cores": 1, "memory": "1GB", "walltime": "01:00:00"}
WAIT = "while not Path('go').exists(): time.sleep(0.1)"


@pytest.fixture
def slurm() -> Iterator[Path]:
    """Start a Slurm of one node; return its folder."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    if any(shutil.which(command, path=path) is None for command in ("slurmctld", "slurmd", "sbatch", "munged")):
        (pytest.fail if "HCSKIT_TEST_ALL" in os.environ else pytest.skip)("there is no Slurm")
    with (
        tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        Path(folder).chmod(0o755)  # munge wants its socket where all can reach it
        patch.setenv("SLURM_CONF", f"{folder}/etc/slurm.conf")
        own = os.environ | {"SLURM_PREFIX": folder, "SUBNET": f"198.18.{os.getpid() % 256}", "NODES": "1"}
        with Path(folder, "output").open("ab") as output:
            try:
                subprocess.run([SCRIPT, "up"], env=own, check=True, timeout=120, stdout=output, stderr=output)
                yield Path(folder)
            finally:
                subprocess.run([SCRIPT, "down"], env=own, check=True, timeout=120, stdout=output, stderr=output)


def until(holds: Callable[[], object], seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)


@pytest.mark.slurm
@pytest.mark.slow
def test_a_run_is_sent_to_the_queue_followed_ended_in_any_way_and_resumed(
    lab: Any, hcskit: Any, slurm: Path, tmp_path: Path
) -> None:
    first = lab.notebook("01_first", "import os", "assert os.environ['MARK'] == 'prologue'")
    steps = [first, lab.notebook("02_waits", "import time", WAIT)]
    pipeline, run, file = lab.pipeline(*steps), tmp_path / "run", tmp_path / "slurm.yaml"
    file.write_text("kind: slurm\ncores: 1\nmemory: 1GB\nwalltime: '01:00:00'\nprologue: [export MARK=prologue]\n")
    command = ["submit", pipeline, "--out", run, "--cluster", file, "--cores", "1", "--memory", "2GB"]

    done = hcskit(*command)
    assert done.exit_code == 0, done.output
    job = done.output.splitlines()[-1].split()[2].rstrip(";")
    until(lambda: "  waits: running" in hcskit("status", run).output)
    told = hcskit("status", run).output.splitlines()
    assert told[0] == f"Slurm job {job}: RUNNING"
    assert told[2].startswith("  first: completed")
    again = hcskit(*command)
    assert (again.exit_code, "is in the queue already" in again.output) == (2, True)

    # Slurm gives its node to another job, and starts it again when there is room.
    subprocess.run(["scontrol", "requeue", job], check=True)
    until(lambda: "[1/2] first: done before" in hcskit("logs", run).output)
    until(lambda: "  waits: running" in hcskit("status", run).output)
    assert hcskit("status", run).output.splitlines()[0] == f"Slurm job {job}: RUNNING"

    # Its walltime comes near.
    subprocess.run(["scontrol", "update", f"JobId={job}", "TimeLimit=00:02:00"], check=True)
    until(lambda: "ended" in hcskit("status", run).output)
    until(lambda: "  waits: stopped" in hcskit("status", run).output)  # it was told, and wrote its record

    assert hcskit(*command).exit_code == 0
    until(lambda: "  waits: running" in hcskit("status", run).output)
    assert hcskit("cancel", run).exit_code == 0
    until(lambda: "ended" in hcskit("status", run).output)
    until(lambda: "  waits: stopped" in hcskit("status", run).output)
    assert hcskit("cancel", run).exit_code == 2

    (run / "go").touch()
    assert hcskit(*command).exit_code == 0
    until(lambda: "tiny: completed" in hcskit("status", run).output)
    assert hcskit("logs", run).output.count("[1/2] first: done before") == 3
    record = RunRecord.read(run)
    assert record is not None
    assert str(record.job).startswith("Slurm ")


def test_other_batch_systems_are_told_what_to_do(tmp_path: Path) -> None:
    config = ClusterConfig.model_validate({**SLURM, "kind": "pbs"})
    with pytest.raises(InputError, match=r"(?s)Slurm only.*pbs.*hcskit run demo"):
        submit(["run", "demo"], tmp_path / "run", config, cores=1, memory="1GB")
    assert not (tmp_path / "run").exists()


def test_a_run_that_was_not_submitted_has_no_job(lab: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="was not submitted"):
        cancel(tmp_path)
    with pytest.raises(InputError, match="holds no run"):
        status(tmp_path / "nowhere")
    assert not log_of(tmp_path).exists()
