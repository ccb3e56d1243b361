"""Several plates are imported at once; one that is at fault is set aside, with the reason, until it is repaired."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
import xarray as xr

import hcskit
from hcskit.data import unlike_plates
from hcskit.errors import DamagedError, InputError, NotAScreenError, ReaderError
from hcskit.jobs import run_here
from hcskit.models import mcnn
from hcskit.platemap import check_plate_map
from hcskit.readers import read_folder
from hcskit.recipe import Recipe
from hcskit.results import SET_ASIDE, read_illumination, read_table, take_back
from hcskit.store import convert_plates, open_plates, write_plate
from hcskit.training import save_model
from tests.untrained import card_of

MAP = pd.DataFrame(
    {"well": ["A01", "A02"], "role": ["negative_control", "treatment"], "compound": [None, "X"]}
    | {"concentration": [np.nan, 1.0], "concentration_unit": "nM"}
).set_index("well")

PATTERN = "name: plain\npattern: '(?P<plate>[^_]+)_(?P<well>[A-Z]\\d+)_s(?P<field>\\d)_w(?P<channel>\\d)[.]tif'\n"


def export(folder: Path, plate: str, wells: tuple[str, ...] = ("A01", "A02")) -> Path:
    """Write the images of a plate, 64 × 64, one field and channel a well, as OME-TIFF."""
    rng = np.random.default_rng(len(plate))
    for well in wells:
        path = folder / f"{plate}_{well}_s1_w1.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, rng.integers(0, 999, (64, 64), dtype=np.uint16))
    return folder


def damage(plate: Path) -> Path:
    """Take the pixels of the well A02 away; return the file that held them."""
    shard = next(path for path in sorted((plate / "A" / "02").rglob("*")) if path.name == "0")
    return shard.rename(plate.with_suffix(".kept"))


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    """Return the exports of three plates, and a file that says how they are named."""
    (tmp_path / "names.yaml").write_text(PATTERN, encoding="utf-8")
    return [export(tmp_path / "exports" / name, name) for name in ("P1", "P2", "P3")]


def take_in(sources: list[Path], out: Path, **options: object) -> tuple[list[str], list[str]]:
    """Import all; return the names of the plates, and what is said."""
    said: list[str] = []
    reader = sources[0].parents[1] / "names.yaml"
    given: dict[str, object] = {"reader": reader, "set_aside": True, "progress": False, "say": said.append} | options
    paths = hcskit.import_plates(sources, out, MAP, **given)  # type: ignore[arg-type]
    return [path.stem for path in paths], said


def test_plates_of_several_folders_become_one_screen(sources: list[Path], tmp_path: Path) -> None:
    assert take_in(sources, tmp_path / "screen")[0] == ["P1", "P2", "P3"]
    plates = open_plates(tmp_path / "screen")
    stored = plates["P2"].image.sel(well="A02").to_numpy().squeeze()
    np.testing.assert_array_equal(stored, tifffile.imread(sources[1] / "P2_A02_s1_w1.tif"))
    with pytest.raises(NotAScreenError):
        read_table(tmp_path / "screen", SET_ASIDE)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["header", "pixels", "no image", "wells of the map"])
def test_a_plate_at_fault_is_set_aside_and_taken_in_when_it_is_repaired(
    fault: str, sources: list[Path], tmp_path: Path
) -> None:
    bad, screen = sources[1] / "P2_A02_s1_w1.tif", tmp_path / "screen"
    whole = bad.read_bytes()
    if fault == "no image":
        for path in sources[1].iterdir():
            path.rename(path.with_suffix(".part"))
    elif fault == "wells of the map":
        bad.unlink()
    else:
        bad.write_bytes(whole[:4] if fault == "header" else whole[:-5000])

    imported, said = take_in(sources, screen)
    assert imported == ["P1", "P3"]
    reasons = read_table(screen, SET_ASIDE)["reason"]
    name = str(sources[1]) if fault == "no image" else "P2"
    assert list(reasons.index) == [name]
    assert any(line.startswith(f"set aside {name}: ") for line in said)
    expected = {"no image": "no reader|no image", "wells of the map": "A02"}.get(fault, "P2_A02_s1_w1.tif")
    assert reasons.str.contains(expected).all()
    with pytest.raises(InputError):
        take_in(sources, screen, set_aside=False)

    for path in sources[1].glob("*.part"):
        path.rename(path.with_suffix(".tif"))
    bad.write_bytes(whole)
    assert take_in(sources, screen)[0] == ["P1", "P2", "P3"]
    assert sorted(open_plates(screen)) == ["P1", "P2", "P3"]
    assert not SET_ASIDE.there(screen)


def test_all_plates_at_fault_are_an_error_that_names_each(sources: list[Path], tmp_path: Path) -> None:
    for source in sources:
        (source / f"{source.name}_A02_s1_w1.tif").unlink()
    with pytest.raises(InputError, match=r"(?s)the step import can use no plate:.*P1.*P2.*P3"):
        take_in(sources, tmp_path / "screen")


def test_a_plate_that_was_imported_before_is_not_set_aside_in_silence(sources: list[Path], tmp_path: Path) -> None:
    take_in(sources, tmp_path / "screen")
    (sources[1] / "P2_A02_s1_w1.tif").write_bytes(b"II*")
    with pytest.raises(InputError, match=r"(?s)P2.*was imported before"):
        take_in(sources, tmp_path / "screen")


def test_two_folders_with_the_same_plate_are_refused(sources: list[Path], tmp_path: Path) -> None:
    again = export(tmp_path / "exports" / "again", "P1")
    with pytest.raises(ReaderError, match="P1 is there 2 times"):
        take_in([*sources, again], tmp_path / "screen")


def test_a_screen_of_other_plates_is_refused_where_the_plates_are_to_be_alone(
    sources: list[Path], tmp_path: Path
) -> None:
    take_in(sources, tmp_path / "screen")
    with pytest.raises(InputError, match="holds P3, which the source does not"):
        take_in(sources[:2], tmp_path / "screen", alone=True)


def names_of(screen: Path) -> tuple[list[str], list[str]]:
    """Return the plates that later steps see, and those that are set aside."""
    aside = list(read_table(screen, SET_ASIDE).index) if SET_ASIDE.there(screen) else []
    return sorted(open_plates(screen)), aside


@pytest.mark.slow
def test_a_plate_with_damaged_pixels_is_set_aside_by_the_quality_step(sources: list[Path], tmp_path: Path) -> None:
    screen = tmp_path / "screen"
    take_in(sources, screen)
    options: dict[str, Any] = {"progress": False, "say": lambda _: None}
    whole = hcskit.assess(screen, **options).quality
    shard = next(path for path in sorted((screen / "P2.zarr" / "A" / "02").rglob("*")) if path.name == "0")
    kept = damage(screen / "P2.zarr")
    left_out = f"P2.*{re.escape('A/02')}.*cannot be read"
    (screen / "results" / "quality.parquet").unlink()  # of which P2 would be taken as before

    with pytest.raises(DamagedError, match="cannot be read"):
        hcskit.assess(screen, **options)
    said: list[str] = []
    found = hcskit.assess(screen, set_aside=True, progress=False, say=said.append)
    assert names_of(screen) == (["P1", "P3"], ["P2"])
    assert re.search(left_out, next(line for line in said if line.startswith("set aside")))
    pd.testing.assert_frame_equal(found.quality, whole.drop("P2", level="plate"))

    kept.rename(shard)
    pd.testing.assert_frame_equal(hcskit.assess(screen, set_aside=True, **options).quality, whole)
    assert names_of(screen) == (["P1", "P2", "P3"], [])


@pytest.mark.slow
def test_a_plate_that_does_not_fit_the_model_is_set_aside_by_the_prediction(
    sources: list[Path], tmp_path: Path
) -> None:
    screen = tmp_path / "screen"
    take_in(sources, screen)
    shutil.rmtree(screen / "P2.zarr")
    plate = open_plates(screen)["P1"]
    write_plate(plate.assign_coords(channel=["other"]).assign_attrs(plate="P2"), screen, progress=False)
    options: dict[str, Any] = {"progress": False, "say": lambda _: None}
    hcskit.assess(screen, **options)
    network = mcnn((32, 32, 1), 2, head="pool", scales=1, features=2, hidden=2)
    model = save_model(tmp_path / "model", network, card_of(("1",), (32, 32)))

    with pytest.raises(InputError, match="plate P2 has no channel 1"):
        hcskit.predict(screen, model, screen, **options)
    found = hcskit.predict(screen, model, screen, set_aside=True, **options)
    assert names_of(screen) == (["P1", "P3"], ["P2"])
    assert read_table(screen, SET_ASIDE)["step"].tolist() == ["predict"]
    assert list(found.wells.index.unique("plate")) == ["P1", "P3"]

    fits = save_model(tmp_path / "fits", network, card_of(("other",), (32, 32)))
    assert list(hcskit.predict(screen, fits, screen, set_aside=True, **options).wells.index.unique("plate")) == ["P2"]
    assert names_of(screen) == (["P2"], ["P1", "P3"])
    hcskit.assess(screen, **options)  # an earlier step takes all in
    assert names_of(screen) == (["P1", "P2", "P3"], [])


@pytest.mark.slow
def test_a_screen_can_be_the_source_of_another(sources: list[Path], tmp_path: Path) -> None:
    screen, again, reader = tmp_path / "screen", tmp_path / "again", tmp_path / "names.yaml"
    plate_map = check_plate_map(MAP.reset_index())
    hcskit.import_plates(sources, screen, plate_map, reader=reader, progress=False, say=lambda _: None)
    hcskit.assess(screen, progress=False, say=lambda _: None)  # its results are no images
    hcskit.import_plates(screen, again, set_aside=True, progress=False, say=lambda _: None)
    before, after = open_plates(screen), open_plates(again)
    assert list(after) == ["P1", "P2", "P3"]
    for name, plate in after.items():
        xr.testing.assert_equal(plate.compute(), before[name].drop_vars("excluded").compute())


def test_a_job_of_the_import_is_a_block_of_wells(sources: list[Path], tmp_path: Path) -> None:
    wells = tuple(f"A{number:02d}" for number in range(1, 11))
    found = read_folder(export(tmp_path / "wide", "P4", wells), sources[0].parents[1] / "names.yaml")
    jobs: list[int] = []
    done: list[int] = []

    def counted(sent: Any, *others: Any) -> Any:
        jobs.append(len(sent))
        return run_here(sent, *others)

    convert_plates(found, tmp_path / "screen", run=counted, done=done.append)
    assert (jobs, sum(done)) == ([3], 10)
    assert list(open_plates(tmp_path / "screen")["P4"].well.to_numpy()) == list(wells)


LEARN = pd.DataFrame(
    {"well": ["A01", "A02", "A03", "A04"], "role": ["negative_control", "positive_control"] * 2}
    | {"compound": "X", "concentration": 1.0, "concentration_unit": "nM"}
).set_index("well")


@pytest.mark.slow
def test_a_plate_that_cannot_be_learned_from_is_left_out_and_named(tmp_path: Path) -> None:
    """P2 was set aside by the quality step, P4 is smaller than the others, and P5 was damaged after that step."""
    names = ["P1", "P2", "P3", "P4", "P5"]
    folders = [export(tmp_path / "exports" / name, name, tuple(LEARN.index)) for name in names]
    (tmp_path / "names.yaml").write_text(PATTERN, encoding="utf-8")
    screen, model = tmp_path / "screen", tmp_path / "model"
    options: dict[str, Any] = {"progress": False, "say": lambda _: None}
    hcskit.import_plates(folders, screen, LEARN, reader=tmp_path / "names.yaml", **options)
    small = open_plates(screen)["P4"].isel(y=slice(48), x=slice(48)).compute()
    shutil.rmtree(screen / "P4.zarr")
    write_plate(small, screen, progress=False)
    damage(screen / "P2.zarr")
    hcskit.assess(screen, set_aside=True, **options)
    damage(screen / "P5.zarr")

    recipe = {"data": {"crop": 32}, "optimiser": {"epochs": 1, "batch": 4}}
    recipe |= {"model": {"scales": 1, "features": 2, "hidden": 2}}
    how = Recipe.model_validate(recipe)
    with pytest.raises(InputError, match="differ in size"):
        hcskit.train(screen, how, model, **options)
    said: list[str] = []
    trained = hcskit.train(screen, how, model, set_aside=True, progress=False, say=said.append)
    assert sorted(trained.card.data) == ["P1", "P3"]
    assert names_of(screen) == (["P1", "P3"], ["P2", "P4", "P5"])
    table = read_table(screen, SET_ASIDE)
    assert table["step"].to_dict() == {"P2": "quality", "P4": "train", "P5": "train"}
    assert "48×48 pixels of uint16" in table["reason"]["P4"]
    assert "P5.zarr" in table["reason"]["P5"]
    assert sum(line.startswith("set aside P") for line in said) == 2
    take_back(screen, "predict")  # as the prediction does
    assert names_of(screen)[1] == ["P2", "P4", "P5"]
    assert list(read_illumination(screen).plate.to_numpy()) == ["P1", "P3"]


def test_of_plates_of_two_kinds_the_fewer_are_unlike_and_of_as_many_none(sources: list[Path], tmp_path: Path) -> None:
    take_in(sources, tmp_path / "screen")
    same = open_plates(tmp_path / "screen")
    data = Recipe().data
    other = {"P4": same["P1"].isel(y=slice(32))}
    assert unlike_plates(same, data) == {}
    assert list(unlike_plates(same | other, data)) == ["P4"]
    assert unlike_plates({"P1": same["P1"]} | other, data) == {}
    float_plate = {"P4": same["P1"].assign(image=same["P1"]["image"].astype("float32"))}
    assert "float32 in 1, they have 64×64 pixels of uint16" in str(unlike_plates(same | float_plate, data)["P4"])
    renamed = {"P4": same["P1"].assign_coords(channel=["other"])}
    assert list(unlike_plates(same | renamed, data)) == ["P4"]
    trimmed, halved = {"P4": same["P1"].isel(y=slice(63))}, data.model_copy(update={"binning": 2})
    assert "has 31×32 pixels" in str(unlike_plates(same | trimmed, halved)["P4"])
    thirds = data.model_copy(update={"binning": 3})
    assert unlike_plates(same | trimmed, thirds) == {}  # 21 × 21 pixels are left of both
