"""One verb, one signature: whatever it does, it does here and on a cluster, and writes the same bytes."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hcskit import actions
from hcskit.actions import assess, cross_validate, embed, import_plates, predict, train
from hcskit.cluster import AnyCluster, Cluster, ClusterConfig, open_cluster
from hcskit.data import open_data
from hcskit.errors import InputError
from hcskit.preprocess import Limits, assess_fields, estimate_illumination
from hcskit.recipe import Recipe
from hcskit.results import IMAGE_CONTROLS, QUALITY, read_illumination, read_table
from hcskit.simulation import SimulatedPlate
from hcskit.store import open_plates


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("verb", [assess, cross_validate, embed, import_plates, predict, train])
def test_every_verb_takes_a_cluster_in_the_same_way(verb: Callable[..., Any]) -> None:
    parameters = inspect.signature(verb).parameters
    assert next(iter(parameters)) == "data"
    for name, default in (("cluster", None), ("progress", True)):
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[name].default is default
    assert parameters["say"].kind is inspect.Parameter.KEYWORD_ONLY
    assert verb.__name__ in actions.__all__


@pytest.mark.slow
def test_one_cluster_serves_every_verb_and_writes_what_this_process_does(
    export: SimulatedPlate, recipe: Recipe, tmp_path: Path
) -> None:
    def work(run: Path, cluster: AnyCluster | None, model: Path) -> list[str]:
        said: list[str] = []
        options: dict[str, Any] = {"cluster": cluster, "say": said.append, "progress": False}
        import_plates(export.images, run, export.plate_map, **options)
        assess(run, **options)
        if not model.exists():  # what training says is not compared: it is done once
            train(run, recipe, model, **options | {"say": trained.append})
        predict(run, model, run, **options)
        embed(run, model, run, **options)
        return said

    trained: list[str] = []
    here, there = tmp_path / "here", tmp_path / "there"
    with open_cluster(ClusterConfig(workers=2, cores=1)) as cluster:
        told = work(
            there, Cluster(cluster.client, cluster.config.model_copy(update={"workers": 1})), tmp_path / "model"
        )
    assert "training with 1 rank on 1 worker" in trained
    said = work(here, None, tmp_path / "model")
    assert [line.replace(str(here), "") for line in said] == [line.replace(str(there), "") for line in told]
    assert contents(here) == contents(there)
    names = {"quality", "image_controls", "predictions", "field_predictions", "profiles"}
    assert names <= {path.stem for path in (here / "results").glob("*.parquet")}


@pytest.mark.slow
def test_opened_data_are_for_this_process(screen: Path, recipe: Recipe, tmp_path: Path) -> None:
    data = open_data(screen)
    for verb in (train, cross_validate):
        with pytest.raises(InputError, match=r"on a cluster, data are given by their folder.*found ScreenData"):
            verb(data, recipe, tmp_path / "out", cluster=ClusterConfig(), progress=False, say=lambda _: None)


@pytest.mark.slow
def test_a_training_that_would_not_fit_into_this_machine_is_refused_at_once(
    screen: Path, recipe: Recipe, tmp_path: Path
) -> None:
    large = recipe.model_dump() | {"data": {"crop": 32, "crops_per_field": 10**6}}
    large["optimiser"] |= {"batch": 10**7}
    for verb in (train, cross_validate):
        with pytest.raises(InputError, match=r"need \d+\.\d GiB"):
            verb(screen, Recipe.model_validate(large), tmp_path / "model", progress=False)
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_an_assessment_is_that_of_its_parts_and_the_same_again(screen: Path) -> None:
    before = contents(screen)
    (plate,) = open_plates(screen).values()
    assert plate["excluded"].any()  # so the illumination of the usable fields alone would be another
    light = estimate_illumination(plate.drop_vars("excluded"))
    np.testing.assert_array_equal(read_illumination(screen)["flat"].sel(plate="p1"), light["flat"])
    pd.testing.assert_frame_equal(read_table(screen, QUALITY), assess_fields(plate, light))
    found = assess(screen, progress=False)
    assert contents(screen) == before
    assert found.controls is not None
    pd.testing.assert_frame_equal(found.controls, read_table(screen, IMAGE_CONTROLS))
    assert not assess(screen, Limits(focus_z=-1e9), progress=False).quality["reason"].str.contains("focus").any()


@pytest.mark.slow
def test_work_without_a_network_loads_no_tensorflow(export: SimulatedPlate, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
import sys
import hcskit
from hcskit.actions import assess, import_plates
from hcskit.cluster import ClusterConfig, open_cluster

def loaded():
    return "tensorflow" in sys.modules

if __name__ == "__main__":
    with open_cluster(ClusterConfig(cores=1)) as cluster:
        import_plates(sys.argv[1], sys.argv[3], sys.argv[2], cluster=cluster, progress=False)
        assess(sys.argv[3], cluster=cluster, progress=False)
        print(loaded(), *cluster.client.run(loaded).values())
"""
    )
    command = [sys.executable, script, export.images, export.plate_map, tmp_path / "screen"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.splitlines()[-1] == "False False"
