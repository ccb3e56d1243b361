"""What is wrong with a run is said before its first step, all of it at once, and nothing is left behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from hcskit.actions import import_plates
from hcskit.errors import InputError
from hcskit.pipeline import Pipeline, run_pipeline
from hcskit.pipeline._checks import check_steps
from hcskit.simulation import Compound, PlateDesign, SimulatedPlate, simulate
from hcskit.store import open_plates, stored_bytes

RECIPE = "data: {crop: 32, crops_per_field: 2}\nmodel: {scales: 2, features: 8, hidden: 8}\n"
MEMORY = "kind: local\nmemory: 100MiB\n"
DESIGN = PlateDesign(
    name="tiny",
    compounds=(Compound("TRL-1", "translocation", ec50=50.0),),
    concentrations=(10.0, 100.0, 1000.0),
    replicates=2,
    image_size=(48, 48),
)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> SimulatedPlate:
    return simulate(tmp_path_factory.mktemp("checks") / "export", DESIGN)


@pytest.fixture
def faults(export: SimulatedPlate, tmp_path: Path) -> Callable[..., list[str]]:
    """Return the faults that are found when a pipeline is run on the export."""
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    out = tmp_path / "run"

    def faults(pipeline: str = "dose_response", **given: object) -> list[str]:
        values = {"source": export.images, "plate_map": export.plate_map}
        if pipeline == "dose_response":
            values["recipe"] = tmp_path / "recipe.yaml"
        with pytest.raises(InputError) as caught:
            run_pipeline(pipeline, values | given, out, say=pytest.fail)
        assert not out.exists()
        first, *others = str(caught.value).split("\n  - ")
        if others:
            assert first == f"{len(others)} faults were found, and nothing was run:"
        return others or [first]

    return faults


def edited(export: SimulatedPlate, path: Path, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    edit(pd.read_csv(export.plate_map)).to_csv(path, index=False)
    return path


def test_paths_that_lead_nowhere_are_named_together(faults: Callable[..., list[str]], tmp_path: Path) -> None:
    nowhere = {name: tmp_path / f"no {name}" for name in ("source", "plate_map", "recipe", "cluster", "truth")}
    expected = {f"there is no file or folder {path} (parameter {name})" for name, path in nowhere.items()}
    found = faults(**nowhere)
    assert (len(found), set(found)) == (5, expected)


@pytest.mark.slow
def test_plate_map_source_and_recipe_are_held_against_each_other(
    faults: Callable[..., list[str]], export: SimulatedPlate, tmp_path: Path
) -> None:
    def one_positive(table: pd.DataFrame) -> pd.DataFrame:
        positive = table["role"] == "positive_control"
        table.loc[positive & (table[positive].index[0] != table.index), "role"] = "empty"
        extra = table.iloc[[0]].assign(well="H12", role="treatment", compound="X", concentration=1.0)
        return pd.concat([table, extra.assign(concentration_unit="nM")])

    plate_map = edited(export, tmp_path / "map.csv", one_positive)
    (tmp_path / "large.yaml").write_text("data: {crop: 64, channels: [DNA, RNA]}", encoding="utf-8")
    found = faults(plate_map=plate_map, recipe=tmp_path / "large.yaml")
    assert len(found) == 2
    assert found[0].startswith("plate tiny: 1 well(s) of the plate map have no image: H12;")
    of_recipe = found[1].split("\n")
    assert any("has only one well" in fault for fault in of_recipe)
    assert any("crop of 64 pixels is larger than the image, 48×48" in fault for fault in of_recipe)
    assert any("no channel RNA; they have DNA, GFP" in fault for fault in of_recipe)


def test_eight_wells_with_one_fault_are_one_line(
    faults: Callable[..., list[str]], export: SimulatedPlate, tmp_path: Path
) -> None:
    fewer = edited(export, tmp_path / "map.csv", lambda table: table.iloc[:-8])
    (found,) = [fault for fault in faults("predict_screen", plate_map=fewer, model=tmp_path) if "plate map:" in fault]
    assert "8 imaged well(s) are not in the plate map" in found
    assert "\n" not in found


@pytest.mark.slow
def test_a_plate_unlike_the_others_is_foreseen_and_keeps_no_run_from_beginning(
    export: SimulatedPlate, tmp_path: Path
) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    others = [
        simulate(tmp_path / name, replace(DESIGN, name=name, image_size=(side, side)))
        for name, side in (("same", 48), ("odd", 64))
    ]
    given = {"source": [one.images for one in (export, *others)], "plate_map": export.plate_map}
    said: list[str] = []
    run_pipeline(
        "dose_response", given | {"recipe": tmp_path / "recipe.yaml"}, tmp_path / "run", dry_run=True, say=said.append
    )
    foreseen = [line for line in said if line.startswith("will be set aside: ")]
    assert foreseen == [line for line in said if "plate odd is unlike the 2 others that are learned from" in line] != []


def test_a_plate_without_a_map_or_with_nothing_to_fit_is_told_now(
    faults: Callable[..., list[str]], export: SimulatedPlate, tmp_path: Path
) -> None:
    assert faults(plate_map=None) == [
        "plate tiny has no plate map, so nothing is known of its wells; give one with -p plate_map=FILE"
    ]
    untreated = edited(export, tmp_path / "map.csv", lambda t: t[t["role"] != "treatment"].assign(concentration=None))
    shutil.copytree(export.images, tmp_path / "controls", ignore=lambda _, names: _treated(export, names))
    assert "no well of tiny has the role treatment in the plate map; there is nothing to fit" in faults(
        "predict_screen", source=tmp_path / "controls", plate_map=untreated, model=tmp_path
    )


def _treated(export: SimulatedPlate, names: list[str]) -> list[str]:
    table = pd.read_csv(export.plate_map)
    treated = set(table.loc[table["role"] == "treatment", "well"])
    return [name for name in names if name.split("_")[1] in treated]


@pytest.mark.slow
def test_a_series_of_times_is_told_and_one_of_them_is_taken(
    faults: Callable[..., list[str]], export: SimulatedPlate, tmp_path: Path
) -> None:
    for time in (0, 6):
        shutil.copytree(export.images, tmp_path / "series" / f"T{time}")
    layout = tmp_path / "layout.yaml"
    names = r"T(?P<time>\d+)/[^/]*_(?P<well>[A-Z]\d\d)_f(?P<field>\d+)_(?P<channel>\w+)\.tif"
    layout.write_text(f"name: series\npattern: '{names}'\none_plate: true\n", encoding="utf-8")
    (fault,) = faults(source=tmp_path / "series", layout=layout)
    assert "has 2 time points (0, 6 …)" in fault
    assert "hcskit run -p time=6" in fault
    ready = {"source": tmp_path / "series", "layout": layout, "time": 6, "plate_map": export.plate_map}
    bound = Pipeline.open("dose_response").bind({**ready, "recipe": tmp_path / "recipe.yaml"}, tmp_path / "run")
    check_steps(bound, tmp_path / "run")


def test_a_training_that_needs_more_memory_than_there_is_is_told_now(
    faults: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "cluster.yaml").write_text(MEMORY, encoding="utf-8")
    (found,) = faults(cluster=tmp_path / "cluster.yaml")
    assert found.startswith("a worker has 0.1 GiB, and 1 of 1 ranks in it need")


def test_a_model_that_is_none_and_a_cluster_that_is_none_are_told_once(
    faults: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "cluster.yaml").write_text("kind: slurm", encoding="utf-8")
    found = faults("predict_screen", model=tmp_path, cluster=tmp_path / "cluster.yaml")
    assert len(found) == 2  # import, quality and predict take the same cluster
    assert any("is not the description of a cluster" in fault for fault in found)
    assert any("holds no trained model" in fault for fault in found)


def test_the_room_that_plates_take_is_estimated_from_their_images(export: SimulatedPlate, tmp_path: Path) -> None:
    import_plates(export.images, tmp_path / "screen", export.plate_map, progress=False, say=lambda _: None)
    plates = open_plates(tmp_path / "screen")
    shards = [path for path in (tmp_path / "screen").rglob("*") if path.is_file() and path.name != "zarr.json"]
    assert stored_bytes(plates.values()) == pytest.approx(sum(path.stat().st_size for path in shards), rel=0.15)


@pytest.mark.slow
def test_what_an_earlier_step_has_made_is_taken_from_the_run(export: SimulatedPlate, tmp_path: Path) -> None:
    run = tmp_path / "run"
    import_plates(export.images, run, export.plate_map, progress=False, say=lambda _: None)
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("32", "64"), encoding="utf-8")
    pipeline = Pipeline.open("dose_response")
    bound = pipeline.bind({"source": tmp_path / "gone", "recipe": tmp_path / "recipe.yaml"}, run)
    with pytest.raises(InputError, match="crop of 64 pixels is larger than the image, 48×48"):
        check_steps(bound[1:], run)


def test_a_step_of_a_labs_own_is_left_alone(lab: object, tmp_path: Path) -> None:
    own = "from pathlib import Path\n\nrun: Path = Path('r')\nrecipe: Path = Path('nowhere')\n"
    step = lab.notebook("03_count", parameters=own)  # type: ignore[attr-defined]
    pipeline = Pipeline.from_yaml(lab.pipeline(step))  # type: ignore[attr-defined]
    check_steps(pipeline.bind({}, tmp_path / "run"), tmp_path / "run")
