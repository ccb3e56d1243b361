"""Pipelines and steps by name: a lab's own before those that ship, and files for a lab to edit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hcskit.cli import main
from hcskit.cluster import ClusterConfig
from hcskit.errors import InputError
from hcskit.pipeline import Pipeline, copy_shipped, list_pipelines
from hcskit.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
STEPS = ["simulate", "import", "quality", "train", "predict", "response", "report"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def hcskit(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_pipeline_that_ships_is_found_by_name_in_an_empty_folder(here: Path) -> None:
    assert {"demo", "dose_response", "predict_screen"} <= list_pipelines().keys()
    demo = Pipeline.open("demo")
    assert [notebook.name for notebook in demo.notebooks] == STEPS
    assert {notebook.path.parent for notebook in demo.notebooks} == {ROOT / "notebooks"}


def test_a_labs_own_pipeline_wins(lab: Any, here: Path) -> None:
    lab.folder = here / "pipelines"
    lab.folder.mkdir()
    lab.pipeline(lab.notebook("01_a"), description="Ours.").rename(lab.folder / "demo.yaml")
    assert Pipeline.open("demo").description == "Ours."
    assert Pipeline.open("dose_response").folder == ROOT / "pipelines"
    assert "Ours." in hcskit("run", "--list").stdout


@pytest.mark.parametrize("given", ["demo.yaml", "pipelines/demo", "./demo"])
def test_what_has_a_folder_or_a_suffix_is_a_path(here: Path, given: str) -> None:
    with pytest.raises(InputError, match="there is no file"):
        Pipeline.open(given)


def test_an_unknown_name_lists_the_known_ones(here: Path) -> None:
    done = hcskit("run", "dose-response", "--out", "run")
    assert done.exit_code == 2
    assert "there is no pipeline 'dose-response'; known: demo, dose_response, predict_screen" in done.stderr
    assert not list(here.iterdir())


def test_list_shows_every_pipeline_and_a_broken_one_does_not_hide_the_others(here: Path) -> None:
    (here / "pipelines").mkdir()
    (here / "pipelines" / "ours.yaml").write_text("steps: 3", encoding="utf-8")
    done = hcskit("run", "--list")
    told = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert done.exit_code == 0
    assert list(told) == ["demo", "dose_response", "ours", "predict_screen"]
    assert told["demo"].endswith(Pipeline.open("demo").description)
    assert "is not a pipeline" in told["ours"]


def test_without_a_pipeline_run_says_where_to_look() -> None:
    done = hcskit("run")
    assert done.exit_code == 2
    assert "hcskit run --list" in done.stderr


def test_a_step_is_looked_for_beside_the_pipeline_first(lab: Any, tmp_path: Path) -> None:
    lab.folder = tmp_path / "notebooks"
    lab.folder.mkdir()
    own = lab.notebook("07_quality")
    lab.folder = tmp_path / "pipelines"
    lab.folder.mkdir()
    pipeline = Pipeline.from_yaml(lab.pipeline(steps=["import", "quality"]))
    assert [notebook.path for notebook in pipeline.notebooks] == [ROOT / "notebooks" / "01_import.ipynb", own]


def test_an_unknown_step_lists_the_known_ones_and_one_of_two_is_not_guessed(lab: Any, tmp_path: Path) -> None:
    lab.folder = tmp_path / "notebooks"
    lab.folder.mkdir()
    for name in ("01_ours", "02_ours"):
        lab.notebook(name)
    lab.folder = tmp_path / "pipelines"
    lab.folder.mkdir()
    with pytest.raises(InputError, match=r"there is no step 'qualty'; known: import, ours, .*quality"):
        _ = Pipeline.from_yaml(lab.pipeline(steps=["qualty"])).notebooks
    with pytest.raises(InputError, match=r"the step 'ours' is both 01_ours\.ipynb and 02_ours\.ipynb"):
        _ = Pipeline.from_yaml(lab.pipeline(steps=["ours"])).notebooks


def test_new_lays_down_a_lab_that_runs_with_its_own_files(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hcskit("new", "lab").exit_code == 0
    monkeypatch.chdir(here / "lab")
    shipped = {path.relative_to(ROOT) for path in [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("pipelines/**/*.yaml")]}
    assert {path.relative_to(here / "lab") for path in Path.cwd().rglob("*") if path.is_file()} == shipped
    for name in ("demo", "dose_response", "predict_screen"):
        pipeline = Pipeline.open(name)
        for notebook, values in pipeline.bind(dict.fromkeys(pipeline.required, "somewhere"), here / "run"):
            assert notebook.path.parent == here / "lab" / "notebooks"
            if "recipe" in values:
                assert Path(values["recipe"]).parent == here / "lab" / "pipelines" / "recipes"
                Recipe.from_yaml(values["recipe"])
    (train,) = (notebook for notebook in Pipeline.open("demo").notebooks if notebook.name == "train")
    default = train.parameters["recipe"]
    assert Path(default.convert(default.default, train.path.parent)).is_file()


def test_new_leaves_what_is_there_as_it_is(here: Path) -> None:
    edited = here / "lab" / "pipelines" / "recipes" / "controls.yaml"
    edited.parent.mkdir(parents=True)
    edited.write_text("ours", encoding="utf-8")
    done = hcskit("new", "lab")
    assert done.exit_code == 0
    assert edited.read_text(encoding="utf-8") == "ours"
    assert f"kept {edited.relative_to(here)}, which was there" in done.stdout.splitlines()
    written, kept = copy_shipped(here / "lab")
    assert not written
    assert edited in kept


def test_new_refuses_a_file(here: Path) -> None:
    (here / "lab").touch()
    done = hcskit("new", "lab")
    assert done.exit_code == 2
    assert done.stderr == "Error: lab is a file; name a folder, a new one or one to complete\n"


def test_the_cluster_file_that_ships_is_one(here: Path) -> None:
    text = (ROOT / "pipelines" / "clusters" / "slurm.yaml").read_text(encoding="utf-8")
    commented = "\n".join(line.removeprefix("# ") if ": " in line.split("#")[1] else line for line in text.splitlines())
    (here / "all.yaml").write_text(commented, encoding="utf-8")
    assert ClusterConfig.from_yaml(ROOT / "pipelines" / "clusters" / "slurm.yaml").kind == "slurm"
    assert ClusterConfig.from_yaml(here / "all.yaml").start_timeout == 3600
