"""Pipelines: which value goes to which step, checked before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hcskit.errors import InputError
from hcskit.pipeline import Pipeline, run_pipeline

PARAMETERS = """
from pathlib import Path

run: Path = Path("run")
source: Path | None = None
table: Path = Path("../tables/default.csv")
epochs: int = 3
"""


@pytest.fixture
def pipeline(lab: Any, tmp_path: Path) -> Pipeline:
    (tmp_path / "notebooks").mkdir()
    lab.folder = tmp_path / "notebooks"
    steps = [lab.notebook("01_a", parameters=PARAMETERS), lab.notebook("02_b", parameters="seed: int\n")]
    lab.folder = tmp_path / "pipelines"
    lab.folder.mkdir()
    path = lab.pipeline(steps=[f"../notebooks/{step.name}" for step in steps], required=["seed"])
    return Pipeline.from_yaml(path)


def test_each_path_starts_where_it_was_written(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run = tmp_path / "run"
    given = {"seed": "1"}

    (_, values), (_, seed) = pipeline.bind(given, run)
    assert values == {
        "run": str(run),
        "source": None,
        "table": str(tmp_path / "tables/default.csv"),  # the notebook's: from the notebook
        "epochs": 3,
    }
    assert seed == {"seed": 1}

    own = pipeline.model_copy(update={"parameters": {"table": "t.csv", "epochs": 5}})
    values = own.bind(given, run)[0][1]
    assert values["table"] == str(tmp_path / "pipelines/t.csv")  # the pipeline's: from its YAML file
    assert values["epochs"] == 5

    values = own.bind(given | {"table": "t.csv", "source": "../x", "epochs": "7"}, run)[0][1]
    assert values["table"] == str(tmp_path / "here/t.csv")  # the user's: from the working directory
    assert values["source"] == str(tmp_path / "x")
    assert values["epochs"] == 7


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"seed": "1", "sead": "1"}, "no parameter sead; it has epochs, seed, source, table"),
        ({"seed": "1", "run": "elsewhere"}, "no parameter run"),
        ({"seed": "1", "epochs": "many"}, "epochs is 'many'; expected int"),
        ({"epochs": "3"}, "needs seed: give -p seed="),
    ],
)
def test_wrong_parameters_leave_no_trace(pipeline: Pipeline, tmp_path: Path, given: dict[str, str], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        run_pipeline(pipeline, given, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_parameter_without_a_value_is_asked_for(pipeline: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="step b needs a value for seed: give it with -p seed="):
        pipeline.model_copy(update={"required": ()}).bind({}, tmp_path)


def test_describe_shows_what_is_used_where_nothing_is_given(pipeline: Pipeline) -> None:
    own = pipeline.model_copy(update={"parameters": {"epochs": 5}})
    assert own.describe() == {
        "a": ["source: Path | None = None", "table: Path = ../tables/default.csv", "epochs: int = 5"],
        "b": ["seed: int = required"],
    }


@pytest.mark.parametrize(
    "text",
    ["", "name: x", "name: x\nsteps: [a.ipynb]\nstepz: 3", "name: [", "steps: 3", "name: x\nsteps: !!python/name:os.x"],
)
def test_what_is_no_pipeline_is_refused_fault_by_fault(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="is not a pipeline") as caught:
        Pipeline.from_yaml(path)
    assert all(line.startswith("  - ") for line in str(caught.value).splitlines()[1:])
    assert "pydantic" not in str(caught.value)


def test_a_step_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("name: x\nsteps: [nowhere.ipynb]\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"there is no notebook .*nowhere\.ipynb"):
        Pipeline.from_yaml(tmp_path / "p.yaml").bind({}, tmp_path / "run")
    with pytest.raises(InputError, match=r"there is no file .*; expected a pipeline"):
        Pipeline.from_yaml(tmp_path / "q.yaml")
