"""Result tables beside the plates: whole or not at all, and joined to the plates by label."""

import os
import resource
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hcskit.actions import import_plates
from hcskit.errors import NotAScreenError, StoreError
from hcskit.platemap import check_plate_map
from hcskit.readers import read_folder
from hcskit.results import read_profiles, read_result, result_path, write_profile, write_result, write_table
from hcskit.store import open_plate, open_screen


@pytest.fixture
def screen(tmp_path: Path, export) -> Path:
    """Three wells, two fields, two channels whose order is not that of the alphabet; one field of A02 is missing."""
    labels = list(product(("A01", "A02", "B01"), (1, 2), ("DNA", "GFP")))
    layout = tmp_path / "layout.yaml"
    layout.write_text(
        "name: backwards\npattern: '(?P<plate>.+)_(?P<well>.+)_f(?P<field>.+)_(?P<channel>.+).tif'\n"
        "channels: {GFP: GFP, DNA: DNA}\n"
    )
    images = [label for label in labels if label[:2] != ("A02", 2)]
    columns = {"well": ["A01", "A02", "B01"], "compound": "", "concentration": np.nan, "concentration_unit": ""}
    table = check_plate_map(pd.DataFrame({**columns, "role": "negative_control"}))
    import_plates(read_folder(export(tmp_path / "export", images), layout), tmp_path / "screen", table, progress=False)
    return tmp_path / "screen"


def quality(excluded: set[tuple[str, int]], plate: str = "P1") -> pd.DataFrame:
    labels = [("A01", 1), ("A01", 2), ("A02", 1), ("B01", 1), ("B01", 2)]
    rows = [
        (plate, well, field, channel, float(number), (well, field) in excluded)
        for number, (well, field) in enumerate(labels)
        for channel in ("DNA", "GFP")
    ]
    table = pd.DataFrame(rows, columns=["plate", "well", "field", "channel", "focus", "excluded"])
    return table.set_index(["plate", "well", "field", "channel"])


def test_a_table_of_its_own_is_whole_or_not_there(tmp_path: Path) -> None:
    path, table = tmp_path / "predictions.csv", pd.DataFrame({"file": ["a.png"], "dead": [0.25]})
    write_table(path, table)
    pd.testing.assert_frame_equal(pd.read_csv(path), table)

    class Breaks:
        def __str__(self) -> str:
            raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match=r"predictions.csv could not be written: .*No space left"):
        write_table(path, pd.DataFrame({"file": ["b.png"] * 9 + [Breaks()]}))
    pd.testing.assert_frame_equal(pd.read_csv(path), table)
    assert [found.name for found in tmp_path.iterdir()] == ["predictions.csv"]


def test_a_table_comes_back_with_its_labels(tmp_path: Path) -> None:
    table = quality({("A01", 2)})
    path = write_result(tmp_path, "quality", table)
    assert path == result_path(tmp_path, "quality")
    pd.testing.assert_frame_equal(read_result(tmp_path, "quality"), table)
    pd.testing.assert_frame_equal(pd.read_csv(path.with_suffix(".csv"), index_col=[0, 1, 2, 3]), table)
    plain = pd.DataFrame({"compound": ["A", "B"], "ec50": [1.5, np.nan]})
    path = write_result(tmp_path, "responses", plain)
    pd.testing.assert_frame_equal(read_result(tmp_path, "responses"), plain)
    pd.testing.assert_frame_equal(pd.read_csv(path.with_suffix(".csv")), plain)


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_table_that_cannot_be_written_leaves_the_old(tmp_path: Path) -> None:
    write_result(tmp_path, "points", pd.DataFrame({"x": [1.0]}))
    before = state(tmp_path / "results")
    with pytest.raises(ValueError, match=r"with type object"):
        write_result(tmp_path, "points", pd.DataFrame({"x": [1.0, "a", object()]}))
    assert state(tmp_path / "results") == before
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"points\.parquet could not be written"):
            write_result(tmp_path, "points", pd.DataFrame({"x": np.random.default_rng(0).random(100_000)}))
        # Parquet packs this into a page, CSV does not: neither may be replaced alone.
        with pytest.raises(StoreError, match=r"points\.parquet could not be written"):
            write_result(tmp_path, "points", pd.DataFrame({"x": np.zeros(100_000)}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert state(tmp_path / "results") == before


def test_tables_that_are_not_there_or_damaged_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(NotAScreenError, match=r"there is no .*quality\.parquet; run the step"):
        read_result(tmp_path, "quality")
    path = write_result(tmp_path, "quality", quality(set()))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StoreError, match=r"quality\.parquet cannot be read"):
        read_result(tmp_path, "quality")


def test_results_meet_their_plate_by_label(screen: Path) -> None:
    write_result(screen, "quality", quality({("B01", 1)}))
    predictions = pd.DataFrame(
        [("P1", "B01", "sick", 0.9), ("P1", "A01", "sick", 0.2), ("P2", "A02", "sick", 0.5)],
        columns=["plate", "well", "phenotype", "probability"],
    )
    write_result(screen, "predictions", predictions.set_index(["plate", "well", "phenotype"]))
    node = open_screen(screen)["P1"]
    assert list(node["channel"].to_numpy()) == ["GFP", "DNA"]
    focus = node["quality/focus"]
    assert float(focus.sel(well="B01", field=2, channel="GFP")) == 4.0
    assert np.isnan(focus.sel(well="A02", field=2, channel="DNA"))
    np.testing.assert_array_equal(node["predictions/probability"].sel(phenotype="sick"), [0.2, np.nan, 0.9])
    excluded = open_plate(screen / "P1.zarr")["excluded"]
    assert excluded.dtype == bool
    assert list(excluded.well.to_numpy()) == ["A01", "A02", "B01"]
    np.testing.assert_array_equal(excluded, [[False, False], [False, False], [True, False]])


def test_results_of_another_plate_are_not_this_ones(screen: Path) -> None:
    write_result(screen, "quality", quality({("B01", 1)}, plate="P2"))
    assert "excluded" not in open_plate(screen / "P1.zarr")
    assert "quality" not in open_screen(screen)["P1"].children


def test_illumination_profiles_come_back_by_plate(tmp_path: Path) -> None:
    def profile(level: float) -> xr.Dataset:
        flat, channel = np.full((1, 2, 3), level, np.float32), np.array(["DNA"], dtype=object)
        return xr.Dataset({"flat": (("channel", "y", "x"), flat), "dark": ("channel", [level])}, {"channel": channel})

    with pytest.raises(NotAScreenError, match="no illumination profile"):
        read_profiles(tmp_path)
    write_profile(tmp_path, "P.1", profile(3.0))
    write_profile(tmp_path, "P.1", profile(1.0))
    write_profile(tmp_path, "P 2", profile(2.0))
    (tmp_path / "results" / f".illumination-P3.zarr.{os.getpid() + 1}").mkdir()  # left by a process that was killed
    together = read_profiles(tmp_path)
    assert set(together["plate"].to_numpy()) == {"P.1", "P 2"}
    assert float(together["dark"].sel(plate="P.1", channel="DNA")) == 1.0
    assert (together["flat"].sel(plate="P 2") == 2.0).all()
