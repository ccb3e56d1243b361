"""Kernels are forked from a process that has loaded the libraries, and are processes like any other."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from hcskit.errors import RunError
from hcskit.pipeline import Pipeline, run_pipeline
from hcskit.pipeline._forks import CAN_FORK, _server

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="kernels are forked on Linux only")

TELL = (
    "import json, os, sys, tempfile\nimport dask\nimport numpy as np\n"
    "told = dict(pid=os.getpid(), parent=os.getppid(), drawn=np.random.random(),\n"
    "            numbers=dask.config.get('lab', None), tmp=tempfile.gettempdir(),\n"
    "            tensorflow='tensorflow' in sys.modules, folder=os.getcwd())\n"
    "json.dump(told, Path(f'{NAME}.json').open('w'))"
)


def run(lab: Any, out: Path, *cells: str, network: bool = False) -> list[dict[str, Any]]:
    """Run a step for each cell, and return what they told."""
    names = [f"0{number}_step{number}" for number in range(len(cells))]
    steps = [lab.notebook(name, f"NAME = '{name}'", cell) for name, cell in zip(names, cells, strict=True)]
    for step in steps if network else ():
        notebook = json.loads(step.read_text(encoding="utf-8"))
        notebook["metadata"]["hcskit"] = {"uses_network": True}
        step.write_text(json.dumps(notebook), encoding="utf-8")
    run_pipeline(Pipeline.from_yaml(lab.pipeline(*steps)), {}, out, say=lambda _: None)
    return [json.loads((out / f"{name}.json").read_text(encoding="utf-8")) for name in names]


def test_kernels_share_what_is_loaded_and_nothing_else(
    lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = run(lab, tmp_path / "run", TELL, TELL)
    assert first["parent"] == second["parent"] != os.getpid()
    assert first["pid"] != second["pid"]
    assert first["drawn"] != second["drawn"]
    assert first["folder"] == str(tmp_path / "run")
    assert not first["tensorflow"]

    # The environment is that of the run, whenever the libraries were loaded.
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setenv("DASK_LAB", "7")
    (third,) = run(lab, tmp_path / "other", TELL)
    assert (third["parent"], third["numbers"], third["tmp"]) == (first["parent"], 7, str(tmp_path / "scratch"))


@pytest.mark.slow
def test_a_step_that_says_so_finds_tensorflow_loaded_and_can_use_it(lab: Any, tmp_path: Path) -> None:
    use = (
        "from hcskit.models.backend import keras\n"
        "assert float((keras.ops.ones((1, 9)) @ keras.ops.ones((9, 1)))[0, 0]) == 9"
    )
    (told,) = run(lab, tmp_path / "run", f"{TELL}\n{use}", network=True)
    assert told["tensorflow"]


@pytest.mark.slow
def test_a_server_that_was_killed_takes_its_kernels_along_and_is_replaced(lab: Any, tmp_path: Path) -> None:
    (told,) = run(lab, tmp_path / "one", TELL)
    kill = (
        "import os, signal, time\nPath('pid').write_text(str(os.getpid()))\n"
        "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(60)"
    )
    with pytest.raises(RunError, match="step step0 failed: its process was killed"):
        run(lab, tmp_path / "two", kill)
    kernel = int((tmp_path / "two" / "pid").read_text(encoding="utf-8"))
    ends = time.monotonic() + 30
    while Path(f"/proc/{kernel}").exists() and time.monotonic() < ends:
        time.sleep(0.1)
    assert not Path(f"/proc/{kernel}").exists()
    (again,) = run(lab, tmp_path / "three", TELL)
    assert again["parent"] != told["parent"]


def test_a_server_ends_with_its_owner() -> None:
    server = _server(())
    other = server.fork(("json",))
    assert server.is_there
    assert other.is_there
    other.close()
    assert not other.is_there
    assert server.is_there
    server.close()
    assert not server.is_there


def test_a_module_that_cannot_be_loaded_is_told() -> None:
    server = _server(("no_such_module",))
    with pytest.raises(RunError, match="the process that starts the steps has ended"):
        server.fork(())
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
    server.close()
