"""What is unchanged is content: a step is skipped only if what it was made from, and what it made, is the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hcskit.pipeline import Pipeline, RunRecord, run_pipeline

COPY = (
    "Path('results').mkdir(exist_ok=True)\n"
    "first = Path(source, 'a.txt').read_text().splitlines()[0]\n"
    "Path('results/copy.txt').write_text(first)"
)
COUNT = "Path('results/count.txt').write_text(str(len(Path('results/copy.txt').read_text())))"
PARAMETERS = (
    "from pathlib import Path\n\nrun: Path = Path('run')\nsource: Path = Path('source')\nfocus_z: float = -5.0\n"
    "model: Path | None = None\n"
)


@pytest.mark.slow
def test_what_changed_is_done_again_and_nothing_else(lab: Any, tmp_path: Path) -> None:
    source, out = tmp_path / "a source", tmp_path / "run"
    source.mkdir()
    (source / "a.txt").write_text("first\nsecond", encoding="utf-8")
    steps = [lab.notebook("01_copy", COPY, parameters=PARAMETERS), lab.notebook("02_count", COUNT)]
    pipeline = Pipeline.from_yaml(lab.pipeline(*steps))
    given: dict[str, Any] = {"source": str(source), "focus_z": "-inf"}

    def run(**options: Any) -> list[str]:
        said: list[str] = []
        run_pipeline(pipeline, given, out, say=said.append, **options)
        return [line for line in said if not line.endswith(" s")]

    copy, count = "[1/2] copy", "[2/2] count"
    assert run(dry_run=True) == [f"{copy}: would run", f"{count}: would run"]
    assert not out.exists()
    assert run(last="copy") == [copy]
    record = RunRecord.read(out)
    assert record is not None
    assert [record.status, *(step.status for step in record.steps)] == ["pending", "completed", "pending"]
    assert run() == [f"{copy}: done before", count]
    unchanged = [f"{copy}: done before", f"{count}: done before"]

    # Moved, and the source mounted elsewhere.
    out = out.rename(tmp_path / "archive")
    given["source"] = str(source.rename(tmp_path / "mount"))
    source = tmp_path / "mount"
    assert run() == unchanged
    record = RunRecord.read(out)
    assert record is not None
    assert record.parameters["focus_z"] == -float("inf")
    assert [item.path for item in record.inputs] == [str(source)]

    # A source that was edited without changing its size; what the first step makes of it stays the same.
    (source / "a.txt").write_text("first\nsecand", encoding="utf-8")
    changed = "source: 1 file changed (a.txt)"
    assert run(dry_run=True) == [f"{copy}: would run: {changed}", f"{count}: would run if copy gives another result"]
    assert run() == [f"{copy}, again: {changed}", f"{count}: done before"]

    (out / "results" / "count.txt").unlink()
    assert run() == [f"{copy}: done before", f"{count}, again: output results/count.txt is gone"]
    (out / "results" / "copy.txt").write_text("other", encoding="utf-8")
    assert run() == [f"{copy}, again: output results/copy.txt changed", f"{count}: done before"]

    given["focus_z"] = "nan"
    assert run(last="copy") == [f"{copy}, again: parameter focus_z: -inf → nan"]
    assert run() == unchanged
    forced = [f"{copy}: would run: asked for (--force)", f"{count}: would run if copy gives another result"]
    assert run(dry_run=True, force=["copy"]) == forced
    assert run(dry_run=True, first="count") == [f"{copy}: done before", f"{count}: would run: asked for (--from count)"]


@pytest.mark.slow
def test_a_source_that_changes_while_a_step_reads_it_is_read_again(lab: Any, tmp_path: Path) -> None:
    source = tmp_path / "a.txt"
    source.write_text("old", encoding="utf-8")
    cell = (
        "seen = Path(source).read_text()\nPath('seen.txt').write_text(seen)\n"
        "if seen == 'old':\n    Path(source).write_text('new')"  # as if the microscope still wrote
    )
    pipeline = Pipeline.from_yaml(lab.pipeline(lab.notebook("01_see", cell, parameters=PARAMETERS)))

    def run() -> list[str]:
        said: list[str] = []
        run_pipeline(pipeline, {"source": str(source)}, tmp_path / "run", say=said.append)
        return [line for line in said if not line.endswith(" s")]

    assert run() == ["[1/1] see", f"{source} has changed while it was read; the next run reads it again"]
    assert run()[0] == "[1/1] see, again: source: changed"
    assert (tmp_path / "run" / "seen.txt").read_text(encoding="utf-8") == "new"


@pytest.mark.slow
def test_a_step_runs_in_this_python_in_whatever_surroundings(lab: Any, tmp_path: Path) -> None:
    """Other kernelspecs, a temporary folder whose path is too long for sockets, and a personal start-up of IPython."""
    jupyter, ipython = tmp_path / "jupyter", tmp_path / "ipython"
    kernel, startup = jupyter / "kernels" / "python3", ipython / "profile_default" / "startup"
    scratch = tmp_path / ("scratch" * 12)
    for folder in (kernel, startup, scratch):
        folder.mkdir(parents=True)
    argv = ["/bin/false", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "x", "language": "python"}), "utf-8")
    (startup / "mine.py").write_text("mine = 1", "utf-8")
    cell = "import sys\nPath('seen.txt').write_text(f\"{sys.executable} {'mine' in globals()}\")"
    out, surroundings = tmp_path / "run", {"JUPYTER_PATH": jupyter, "IPYTHONDIR": ipython, "TMPDIR": scratch}
    env = {**lab.environment, **{name: str(path) for name, path in surroundings.items()}}
    done = lab.hcskit("run", lab.pipeline(lab.notebook("01_a", cell)), "--out", out, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert (out / "seen.txt").read_text() == f"{sys.executable} False"
    assert not list(scratch.iterdir())


@pytest.mark.slow
def test_a_kernel_that_cannot_be_started_is_one_sentence(lab: Any, tmp_path: Path) -> None:
    (tmp_path / "holoviews.py").write_text("raise SystemExit('it is broken')", "utf-8")
    pipeline, env = lab.pipeline(lab.notebook("01_a")), lab.environment | {"PYTHONPATH": str(tmp_path)}
    done = lab.hcskit("run", pipeline, "--out", tmp_path / "run", env=env)
    assert done.returncode == 1
    assert done.stderr == (
        "it is broken\nError: step a failed: the process that starts the steps has ended; see above, and give the "
        "command again\n"
    )
