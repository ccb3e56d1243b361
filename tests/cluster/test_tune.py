"""Measuring how many ranks a worker should have: on the real steps of a small screen."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from hcskit.cli import main
from hcskit.cluster import ClusterConfig, open_cluster, run_gang, tune_ranks, wait_for_workers
from hcskit.cluster._tune import _judge
from hcskit.errors import InputError
from hcskit.recipe import Recipe


def _recipe(crop: int = 32) -> Recipe:
    return Recipe.model_validate(
        {
            "data": {"crop": crop, "crops_per_field": 1},
            "model": {"scales": 2, "features": 8, "hidden": 8},
            "optimiser": {"batch": 4},
        }
    )


def _files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_fewest_ranks_that_are_nearly_the_fastest_are_recommended() -> None:
    rates = [10.0, 19.5, 20.0, None]
    rows = [{"ranks_per_worker": 2**k, "images_per_second": rate, "failure": ""} for k, rate in enumerate(rates)]
    table = _judge(pd.DataFrame(rows).assign(threads_per_rank=1, steps=5))
    assert table["recommended"].tolist() == [False, True, False, False]
    assert table["relative"].tolist()[:3] == [1.0, 1.95, 2.0]
    table = _judge(pd.DataFrame(rows[1:]).assign(threads_per_rank=1, steps=5))
    assert table["recommended"].tolist() == [True, False, False]
    assert table["relative"].isna().all()


@pytest.mark.slow
def test_the_command_measures_says_what_fails_and_leaves_the_screen_alone(
    screen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "horovod.runner.http.http_server", None)  # two ranks need it
    _recipe().to_yaml(tmp_path / "recipe.yaml")
    (tmp_path / "cluster.yaml").write_text("{cores: 2}")
    before = _files(screen)
    asked = [
        "tune-ranks",
        tmp_path / "recipe.yaml",
        "--data",
        screen,
        "--cluster",
        tmp_path / "cluster.yaml",
        "--seconds",
        1,
    ]
    done = CliRunner().invoke(main, [*map(str, asked)], catch_exceptions=False)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    ranks, _, images_per_second, relative = lines[1].split()[:4]
    assert (ranks, float(relative)) == ("1", 1)
    assert float(images_per_second) > 0
    number, failure = lines[2].split(maxsplit=1)
    assert number == "2"
    assert "make horovod" in failure
    assert len(lines[3:]) == 3
    assert lines[-1].strip() == "ranks_per_worker: 1"
    assert _files(screen) == before


@pytest.mark.slow
def test_all_ranks_take_the_same_number_of_steps(screen: Path, tmp_path: Path) -> None:
    with open_cluster() as cluster:
        run_gang(
            cluster.client,
            "hcskit.cluster._measure:measure",
            {"data": str(screen), "recipe": _recipe().model_dump(mode="json"), "seconds": 1.0, "out": str(tmp_path)},
            addresses=wait_for_workers(cluster.client, 1, 60.0),
            ranks_per_worker=2,
            logs=tmp_path,
        )
    first, second = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(2))
    assert first["steps"] == second["steps"] >= 1
    assert first["images_per_second"] > 0


@pytest.mark.slow
def test_a_recipe_that_no_rank_can_train_is_refused(screen: Path) -> None:
    with pytest.raises(InputError, match="crop of 512 pixels is larger"):
        tune_ranks(screen, _recipe(crop=512), cluster=ClusterConfig(cores=1), seconds=0.1)
