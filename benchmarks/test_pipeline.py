"""What a pipeline costs around the work: an empty step, and a run with nothing to do.

"bare" is a fresh Python that loads the libraries of a step; compare within one run of the benchmark.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from hcskit.pipeline import Pipeline, run_pipeline

LIBRARIES = "import ipykernel.kernelapp, hcskit.actions, hcskit.views, hcskit.reporting, holoviews, bokeh.plotting"
EMPTY = 10  # steps
ROUNDS = 3


def empty_steps(folder: Path, count: int) -> Pipeline:
    """Return a pipeline of steps that do nothing."""
    steps = []
    for number in range(count):
        notebook = nbformat.v4.new_notebook()
        parameters = "from pathlib import Path\n\nrun: Path = Path('run')\n"
        notebook.cells = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
        steps.append(folder / f"{number:02d}_empty{number}.ipynb")
        nbformat.write(notebook, steps[-1])
    return Pipeline(name="empty", steps=tuple(steps))


@pytest.mark.parametrize("what", ["bare", "empty step", "nothing to do"])
@pytest.mark.benchmark(group="step")
def test_step(what: str, benchmark: Any, tmp_path: Path) -> None:
    pipeline = empty_steps(tmp_path, EMPTY)
    quiet = {"say": lambda _: None}
    run_pipeline(pipeline, {}, tmp_path / "run", **quiet)  # starts what serves all runs of a process
    calls: dict[str, Callable[[], object]] = {
        "bare": lambda: subprocess.run([sys.executable, "-c", LIBRARIES], check=True),
        "empty step": lambda: run_pipeline(pipeline, {}, tmp_path / "run", first="empty0", **quiet),
        "nothing to do": lambda: run_pipeline(pipeline, {}, tmp_path / "run", **quiet),
    }
    count = EMPTY if what == "empty step" else 1
    benchmark.extra_info.update(what=what, amount=count, unit="times")
    benchmark.pedantic(calls[what], rounds=ROUNDS)
    benchmark.extra_info["note"] = f"{benchmark.stats.stats.median / count:.2f} s each"
