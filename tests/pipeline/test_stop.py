"""The hcskit run command when it is stopped, killed, started twice, or the disk is full."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from hcskit.pipeline import RunRecord

# Waits in mid-step for a file that never comes; tells that it has begun, and in which process.
WAIT = (
    "import os, time\npartial = Path('pid.partial')\npartial.write_text(str(os.getpid()))\npartial.replace('pid')\n"
    "while not Path('go').exists():\n    time.sleep(0.05)"
)
LOG = "with open('log.txt', 'a') as file:\n    file.write('{}')"


@pytest.fixture
def pipeline(lab: Any) -> Path:
    return lab.pipeline(lab.notebook("01_a", LOG.format("a")), lab.notebook("02_b", WAIT, LOG.format("b")))


@pytest.fixture
def waiting(lab: Any) -> Path:
    return lab.pipeline(lab.notebook("01_b", WAIT, LOG.format("b")))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def record(out: Path) -> dict[str, Any]:
    return json.loads((out / "run.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_run_stopped_with_ctrl_c_goes_on(lab: Any, pipeline: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = lab.start("run", pipeline, "--out", out, sign=out / "pid")
    kernel = int((out / "pid").read_text())
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert said.splitlines()[-1] == "Stopped. The same command, given again, resumes where this one stopped."
    assert "Traceback" not in said
    assert not alive(kernel)
    assert record(out)["status"] == "stopped"
    assert [step["status"] for step in record(out)["steps"]] == ["completed", "stopped"]

    (out / "go").touch()
    again = lab.hcskit("run", pipeline, "--out", out)
    assert again.returncode == 0
    assert again.stdout.splitlines()[:2] == ["[1/2] a: done before", "[2/2] b, again: it was stopped"]
    assert record(out)["status"] == "completed"
    assert (out / "log.txt").read_text() == "ab"


@pytest.mark.slow
def test_a_scheduler_that_ends_the_run_stops_it_as_ctrl_c_does(lab: Any, waiting: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = lab.start("run", waiting, "--out", out, sign=out / "pid")
    kernel = int((out / "pid").read_text())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not alive(kernel)
    assert record(out)["status"] == "stopped"


@pytest.mark.slow
def test_a_killed_run_leaves_no_process_and_goes_on(lab: Any, pipeline: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = lab.start("run", pipeline, "--out", out, sign=out / "pid")
    kernel = int((out / "pid").read_text())
    assert alive(kernel)
    process.kill()
    process.wait()
    for _ in range(150):
        if not alive(kernel):
            break
        time.sleep(0.1)
    assert not alive(kernel)
    assert record(out)["status"] == "running"  # nobody could write more
    found = RunRecord.read(out)
    assert found is not None
    assert [found.status, *(step.status for step in found.steps)] == ["stopped", "completed", "stopped"]
    (out / "go").touch()
    assert lab.hcskit("run", pipeline, "--out", out).returncode == 0
    assert (out / "log.txt").read_text() == "ab"
    assert record(out)["status"] == "completed"


@pytest.mark.slow
def test_a_second_run_in_one_folder_is_refused_and_the_first_unharmed(lab: Any, waiting: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = lab.start("run", waiting, "--out", out, sign=out / "pid")
    second = lab.hcskit("run", waiting, "--out", out)
    assert second.returncode == 1
    assert second.stderr.startswith(f"Error: {out} is being written by process {first.pid} on ")
    (out / "go").touch()
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert record(out)["status"] == "completed"
    assert (out / "log.txt").read_text() == "b"


@pytest.mark.slow
def test_a_full_disk_is_one_clear_error(lab: Any, tmp_path: Path) -> None:
    # The data of a coverage measurement would not fit on that disk either.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    pipeline, out = lab.pipeline(lab.notebook("01_a", "print('x' * 200_000)", WAIT)), tmp_path / "run"
    limits = (100_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1])  # no file may grow further, as on a full disk
    done = lab.hcskit(
        "run",
        pipeline,
        "--out",
        out,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
    )
    assert done.returncode == 1
    error = done.stderr.splitlines()
    assert error == [
        f"Error: step a could not be written to {out}: File too large; remove the cause, and give the command again"
    ]
    assert record(out)["status"] == "failed"
