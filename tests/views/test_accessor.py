"""``plate.hcs`` lays values out as the plate lies on the bench."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import hcskit.views._accessor  # noqa: F401 (registers plate.hcs)
from hcskit.errors import InputError
from hcskit.plate import FORMATS, Well
from hcskit.platemap import check_plate_map
from hcskit.screen import PlateInfo, make_plate


@pytest.fixture
def plate() -> xr.Dataset:
    wells = ("A01", "B02", "H12")
    rows = [
        ("A01", "", "", "", "negative_control"),
        ("B02", "x", 5, "nM", "treatment"),
        ("H12", "x", 9, "nM", "treatment"),
    ]
    plate_map = check_plate_map(
        pd.DataFrame(rows, columns=["well", "compound", "concentration", "concentration_unit", "role"])
    )
    present = np.array([[[True, True]], [[True, False]], [[False, False]]])
    info = PlateInfo("P1", wells, (1,), ("DNA", "GFP"), (8, 8), np.dtype("uint16"))
    return make_plate(info, np.full((3, 1, 2, 8, 8), 50, dtype=np.uint16), present, plate_map)


def test_a_grid_is_the_whole_plate_with_nan_where_there_is_no_well(plate):
    grid = plate.hcs.grid("concentration")

    assert grid.dims == ("row", "column")
    assert grid.shape == (8, 12)
    assert grid.sel(row="B", column=2).item() == 5.0
    assert int(grid.count()) == 2


def test_fields_and_channels_are_averaged(plate):
    grid = plate.hcs.grid("present")

    assert [grid.sel(row=row, column=column).item() for row, column in (("A", 1), ("B", 2), ("H", 12))] == [
        1.0,
        0.5,
        0.0,
    ]


def test_nan_does_not_count_in_the_average(plate):
    focus = xr.DataArray([[1.0, np.nan], [2.0, 4.0]], dims=("well", "channel"), coords={"well": ["A01", "H12"]})
    grid = plate.hcs.grid(focus)

    assert grid.sel(row="A", column=1).item() == 1.0
    assert grid.sel(row="H", column=12).item() == 3.0


def test_text_is_laid_out_too(plate):
    grid = plate.hcs.grid("compound")

    assert grid.sel(row="B", column=2).item() == "x"
    assert grid.sel(row="A", column=1).item() == ""
    assert np.isnan(grid.sel(row="C", column=3).item())


@pytest.mark.slow
@given(st.sampled_from([96, 384, 1536]), st.data())
def test_every_value_comes_back_from_its_place(size, data):
    format = FORMATS[size]
    place = st.builds(Well, st.integers(0, format.rows - 1), st.integers(0, format.columns - 1))
    wells = data.draw(st.lists(place, unique=True, min_size=1, max_size=12))
    array = xr.DataArray(np.arange(len(wells)), dims="well", coords={"well": [well.name for well in wells]})
    grid = xr.Dataset(attrs={"plate_format": size}).hcs.grid(array)

    assert grid.shape == (format.rows, format.columns)
    assert [grid.to_numpy()[well.row, well.column] for well in wells] == list(range(len(wells)))
    assert int(grid.count()) == len(wells)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("absent", "no variable 'absent'; by well it has"), ("field", "no dimension well"), ("image", "y, x; choose one")],
)
def test_what_cannot_be_laid_out_is_refused(plate, name, complaint):
    with pytest.raises(InputError, match=complaint):
        plate.hcs.grid(name)


def test_text_cannot_be_averaged(plate):
    text = xr.DataArray([["a", "b"]], dims=("well", "field"), coords={"well": ["A01"]}, name="reason")

    with pytest.raises(InputError, match=r"reason is .* only numbers"):
        plate.hcs.grid(text)


def test_a_well_beyond_the_plate_is_refused(plate):
    with pytest.raises(InputError, match="P24 does not lie on a plate of 96 wells"):
        plate.hcs.grid(xr.DataArray([1.0], dims="well", coords={"well": ["P24"]}))


def test_a_heat_map_and_a_montage_are_one_call_away(plate):
    heat = plate.hcs.heatmap("concentration", limits=(0.0, 10.0))
    values = list(heat)[2].dframe().dropna().set_index("well")["value"]

    assert values.to_dict() == {"B02": 5.0, "H12": 9.0}
    assert "A01  negative control" in list(plate.hcs.montage("A01"))[1].dframe()["label"].tolist()


def test_a_node_of_a_screen_is_a_plate_too(plate):
    screen = xr.DataTree.from_dict({"P1": plate, "P1/quality": xr.Dataset()})

    assert screen["P1"].hcs.grid("concentration").equals(plate.hcs.grid("concentration"))
    with pytest.raises(InputError, match="'P1'"):
        _ = screen.hcs


@pytest.mark.slow
def test_views_are_loaded_only_when_asked_for():
    code = "import sys, hcskit.views._accessor; sys.exit('holoviews' in sys.modules or 'bokeh' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
