"""A step that another package brings, by an entry point: found, listed, and run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

PACKAGE = "from pathlib import Path\n\nCOUNT = Path(__file__).with_name('count_files.ipynb')\nWRONG = 42\n"
METADATA = "Metadata-Version: 2.1\nName: lab-steps\nVersion: 1.0\n"
ENTRY_POINTS = "[hcskit.steps]\ncount_files = lab_steps:COUNT\nwrong = lab_steps:WRONG\nquality = lab_steps:COUNT\n"
PARAMETERS = "from pathlib import Path\n\nrun: Path = Path('run')\nsource: Path | None = None\n"


@pytest.fixture
def installed(lab: Any, tmp_path: Path) -> dict[str, str]:
    """The environment in which a package of the lab is installed."""
    site = tmp_path / "site"
    package, info = site / "lab_steps", site / "lab_steps-1.0.dist-info"
    for folder in (package, info):
        folder.mkdir(parents=True)
    (package / "__init__.py").write_text(PACKAGE, encoding="utf-8")
    (info / "METADATA").write_text(METADATA, encoding="utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    lab.folder = package
    lab.notebook(
        "count_files", "Path(run, 'count').write_text(str(len(list(Path(source).iterdir()))))", parameters=PARAMETERS
    )
    lab.folder = tmp_path
    return {**os.environ, "PYTHONPATH": str(site)}


@pytest.mark.slow
def test_it_is_found_by_name_and_hides_none_of_ours(lab: Any, installed: dict[str, str]) -> None:
    done = lab.hcskit("run", lab.pipeline(steps=["count_files", "quality"]), "--list", env=installed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == ["count_files", "  source: Path | None = None", "quality"]
    assert "focus_z: float = -5.0" in done.stdout


@pytest.mark.slow
def test_what_is_no_path_is_refused_in_one_line(lab: Any, installed: dict[str, str]) -> None:
    done = lab.hcskit("run", lab.pipeline(steps=["wrong"]), "--list", env=installed)
    assert done.returncode == 2
    assert done.stderr == "Error: the step 'wrong' of another package is 42; expected the path of a notebook\n"


@pytest.mark.slow
def test_it_runs_beside_a_step_of_the_labs_own(lab: Any, installed: dict[str, str], tmp_path: Path) -> None:
    own, out = lab.notebook("02_own", "Path('seen').write_text(Path('count').read_text())"), tmp_path / "run"
    (tmp_path / "export").mkdir()
    for name in ("a.tif", "b.tif"):
        (tmp_path / "export" / name).touch()
    pipeline = lab.pipeline(steps=["count_files", own.name])
    done = lab.hcskit("run", pipeline, "-p", f"source={tmp_path / 'export'}", "--out", out, env=installed)
    assert done.returncode == 0, done.stderr
    assert (out / "seen").read_text() == "2"
