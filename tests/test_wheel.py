"""What is installed from the wheel works without the repository: pipelines, notebooks, types."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from hcskit.simulation import Compound, PlateDesign, simulate

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = "hcskit/pipeline/shipped/"
# Enough to see that every step runs; what it finds is another test's business.
DESIGN = PlateDesign(
    name="tiny",
    compounds=(Compound("active", "translocation", ec50=50.0),),
    concentrations=(10.0, 30.0, 100.0, 300.0, 1000.0),
    replicates=2,
    image_size=(96, 96),
)
RECIPE = "data: {crop: 64, crops_per_field: 1}\nmodel: {scales: 3, features: 8}\noptimiser: {epochs: 2, batch: 4}\n"
TYPED = """
from pathlib import Path

import hcskit
from hcskit.pipeline import Pipeline, RunRecord, run_pipeline

record: RunRecord = run_pipeline("demo", {}, Path("run"))
steps: list[str] = [step.name for step in record.steps]
pipeline: Pipeline = Pipeline.open("demo")
name: str = next(iter(hcskit.open_plates("run")))
"""
pytestmark = pytest.mark.slow


@dataclass
class Installed:
    """A virtual environment that knows hcskit from its wheel, and nothing of the repository."""

    python: Path
    folder: Path  # empty, to work in

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
        return subprocess.run(
            [str(part) for part in command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def hcskit(self, *arguments: str | Path) -> str:
        """Run hcskit, and return what it prints."""
        done = self.run(self.python.with_name("hcskit"), *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout


def build(source: Path, folder: Path, target: str) -> Path:
    """Build a wheel or sdist with the tools that are installed."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
    (built,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the repository."""
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheel beside the libraries that are installed here; nothing is downloaded."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    for library in Path(sysconfig.get_path("purelib")).iterdir():
        # .pth files lead back to the repository
        if "hcskit" not in library.name and library.suffix != ".pth" and not (site / library.name).exists():
            (site / library.name).symlink_to(library)
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps", "--python", str(python), str(wheel)],
        check=True,
        capture_output=True,
    )
    work = folder / "work"
    work.mkdir()
    return Installed(python, work)


def test_the_wheel_holds_what_ships_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        content = {name: archive.read(name) for name in names}
    tops = {name.split("/")[0] for name in names}
    assert {re.sub(r"-.*\.dist-info", "", top) for top in tops} == {"hcskit"}
    assert "hcskit/py.typed" in names
    assert not [name for name in names if re.search(r"tests?/|\.pyc$|__pycache__|checkpoint\.", name)]
    assert not [name for name, data in content.items() if str(ROOT).encode() in data]
    tracked = subprocess.run(
        ["git", "ls-files", "notebooks", "pipelines"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    for path in tracked:
        assert content[SHIPPED + path] == (ROOT / path).read_bytes()

    (record,) = (name for name in names if name.endswith(".dist-info/RECORD"))
    listed = {name: digest for name, digest, _ in csv.reader(content[record].decode().splitlines())}
    assert listed.keys() == names
    for name in names - {record}:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content[name]).digest()).rstrip(b"=").decode()
        assert listed[name] == f"sha256={digest}"


def test_the_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(build(ROOT, tmp_path, "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert build(source, tmp_path / "again", "wheel").read_bytes() == wheel.read_bytes()


def test_nothing_leads_back_to_the_repository(installed: Installed) -> None:
    code = (
        "import sys, hcskit\nfrom hcskit.pipeline import list_pipelines\n"
        "print(hcskit.__file__, *list_pipelines().values(), *sys.path)"
    )
    done = installed.run(installed.python, "-c", code)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 3
    assert str(ROOT) not in done.stdout


def test_a_plate_is_evaluated_in_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    export = simulate(tmp_path / "export", DESIGN, seed=3)
    (installed.folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    given = [f"source={export.images}", f"plate_map={export.plate_map}", "recipe=recipe.yaml"]
    installed.hcskit("run", "dose_response", *[part for pair in given for part in ("-p", pair)], "--out", "run")
    run = installed.folder / "run"
    assert (run / "report.html").stat().st_size > 100_000
    assert set(pd.read_csv(run / "results" / "responses.csv")["compound"]) == {"active"}
    assert str(ROOT) not in (run / "run.json").read_text(encoding="utf-8")


def test_a_labs_folder_is_used_instead_of_what_ships(installed: Installed) -> None:
    installed.hcskit("new", "lab")
    lab = Installed(installed.python, installed.folder / "lab")
    demo = lab.folder / "pipelines" / "demo.yaml"
    demo.write_text(demo.read_text(encoding="utf-8") + "  focus_z: -7.5\n", encoding="utf-8")
    assert "focus_z: float = -7.5" in lab.hcskit("run", "demo", "--list")


def check_types(installed: Installed, script: str) -> str:
    """Check a script with mypy, as its author would."""
    (installed.folder / "script.py").write_text(script, encoding="utf-8")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", installed.python, "script.py"]
    return installed.run(*mypy).stdout


def test_a_type_checker_sees_the_types(installed: Installed) -> None:
    assert check_types(installed, TYPED) == "Success: no issues found in 1 source file\n"
    wrong = TYPED.replace('Path("run")', "3")
    assert re.search(
        r'script\.py:7: error: Argument 3 to "run_pipeline" has .* "int"; expected', check_types(installed, wrong)
    )
