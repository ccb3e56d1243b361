"""A process whose calls to the system can go wrong, the steps of a pipeline, and what an undisturbed one makes.

A C compiler makes the shim that is preloaded; it comes with the g++ that Horovod is built with.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from hcskit.simulation import Compound, PlateDesign, dilution_series, simulate
from hcskit.training import load_card

HERE = Path(__file__).parent
WRITES = "open write rename fsync mkdir"
RECIPE = """
data: {crop: 32, crops_per_field: 1}
model: {scales: 1, features: 4, hidden: 4, dropout: 0.25}
optimiser: {epochs: 3, batch: 9, warmup_epochs: 0}
run: {deterministic: true}
"""
STEPS = {
    "import": "hcskit.import_plates({source!r} + '/images', {run!r}, {source!r} + '/plate_map.csv', **quiet)",
    "quality": "hcskit.assess({run!r}, **quiet)",
    "train": "hcskit.train({run!r}, {source!r} + '/recipe.yaml', {run!r} + '/model', **quiet)",
    "predict": "hcskit.predict({run!r}, {run!r} + '/model', {run!r}, **quiet)",
    "response": "hcskit.fit_wells({run!r}, say=lambda _: None)",
    "report": "hcskit.report({run!r})",
}
HEAVY = ("train", "predict")
_LOADED = {
    "light": ["hcskit.actions._assess", "hcskit.response._many", "hcskit.reporting._report", "holoviews"],
    "heavy": ["hcskit.training", "hcskit.actions._train", "hcskit.actions._apply", "tensorflow", "keras"],
}
#: Files that are never the same twice: they hold times, or random names.
VARYING = {"model/model.keras", "model/history.csv", "model/card.json", "report.html"}


@dataclass(frozen=True)
class Outcome:
    """How a step ended: its exit status, or minus the signal; what it said; how many calls there were of each kind."""

    status: int
    said: str
    counted: dict[str, int]


class Faulty:
    """Runs steps in processes that the shim was loaded into."""

    def __init__(self, shim: Path, kind: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "COV_"))}
        environment |= {"LD_PRELOAD": str(shim), "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, HERE / "server.py", "hcskit", *_LOADED[kind]]
        pipe = subprocess.PIPE
        self.said = shim.with_name(f"said-{kind}")
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def run(self, code: str, under: Path, *, calls: str = WRITES, at: int = 0, **faults: object) -> Outcome:
        """Run code; the shim's settings are in `shim.c`."""
        settings = {"under": under, "calls": calls, "at": at, "until": "", "errno": "", "log": ""} | faults
        own = {f"FAULTS_{name.upper()}": str(value) for name, value in settings.items()}
        code = f"import hcskit\nquiet = dict(progress=False, say=lambda _: None)\n{code}"
        request = {"code": code, "faults": own, "said": str(self.said)}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return Outcome(said=self.said.read_text(encoding="utf-8"), **answer)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        if os.environ.get("HCSKIT_TEST_ALL"):
            pytest.fail("the faults need Linux and a C compiler (Debian, Ubuntu: apt-get install g++)")
        pytest.skip("the faults need Linux and a C compiler")
    path = tmp_path_factory.mktemp("faults") / "shim.so"
    options = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *options, "-o", path, HERE / "shim.c", "-ldl", "-lpthread"], check=True)
    return path


@pytest.fixture(scope="session")
def light(shim: Path) -> Iterator[Faulty]:
    """A process for the steps without a network."""
    faulty = Faulty(shim, "light")
    yield faulty
    faulty.close()


@pytest.fixture(scope="session")
def heavy(shim: Path) -> Iterator[Faulty]:
    """A process for those with one."""
    faulty = Faulty(shim, "heavy")
    yield faulty
    faulty.close()


@dataclass
class Steps:
    """A tiny simulated plate, its steps, and the folder of an undisturbed run before and after each of them."""

    source: Path
    folder: Path
    processes: dict[str, Faulty]
    counts: dict[str, dict[str, int]] = field(default_factory=dict)  # calls of an undisturbed step

    def code(self, step: str, run: Path) -> str:
        return STEPS[step].format(source=str(self.source), run=str(run))

    def run(self, step: str, run: Path, **faults: object) -> Outcome:
        return self.processes["heavy" if step in HEAVY else "light"].run(self.code(step, run), run, **faults)

    def before(self, step: str) -> Path:
        return self.folder / step

    def after(self, step: str) -> Path:
        names = [*STEPS, "end"]
        return self.folder / names[names.index(step) + 1]

    def start(self, step: str, run: Path) -> Path:
        """Make a folder as it is before a step."""
        shutil.copytree(self.before(step), run)
        return run

    def finish(self, step: str, run: Path) -> None:
        """Do a step again, without faults: all is as if nothing had happened."""
        done = self.run(step, run)
        assert done.status == 0, f"{step}: {done}"
        self.assert_whole(step, run)
        assert contents(run).keys() == contents(self.after(step)).keys()
        assert not partial_files(run)
        if step == "train":
            for ours, theirs in zip(weights(run), weights(self.after(step)), strict=True):
                np.testing.assert_array_equal(ours, theirs)

    def assert_whole(self, step: str, run: Path) -> None:
        """What is there is what an undisturbed step makes, but for the mark that a plate is complete."""
        expected = contents(self.after(step))
        for name, content in contents(run).items():
            if name not in VARYING:
                assert content.replace(b'"complete": false', b'"complete": true') == expected[name], name
        for trained in run.glob("model/card.json"):
            assert trained.with_name("model.keras").exists()
            load_card(trained.parent)  # its digest is that of the model


@pytest.fixture(scope="session")
def steps(tmp_path_factory: pytest.TempPathFactory, light: Faulty, heavy: Faulty) -> Steps:
    folder = tmp_path_factory.mktemp("undisturbed")
    design = PlateDesign(
        compounds=(Compound("active", "translocation", ec50=50.0),),
        concentrations=dilution_series(3000.0, 4.0, 3),
        image_size=(64, 64),
    )
    simulate(folder / "source", design, seed=3)
    (folder / "source" / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    made = Steps(folder / "source", folder / "runs", {"light": light, "heavy": heavy})
    made.before("import").mkdir(parents=True)
    for step in STEPS:
        run = made.start(step, made.after(step))
        done = made.run(step, run)
        assert done.status == 0, f"{step}: {done}"
        made.counts[step] = done.counted
    return made


def contents(folder: Path) -> dict[str, bytes]:
    """All files but those that are hidden, or in hidden folders, such as locks and checkpoints."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {path: path.relative_to(folder) for path in files}
    shown = {path: name for path, name in names.items() if not any(part.startswith(".") for part in name.parts)}
    return {name.as_posix(): path.read_bytes() for path, name in shown.items()}


def weights(run: Path) -> list[np.ndarray]:
    """Return the state of the last epoch: the file holds times, its arrays do not."""
    (path,) = run.glob("model/.training-*/epoch3.npz")
    with np.load(path) as saved:
        return [saved[name] for name in saved.files]


def partial_files(folder: Path) -> list[str]:
    """What was to be moved into its place, and was not."""
    return [path.name for path in folder.rglob(".*") if path.name.startswith(".partial") or path.name.count("-") > 2]
