"""The labelled plate, and how a plate map meets it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hcskit.errors import InputError, PlateMapError
from hcskit.platemap import check_plate_map
from hcskit.screen import PlateInfo, field_table, make_plate, match_plate_map, screen_tree

INFO = PlateInfo("P1", ("A02", "B01"), (1, 3), ("DNA", "GFP"), (4, 6), np.dtype("uint16"), pixel_size=0.5)


def plate(present: np.ndarray, plate_map: pd.DataFrame | None = None) -> xr.Dataset:
    image = np.arange(2 * 2 * 2 * 4 * 6, dtype=np.uint16).reshape(2, 2, 2, 4, 6)
    return make_plate(INFO, image, present, plate_map)


def test_a_plate_carries_its_labels_and_treatments(treated: Callable[..., pd.DataFrame]) -> None:
    made = plate(np.ones((2, 2, 2)), treated(["B01", "A02", "C05"]))
    assert made.image.sel(well="B01", field=3, channel="GFP")[0, 0] == 7 * 24
    assert list(made.row.values) == ["A", "B"]
    assert list(made.column.values) == [2, 1]
    assert dict(zip(made.well.values, made.concentration.values, strict=True)) == {"A02": 20.0, "B01": 10.0}
    assert made.present.dtype == bool
    assert made.attrs == {"plate": "P1", "plate_format": 96, "pixel_size_um": 0.5, "source": ""}
    assert "pixel_size_um" not in make_plate(replace(INFO, pixel_size=None), made.image.data, made.present.data).attrs


def test_arrays_that_do_not_fit_the_labels_are_refused() -> None:
    with pytest.raises(InputError, match=r"plate P1: image has shape \(2, 2, 2, 4, 5\)"):
        make_plate(INFO, np.zeros((2, 2, 2, 4, 5)), np.ones((2, 2, 2)))
    with pytest.raises(InputError, match=r"present \(2, 2\)"):
        make_plate(INFO, np.zeros((2, 2, 2, 4, 6)), np.ones((2, 2)))


def test_only_whole_and_not_excluded_fields_are_used(treated: Callable[..., pd.DataFrame]) -> None:
    present = np.ones((2, 2, 2), bool)
    present[0, 1, 1] = False
    made = plate(present, treated(["A02", "B01"]))
    made["excluded"] = ("well", "field"), np.array([[False, False], [True, False]])
    table = field_table(made)
    assert list(table[["plate", "well", "field"]].itertuples(index=False, name=None)) == [
        ("P1", "A02", 1),
        ("P1", "B01", 3),
    ]
    assert list(table["concentration"]) == [10.0, 20.0]


def test_matching_names_the_wells_that_do_not_fit_at_most_a_dozen(treated: Callable[..., pd.DataFrame]) -> None:
    wells = [f"A{column:02d}" for column in range(1, 13)] + [f"B{column:02d}" for column in range(1, 9)]
    with pytest.raises(PlateMapError, match=r"plate P1: 19 imaged well\(s\) are not in the plate map: A02") as caught:
        match_plate_map(wells, treated(["A01"]), plate="P1")
    assert "B01 and 7 more" in str(caught.value)
    assert "B02" not in str(caught.value)
    with pytest.raises(PlateMapError, match=r"plate P1: 19 well\(s\) of the plate map have no image: A02") as caught:
        match_plate_map(["A01"], treated(wells), plate="P1")
    assert "B01 and 7 more" in str(caught.value)
    assert list(match_plate_map(["A01"], treated(wells), plate="P1", allow_missing=True).index) == ["A01"]


def test_empty_wells_need_no_image() -> None:
    columns = ["well", "compound", "concentration", "concentration_unit", "role"]
    table = check_plate_map(
        pd.DataFrame([("A1", "", "", "", "empty"), ("B1", "", "", "", "negative_control")], columns=columns)
    )
    assert list(match_plate_map(["B01"], table, plate="P1").index) == ["B01"]


def test_plates_of_a_screen_are_its_nodes(treated: Callable[..., pd.DataFrame]) -> None:
    tree = screen_tree({"P1": plate(np.ones((2, 2, 2)), treated(["A02", "B01"]))}, "S")
    assert tree.attrs["name"] == tree.name == "S"
    assert tree["P1"].attrs["plate"] == "P1"
