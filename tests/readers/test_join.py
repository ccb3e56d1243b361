"""Measurements of one plate put together: what was imaged again, and time series that were started again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from hcskit import open_screen
from hcskit.actions import join_plates
from hcskit.errors import ReaderError
from hcskit.readers import ImageIndex, join_measurements, read_folder

WELLS = ("A01", "A02")


@pytest.fixture
def measured(tmp_path: Path) -> Callable[..., Path]:
    """Write one image of each well and time point, all of whose pixels are one value."""

    def write(name: str, value: int, wells: tuple[str, ...] = WELLS, times: int = 1) -> Path:
        (tmp_path / name).mkdir()
        for well in wells:
            for time in range(times):
                image = np.full((4, 5), value + time, np.uint16)
                tifffile.imwrite(tmp_path / name / f"P_{well}_T{time + 1:04d}F001L01A01Z01C01.tif", image)
        return tmp_path / name

    return write


def test_the_later_of_two_images_is_taken_and_the_other_named(measured: Callable[..., Path], tmp_path: Path) -> None:
    first, again = measured("first", 10), measured("again", 20, ("A02",))
    join_plates([first, again], tmp_path / "screen", by="later", summary=tmp_path / "summary.json", progress=False)
    plate = open_screen(tmp_path / "screen")["P"].to_dataset()
    assert plate.image.sel(well="A01").to_numpy().max() == 10
    assert plate.image.sel(well="A02").to_numpy().min() == 20
    (row,) = json.loads((tmp_path / "summary.json").read_text())
    assert (row["images"], row["left_out"], row["missing"], row["bad"]) == (2, 1, 0, 0)
    assert row["why"] == ["left out: 1 file(s) of an earlier measurement, of which there is a later one"]


def test_the_order_of_the_folders_says_which_is_the_later(measured: Callable[..., Path], tmp_path: Path) -> None:
    folders = [measured("b", 20), measured("a", 10)]
    (joined,) = join_measurements(map(read_folder, folders), "later")
    assert {Path(path).parent.name for path in joined.table.path} == {"a"}


def test_a_restarted_series_is_counted_on(measured: Callable[..., Path], tmp_path: Path) -> None:
    series = [measured("one", 0, times=3), measured("two", 3, times=2), measured("three", 5, ("A01",), times=2)]
    join_plates(series, tmp_path / "screen", by="time", progress=False)
    plate = open_screen(tmp_path / "screen")["P"].to_dataset()
    assert plate.time.to_numpy().tolist() == [1, 2, 3, 4, 5, 6, 7]
    values = plate.image.max(["channel", "field", "y", "x"])
    assert values.sel(well="A01").to_numpy().tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert plate.present.sel(well="A02").to_numpy().ravel().tolist() == [True] * 5 + [False] * 2


def test_one_time_point_of_what_was_joined_is_imported(measured: Callable[..., Path], tmp_path: Path) -> None:
    series = [measured("one", 0, times=3), measured("two", 3, times=2)]
    join_plates(series, tmp_path / "screen", by="time", time="last", progress=False)
    plate = open_screen(tmp_path / "screen")["P"].to_dataset()
    assert "time" not in plate.image.dims
    assert plate.image.to_numpy().max() == plate.image.to_numpy().min() == 4


def test_plates_are_matched_by_name_and_others_stay(measured: Callable[..., Path]) -> None:
    first, second = read_folder(measured("one", 0)), read_folder(measured("two", 1))
    other = read_folder(measured("three", 2), plate="Q")
    joined = join_measurements([first, [*second, *other]], "time")
    assert [(index.plate, sorted(set(index.table.time))) for index in joined] == [("P", [1, 2]), ("Q", [1])]


def test_what_the_measurements_do_not_agree_on_is_left_out_and_told() -> None:
    table = pd.DataFrame({"well": ["A01"], "field": 1, "channel": "DNA", "path": "a.tif"})

    def measured(exposure: float, pixel_size: float) -> ImageIndex:
        return ImageIndex("P", table, ("DNA",), "here", pixel_size=pixel_size, exposure={"DNA": exposure})

    (same,) = join_measurements([[measured(0.1, 0.5)], [measured(0.1, 0.5)]], "later")
    assert (same.exposure, same.pixel_size, same.notes) == ({"DNA": 0.1}, 0.5, ())
    (other,) = join_measurements([[measured(0.1, 0.5)], [measured(0.2, 0.6)]], "later")
    assert (other.exposure, other.pixel_size) == ({}, None)
    assert other.notes == ("the measurements differ in pixel size, exposure; what differs is left out",)


def test_one_file_cannot_be_two_time_points(measured: Callable[..., Path]) -> None:
    folder = measured("one", 0)
    with pytest.raises(ReaderError, match="share their files"):
        join_measurements([read_folder(folder), read_folder(folder)], "time")
