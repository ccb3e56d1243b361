"""``xarray.open_datatree(folder, engine="hcskit")`` and `hcskit.open_screen`: stored plates and raw folders alike."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import tifffile
import xarray as xr

import hcskit
from hcskit.actions import import_plates
from hcskit.errors import InputError, NotAScreenError, ReaderError
from hcskit.readers import read_folder
from hcskit.response import fit_responses
from hcskit.results import DISTANCES, PREDICTIONS, PROFILES, RESPONSES, write_table

LABELS = [(well, field, channel) for well in ("A01", "A02", "B07") for field in (1, 2) for channel in ("DNA", "GFP")]
LABELS.remove(("A01", 2, "GFP"))


@pytest.fixture
def raw(tmp_path: Path, export: Callable[..., Path]) -> Path:
    return export(tmp_path / "export", LABELS)


@pytest.fixture
def stored(tmp_path: Path, raw: Path, treated) -> Path:
    import_plates(read_folder(raw), tmp_path / "screen", treated(["A01", "A02", "B07"]), progress=False)
    return tmp_path / "screen"


@pytest.fixture(params=["raw", "stored"])
def folder(request: pytest.FixtureRequest, raw: Path, stored: Path) -> Path:
    return {"raw": raw, "stored": stored}[request.param]


def open_tree(folder: Path, **options) -> xr.DataTree:
    return xr.open_datatree(folder, engine="hcskit", **options)


@pytest.mark.slow
def test_every_label_gives_its_own_pixels(folder: Path, code) -> None:
    for plate in (open_tree(folder)["P1"], open_tree(folder, chunks={})["P1"], hcskit.open_screen(folder)["P1"]):
        for well, field, channel in LABELS:
            one = plate.image.sel(well=well, field=field, channel=channel)
            assert (one == code((well, field, channel))).all()
        assert not plate.present.sel(well="A01", field=2, channel="GFP")
        assert (plate.image.sel(well="A01", field=2, channel="GFP") == 0).all()
        assert int(plate.present.sum()) == len(LABELS)


def test_nothing_is_read_before_it_is_asked_for(raw: Path, code) -> None:
    tree, screen = open_tree(raw), hcskit.open_screen(raw)
    kept = ("A02", 2, "DNA")
    for file in raw.iterdir():
        if file.name != "P1_A02_f02_DNA.tif":
            file.write_bytes(b"")
    for plate in (tree["P1"], screen["P1"]):
        assert (plate.image.sel(well="A02", field=2, channel="DNA") == code(kept)).all()
        with pytest.raises(ReaderError, match=r"P1_B07_f01_DNA\.tif is not a readable TIFF"):
            plate.image.sel(well="B07", field=1, channel="DNA").to_numpy()


@pytest.mark.slow
def test_dask_comes_only_when_it_is_asked_for(folder: Path) -> None:
    assert open_tree(folder)["P1"].image.chunks is None
    for plate in (open_tree(folder, chunks={})["P1"], hcskit.open_screen(folder)["P1"]):
        assert isinstance(plate.image.data, da.Array)
        assert plate.image.data.chunksize == (1, 1, 1, 16, 24)


def test_any_selection_is_that_of_the_whole(folder: Path) -> None:
    lazy = open_tree(folder)["P1"].to_dataset()
    whole = lazy.image.compute()
    for chosen in (
        {"well": [2, 0], "channel": 1, "y": slice(3, 9, 2), "x": [5, 1, 1]},
        {"well": -1, "field": slice(None, None, -1), "y": 4},
        {"well": slice(0, 0)},
        {"well": xr.DataArray([0, 2], dims="point"), "field": xr.DataArray([1, 0], dims="point")},
    ):
        xr.testing.assert_identical(lazy.image.isel(chosen).compute(), whole.isel(chosen))


@pytest.mark.slow
def test_images_can_be_read_in_other_processes(folder: Path) -> None:
    image = hcskit.open_screen(folder)["P1"].image
    again = pickle.loads(pickle.dumps(image))  # noqa: S301 - as Dask does
    xr.testing.assert_identical(again.compute(scheduler="processes", num_workers=1), image.compute())


@pytest.mark.slow
def test_one_plate_is_a_dataset(folder: Path, export, raw: Path) -> None:
    xr.testing.assert_identical(
        xr.open_dataset(folder, engine="hcskit").compute(), open_tree(folder)["P1"].to_dataset(inherit=False).compute()
    )
    assert list(xr.open_groups(folder, engine="hcskit")) == ["/", "/P1"]
    export(raw, LABELS[:1], plate="P2")
    with pytest.raises(InputError, match=r"holds 2 plates \(P1, P2\); open it with xarray.open_datatree"):
        xr.open_dataset(raw, engine="hcskit")


def test_xarray_knows_our_plates_by_itself(stored: Path, raw: Path) -> None:
    assert list(xr.open_datatree(stored).children) == ["P1"]
    backend = xr.backends.list_engines()["hcskit"]
    assert not backend.guess_can_open(raw)
    assert not backend.guess_can_open(b"bytes")


def test_results_are_joined_by_label(stored: Path) -> None:
    wells = pd.MultiIndex.from_tuples(
        [("P1", "B07", "round"), ("P1", "A01", "round"), ("P2", "A02", "round")], names=PREDICTIONS.labels
    )
    predictions = {"probability": [0.7, 0.1, 0.9], "sd": 0.1, "n_fields": 2}
    write_table(stored, PREDICTIONS, pd.DataFrame(predictions, index=wells))
    profiles = pd.DataFrame({"area": [3.0]}, pd.MultiIndex.from_tuples([("P1", "A02")], names=PROFILES.labels))
    write_table(stored, PROFILES, profiles)
    write_table(stored, DISTANCES, profiles.rename(columns={"area": "distance"}))
    doses = {"plate": "P1", "well": ["A01", "A02", "B07"], "role": "treatment", "concentration_unit": "nM"}
    doses |= {"concentration": [1.0, 10.0, 100.0], "readout": "round", "value": [0.1, 0.5, 0.9]}
    points = pd.concat([pd.DataFrame(doses).assign(compound=name, plate=name) for name in ("A", "elsewhere")])
    write_table(stored, RESPONSES, fit_responses(points).responses)
    for plate in (open_tree(stored)["P1"], hcskit.open_screen(stored)["P1"]):
        np.testing.assert_array_equal(plate["predictions"].probability.sel(phenotype="round"), [0.1, np.nan, 0.7])
        np.testing.assert_array_equal(plate["profiles"].value.sel(feature="area"), [np.nan, 3.0, np.nan])
        np.testing.assert_array_equal(plate["distances"].distance, [np.nan, 3.0, np.nan])
        assert list(plate["responses"].n_wells.to_series().items()) == [(("A", "round"), 3)]


def test_treatments_may_be_given_to_raw_images(raw: Path, treated) -> None:
    plate = open_tree(raw, plate="other", plate_map=treated(["A01", "A02", "B07"]))["other"]
    assert list(plate.concentration.values) == [10.0, 20.0, 30.0]


def test_variables_may_be_dropped(folder: Path) -> None:
    assert "present" not in open_tree(folder, drop_variables="present")["P1"]


def test_a_folder_that_is_neither_is_said_to_be_neither(tmp_path: Path) -> None:
    with pytest.raises(
        NotAScreenError, match=r"holds no plate .*; nor can its images be read as they are: .*no image file"
    ):
        open_tree(tmp_path)


def test_an_image_that_changed_is_an_error(raw: Path) -> None:
    plate = open_tree(raw)["P1"]
    tifffile.imwrite(raw / "P1_A02_f01_DNA.tif", np.zeros((8, 8), np.uint16))
    with pytest.raises(ReaderError, match=r"is \(8, 8\) uint16, but the images of plate P1 are \(16, 24\) uint16"):
        plate.image.sel(well="A02").to_numpy()


@pytest.mark.slow
def test_the_accessor_comes_with_the_engine(raw: Path) -> None:
    code = (
        f"import xarray; tree = xarray.open_datatree({str(raw)!r}, engine='hcskit'); "
        "print(tree['P1'].to_dataset().hcs.grid(tree['P1'].column).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "(8, 12)\n"), done.stderr
