"""Running with real kernels: what a run leaves behind, what it does again and what not, and how it fails."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import pytest

from hcskit.errors import InputError, RunError
from hcskit.pipeline import Pipeline, RunRecord, run_pipeline

ODD = 'plate "7" {x} it\'s µ'
LOG = "with open('log.txt', 'a') as file:\n    file.write('{}')"


def run(pipeline: Path, out: Path, **parameters: str) -> tuple[RunRecord, list[str]]:
    said: list[str] = []
    return run_pipeline(Pipeline.from_yaml(pipeline), parameters, out, say=said.append), said


def test_the_record_and_the_notebooks_tell_the_whole_story(lab: Any, tmp_path: Path) -> None:
    lab.folder = tmp_path / ODD
    source, out = lab.folder / f"{ODD} images", tmp_path / f"{ODD} run"
    source.mkdir(parents=True)
    (source / "a.tif").write_bytes(b"123")
    step = lab.notebook(
        "01_look",
        f"import json\nPath('seen.json').write_text(json.dumps([run, source, label, epochs]))\n{LOG.format('a')}",
        "import ipykernel, os, psutil\n"
        "connection = ipykernel.get_connection_file()\n"
        "private = os.stat(os.path.dirname(connection)).st_mode & 0o077 == 0\n"
        "sockets = psutil.Process().net_connections('inet')\n"
        "reachable = [s.laddr for s in sockets if s.status == 'LISTEN' and s.laddr.ip != '127.0.0.1']\n"
        "print(json.dumps([json.load(open(connection))['transport'], private, reachable]))",
        parameters="from pathlib import Path\nimport json\n\nrun: Path = Path('r')\nsource: Path = Path('s')\n"
        "label: str = ''\nepochs: int | None = None\n",
    )
    record, said = run(lab.pipeline(step, description=ODD), out, source=str(source), label=ODD)

    assert json.loads((out / "seen.json").read_text()) == [str(out), str(source), ODD, None]
    assert said[0] == "[1/1] look"
    assert sorted(path.name for path in out.iterdir()) == [
        ".digests.json",
        ".lock",
        "log.txt",
        "notebooks",
        "ro-crate-metadata.json",
        "run.json",
        "seen.json",
    ]

    executed = nbformat.read(out / "notebooks" / "01_look.ipynb", as_version=4)
    # The kernel obeys only those who can open its folder. (Its pipe for what forked processes print is on loopback.)
    assert json.loads(executed.cells[-1].outputs[0].text) == ["ipc", True, []]

    assert RunRecord.read(out) == record
    content = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert content["status"] == content["steps"][0]["status"] == "completed"
    assert content["description"] == ODD
    assert content["parameters"] == {"run": ".", "source": str(source), "label": ODD, "epochs": None}
    assert content["steps"][0]["parameters"] == content["parameters"]
    assert content["steps"][0]["notebook_sha256"] == hashlib.sha256(step.read_bytes()).hexdigest()
    assert (out / content["steps"][0]["output"]).exists()
    libraries = {name: metadata.version(name) for name in content["versions"] if name != "python"}
    assert content["versions"] == content["steps"][0]["versions"] == {"python": platform.python_version()} | libraries
    assert {"hcskit", "tensorflow", "zarr"} <= libraries.keys()
    assert content["steps"][0]["executable"] == sys.executable
    assert content["steps"][0]["peak_memory_bytes"] > 10e6
    inputs = content["steps"][0]["inputs"]
    assert [(item["parameter"], item["path"], item["bytes"]) for item in inputs] == [("source", str(source), 3)]
    assert {item["path"]: item["sha256"] for item in content["steps"][0]["outputs"]} == {
        path: hashlib.sha256((out / path).read_bytes()).hexdigest()
        for path in ("log.txt", "notebooks/01_look.ipynb", "seen.json")
    }
    assert content["started"] <= content["steps"][0]["started"] <= content["finished"]


@pytest.mark.slow
def test_only_what_has_changed_is_done_again(lab: Any, tmp_path: Path) -> None:
    table, out = tmp_path / "table.csv", tmp_path / "run"
    table.write_text("1", encoding="utf-8")
    first = lab.notebook("01_first", LOG.format("a"))
    second = lab.notebook(
        "02_second", LOG.format("b"), parameters="from pathlib import Path\ntable: Path = Path('t')\n"
    )
    pipeline = lab.pipeline(first, second)
    log = out / "log.txt"

    run(pipeline, out, table=str(table))
    assert log.read_text() == "ab"
    before = (out / "run.json").read_bytes()
    _, said = run(pipeline, out, table=str(table))
    assert said == ["[1/2] first: done before", "[2/2] second: done before"]
    assert log.read_text() == "ab"
    assert (out / "run.json").read_bytes() == before

    lab.notebook("02_second", LOG.format("B"), parameters="from pathlib import Path\ntable: Path = Path('t')\n")
    record, said = run(pipeline, out, table=str(table))
    assert log.read_text() == "abB"
    assert said[0] == "[1/2] first: done before"
    assert record.steps[1].notebook_sha256 == hashlib.sha256(second.read_bytes()).hexdigest()

    table.write_text("2", encoding="utf-8")  # only the second step reads it
    run(pipeline, out, table=str(table))
    assert log.read_text() == "abBB"

    lab.notebook("01_first", LOG.format("A"))  # what stands on it goes with it
    run(pipeline, out, table=str(table))
    assert log.read_text() == "abBBAB"

    (out / "notebooks" / "02_second.ipynb").unlink()  # a step without its notebook is not known to be done
    run(pipeline, out, table=str(table))
    assert log.read_text() == "abBBABB"


def test_a_folder_of_another_pipeline_is_refused_and_kept(lab: Any, tmp_path: Path) -> None:
    step = lab.notebook("01_a", LOG.format("a"))
    pipeline, out = lab.pipeline(step), tmp_path / "run"
    run(pipeline, out)
    before = (out / "run.json").read_bytes()
    with pytest.raises(InputError, match=r"already holds a run of the pipeline tiny .* choose a new folder"):
        run(lab.pipeline(step, name="other"), out)
    assert (out / "run.json").read_bytes() == before
    assert (out / "log.txt").read_text() == "a"


def test_a_folder_of_other_things_is_refused_and_untouched(lab: Any, tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.tex").touch()
    with pytest.raises(InputError, match=r"thesis is not empty \(chapter1\.tex\) and holds no run"):
        run(lab.pipeline(lab.notebook("01_a", "1 / 0")), out)
    assert [path.name for path in out.iterdir()] == ["chapter1.tex"]


FAILURES = [
    ("1 / 0", RunError, r"step b failed with ZeroDivisionError: division by zero .*notebooks/02_b\.ipynb"),
    (
        "from hcskit.errors import PlateMapError\nraise PlateMapError('well A01 is there twice')",
        InputError,
        "step b: well A01 is there twice",
    ),
    (
        "import sys\nsys.exit(0)",
        RunError,
        r"step b failed: it was ended by cell 2 before the last cell had run: sys\.exit",
    ),
    (
        "get_ipython().run_line_magic('nosuch', '')",
        RunError,
        r"step b failed with UsageError: Line magic function `%nosuch` not found\. \(cell 2; the full traceback is in",
    ),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", RunError, "step b failed: its process was killed"),
]


@pytest.mark.slow
def test_a_failing_step_is_named_and_can_be_mended(lab: Any, tmp_path: Path) -> None:
    """A step that fails in one way after another, until nothing is left to mend."""
    ways = [cell for cell, *_ in FAILURES] + [""]
    cell = f"exec({ways}[len(list(Path().glob('mended*')))])"
    steps = [lab.notebook("01_a", LOG.format("a")), lab.notebook("02_b", cell, LOG.format("b"))]
    pipeline, out = lab.pipeline(*steps), tmp_path / "run"
    for number, (_, kind, message) in enumerate(FAILURES):
        with pytest.raises(kind, match=message):
            run(pipeline, out)
        record = RunRecord.read(out)
        assert record is not None
        assert record.status == "failed"
        assert [step.status for step in record.steps] == ["completed", "failed"]
        assert record.steps[1].error
        assert (out / "notebooks" / "02_b.ipynb").exists()
        (out / f"mended{number}").touch()

    record, _ = run(pipeline, out)
    assert record.status == "completed"
    assert record.steps[1].error is None
    assert (out / "log.txt").read_text() == "ab"
