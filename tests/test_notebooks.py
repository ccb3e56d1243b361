"""The notebooks that ship: stored clean, fit for their pipelines, and running from top to bottom."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from hcskit.pipeline import Pipeline, StepNotebook

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STEPS = [path for path in NOTEBOOKS if path.stem != "00_tour"]
PIPELINES = sorted((ROOT / "pipelines").glob("*.yaml"))
# Enough to see that training runs; what it learns is another test's business.
RECIPE = "data: {crop: 64, binning: 2, crops_per_field: 1}\nmodel: {scales: 3, features: 16}\noptimiser: {epochs: 2}\n"


@pytest.fixture
def execute(tmp_path: Path) -> Callable[[str], nbformat.NotebookNode]:
    """Execute a notebook as Jupyter does: in its own folder, in a copy of the project's tree."""
    for folder in ("notebooks", "pipelines"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for recipe in (tmp_path / "pipelines" / "recipes").glob("*.yaml"):
        recipe.write_text(RECIPE, encoding="utf-8")

    def execute(name: str) -> nbformat.NotebookNode:
        folder = tmp_path / "notebooks"
        notebook = nbformat.read(folder / name, as_version=4)
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
        return notebook

    return execute


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.parametrize("path", STEPS, ids=lambda path: path.stem)
def test_a_step_has_typed_parameters_with_defaults(path: Path) -> None:
    parameters = StepNotebook(path).parameters
    assert parameters["run"].type is Path
    assert not any(parameter.required for parameter in parameters.values())


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_a_pipeline_binds(path: Path, tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(path)
    bound = pipeline.bind(dict.fromkeys(pipeline.required, "somewhere"), tmp_path)
    assert [notebook.path.name for notebook, _ in bound] == sorted(notebook.path.name for notebook, _ in bound)
    for notebook, values in bound:
        assert values["run"] == str(tmp_path)
        if "recipe" in values:
            assert Path(values["recipe"]).is_file()
        assert notebook.path in STEPS


def test_every_step_is_in_a_pipeline() -> None:
    used = {notebook.path for path in PIPELINES for notebook in Pipeline.from_yaml(path).notebooks}
    assert used == set(STEPS)


@pytest.mark.slow
def test_the_steps_run_one_after_another_as_they_are(
    execute: Callable[[str], nbformat.NotebookNode], tmp_path: Path
) -> None:
    for path in STEPS:
        execute(path.name)
    run = tmp_path / "runs" / "notebooks"
    assert (run / "report.html").stat().st_size > 100_000
    responses = pd.read_csv(run / "results" / "responses.csv")
    assert set(responses["compound"]) == set(pd.read_csv(run / "export" / "truth.csv")["compound"])


@pytest.mark.slow
def test_the_tour_runs_and_finds_the_effective_concentrations(
    execute: Callable[[str], nbformat.NotebookNode], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    tour = execute("00_tour.ipynb")
    table = next(cell for cell in tour.cells if cell.source.startswith("found = match_truth")).outputs[0]
    rows = [line.split() for line in table.data["text/plain"].splitlines() if re.match(r"\d", line)]
    assert [row[1] for row in rows] == ["TRL-1", "TRL-2", "CND-1"]
    fold = [float(row[-1]) for row in rows]
    assert all(1 / 3 < value < 3 for value in fold), table.data["text/plain"]
    assert not list((tmp_path / "temporary").glob("hcskit-tour-*"))  # it cleans up behind itself
