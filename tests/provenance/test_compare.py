"""Two runs held against each other: what was changed in one of them is found, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hcskit.cli import main
from hcskit.errors import NotAScreenError
from hcskit.provenance import compare_runs, list_runs
from hcskit.provenance._tables import difference
from hcskit.results import QUALITY, RESPONSES, RunRecord, read_table, write_table

EMPTY = ("parameters", "inputs", "versions", "code", "responses", "z_prime", "wells")
numbers = st.floats(min_value=1e-9, max_value=1e9)


@pytest.fixture
def runs(run_folder: Path, tmp_path: Path) -> tuple[Path, Path]:
    first, second = tmp_path / "first", tmp_path / "deeper" / "second"
    for folder in (first, second):
        shutil.copytree(run_folder, folder)
    return first, second


def edit(folder: Path, **content: object) -> None:
    record = RunRecord.read(folder)
    assert record is not None
    record.model_copy(update=content).write(folder)


def test_a_copy_does_not_differ(runs: tuple[Path, Path]) -> None:
    found = compare_runs(*runs)
    assert all(getattr(found, name).empty for name in EMPTY)
    assert found.equal
    assert len(found.tables) == 8
    assert str(found) == "All numbers are equal, in 8 result tables."


def test_what_went_in_is_told_and_only_what_differs(runs: tuple[Path, Path]) -> None:
    first, second = runs
    record = RunRecord.read(first)
    assert record is not None
    (step,) = record.steps
    moved = step.inputs[0].model_copy(update={"path": "/elsewhere/plate_map.csv"})
    edit(
        second,
        parameters=record.parameters | {"seed": 8, "run": "another", "plate_map": "/elsewhere/plate_map.csv"},
        versions=record.versions | {"numpy": "2.1"},
        steps=[step.model_copy(update={"notebook_sha256": "cd" * 32, "inputs": [moved]})],
    )
    found = compare_runs(first, second)
    assert found.parameters.to_dict("index") == {"seed": {"first": 7, "second": 8}}
    assert found.inputs.empty  # another place, the same content
    assert found.versions.to_dict("index") == {"numpy": {"first": "2.0", "second": "2.1"}}
    assert list(found.code.index) == ["step import"]
    assert found.equal

    changed = moved.model_copy(update={"sha256": "ef" * 32})
    edit(second, steps=[step.model_copy(update={"inputs": [changed]})])
    assert list(compare_runs(first, second).inputs.index) == ["plate_map"]


def test_what_came_out_is_told(runs: tuple[Path, Path]) -> None:
    first, second = runs
    responses, quality = read_table(second, RESPONSES), read_table(second, QUALITY)
    responses.loc[("potent", "nuclear"), "ec50"] *= 1.5
    responses.loc[("late", "nuclear"), "category"] = "inactive"
    write_table(second, RESPONSES, responses)
    quality.loc[("P1", "A01", 1), "excluded"] = True
    write_table(second, QUALITY, quality)
    found = compare_runs(first, second)
    assert set(found.responses.index) == {("potent", "nuclear"), ("late", "nuclear")}
    potent = found.responses.loc[("potent", "nuclear")]
    assert (potent["first"], potent["second"], potent["fold"]) == (30.0, 45.0, 1.5)
    assert found.responses.loc[("late", "nuclear"), "category_second"] == "inactive"
    assert found.wells.to_dict("index") == {("P1", "A01"): {"first": 0, "second": 1}}
    assert found.z_prime.empty
    assert not found.equal
    told = CliRunner().invoke(main, ["diff", str(first), str(second)])
    assert told.exit_code == 0
    assert told.stdout.splitlines()[-1].startswith("2 of 8 result tables differ: ")


def test_half_a_run_is_compared_and_no_run_is_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = runs
    (second / RESPONSES.where).unlink()
    found = compare_runs(first, second)
    assert len(found.responses) == len(read_table(first, RESPONSES))
    assert found.responses["second"].isna().all()
    assert np.isinf(found.tables.loc["responses", "difference"])
    for folder in runs:
        shutil.rmtree(folder / "results")
    bare = compare_runs(first, second)
    assert str(bare) == "Neither run has a result table."
    with pytest.raises(NotAScreenError, match="there is no folder"):
        compare_runs(first, tmp_path / "nowhere")


def test_runs_are_listed_and_one_that_cannot_be_read_does_not_hide_the_others(runs: tuple[Path, Path]) -> None:
    first, second = runs
    root = first.parent
    table = list_runs(root)
    assert set(table.index) == {"first", "deeper/second"}
    row = table.loc["first"]
    assert (row["pipeline"], row["plates"], row["z_prime"], row["hits"]) == ("dose_response", 1, 0.31, 2)
    assert row["started"] == pd.Timestamp("2026-01-01", tz="UTC")
    (second / "run.json").write_text("{", encoding="utf-8")
    assert list_runs(root)["status"].to_dict()["deeper/second"] == "unreadable"
    told = CliRunner().invoke(main, ["runs", str(root)])
    assert (told.exit_code, len(told.stdout.splitlines())) == (0, 3)
    assert CliRunner().invoke(main, ["runs", str(first / "results")]).stdout.startswith("there is no run in")


@given(numbers, numbers)
def test_a_difference_is_relative_and_the_same_from_either_side(a: float, b: float) -> None:
    first, second = (pd.DataFrame({"x": [0.0, np.nan, np.inf, value]}) for value in (a, b))
    found = difference(first, second)
    assert found == difference(second, first) == pytest.approx(1 - min(a, b) / max(a, b))
    assert (found == 0) == (a == b)


def test_other_rows_columns_or_gaps_are_infinitely_far() -> None:
    table = pd.DataFrame({"x": [1.0, 2.0], "name": ["a", None]})
    others = [table.iloc[:1], table.rename(columns={"x": "y"}), table.assign(x=[1.0, np.nan]), table.assign(name="a")]
    assert [difference(table, other) for other in (*others, None)] == [np.inf] * 5
    assert difference(table, table.copy()) == difference(None, None) == 0
