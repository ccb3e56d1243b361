"""Result tables beside the plates: whole or not at all, and joined to the plates by label."""

import dataclasses
import json
import resource
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from hcskit.actions import import_plates
from hcskit.errors import InputError, NotAScreenError, StoreError
from hcskit.platemap import check_plate_map
from hcskit.readers import read_folder
from hcskit.results import (
    CATALOGUE,
    CURVES,
    PREDICTIONS,
    PROFILES,
    QUALITY,
    RESPONSES,
    Column,
    Table,
    find_table,
    found_tables,
    has_table,
    read_table,
    write_csv,
    write_table,
)
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
        (plate, well, field, channel, float(number), 0.5, 0.0, 100.0, 9.0, "", (well, field) in excluded)
        for number, (well, field) in enumerate(labels)
        for channel in ("DNA", "GFP")
    ]
    columns = [column.name for column in (*QUALITY.index, *QUALITY.columns)]
    return pd.DataFrame(rows, columns=columns).set_index(QUALITY.labels)


def test_a_table_of_its_own_is_whole_or_not_there(tmp_path: Path) -> None:
    path, table = tmp_path / "predictions.csv", pd.DataFrame({"file": ["a.png"], "dead": [0.25]})
    write_csv(path, table)
    pd.testing.assert_frame_equal(pd.read_csv(path), table)

    class Breaks:
        def __str__(self) -> str:
            raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match=r"predictions.csv could not be written: the disk is full"):
        write_csv(path, pd.DataFrame({"file": ["b.png"] * 9 + [Breaks()]}))
    pd.testing.assert_frame_equal(pd.read_csv(path), table)
    assert [found.name for found in tmp_path.iterdir()] == ["predictions.csv"]


def curves(length: int = 2) -> pd.DataFrame:
    """Random numbers: they cannot be packed."""
    numbers = np.random.default_rng(0).random((length, 4))
    table = pd.DataFrame(numbers, columns=["concentration", "value", "low", "high"])
    return table.assign(compound="A", readout="round", concentration_unit="nM")


def test_a_table_comes_back_with_its_labels(tmp_path: Path) -> None:
    table = quality({("A01", 2)})
    path = write_table(tmp_path, QUALITY, table)
    assert path == tmp_path / "results" / "quality.parquet"
    pd.testing.assert_frame_equal(read_table(tmp_path, QUALITY), table)
    written = pd.read_csv(path.with_suffix(".csv"), index_col=[0, 1, 2, 3], keep_default_na=False)
    pd.testing.assert_frame_equal(written, table)
    path = write_table(tmp_path, CURVES, curves())
    pd.testing.assert_frame_equal(read_table(tmp_path, CURVES), curves())
    pd.testing.assert_frame_equal(pd.read_csv(path.with_suffix(".csv")), curves())


def test_a_file_says_which_table_it_holds_and_in_which_version(tmp_path: Path) -> None:
    path = write_table(tmp_path, QUALITY, quality(set()))
    assert json.loads(pq.read_schema(path).metadata[b"hcskit"]) == {"table": "quality", "version": QUALITY.version}
    later = dataclasses.replace(QUALITY, version=QUALITY.version + 1)
    with pytest.raises(StoreError, match=r"is version 1 of the table quality, expected 2: .*run hcskit quality"):
        read_table(tmp_path, later)


def test_a_table_from_before_there_were_versions_is_the_first(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    quality(set()).to_parquet(tmp_path / QUALITY.where)
    pd.testing.assert_frame_equal(read_table(tmp_path, QUALITY), quality(set()))
    quality(set()).drop(columns="excluded").to_parquet(tmp_path / QUALITY.where)
    with pytest.raises(StoreError, match=r"quality.parquet does not hold what it should: .*no column excluded"):
        read_table(tmp_path, QUALITY)


def test_what_is_not_declared_is_not_written(tmp_path: Path) -> None:
    write_table(tmp_path, QUALITY, quality(set()))
    before = state(tmp_path / "results")
    with pytest.raises(InputError, match="table quality, column focus: found string, expected numbers"):
        write_table(tmp_path, QUALITY, quality(set()).assign(focus="sharp"))
    assert state(tmp_path / "results") == before


def test_tables_are_found_in_the_order_of_the_catalogue(tmp_path: Path) -> None:
    """Also one of a step of another package, which declares its own."""
    cells = Table("cells", "Cells of each well", "my step", columns=(Column("n", "integer", "number of cells"),))
    write_table(tmp_path, cells, pd.DataFrame({"n": [3, 4]}))
    write_table(tmp_path, CURVES, curves())
    write_table(tmp_path, QUALITY, quality(set()))
    (tmp_path / "results" / ".points-0123.parquet").touch()  # left by a process that was killed
    found = found_tables(tmp_path)
    assert list(found) == ["quality", "curves", "cells"]
    assert found["curves"] is CURVES
    assert read_table(tmp_path, found["cells"])["n"].tolist() == [3, 4]
    assert has_table(tmp_path, CURVES)
    assert not has_table(tmp_path, RESPONSES)
    assert find_table("responses") is RESPONSES
    with pytest.raises(InputError, match="there is no result table 'respones'; known: set_aside, quality, "):
        find_table("respones")


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_table_that_cannot_be_written_leaves_the_old(tmp_path: Path) -> None:
    write_table(tmp_path, CURVES, curves())
    before = state(tmp_path / "results")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"curves\.parquet could not be written"):
            write_table(tmp_path, CURVES, curves(100_000))
        # Parquet packs this into a page, CSV does not: neither may be replaced alone.
        with pytest.raises(StoreError, match=r"curves\.parquet could not be written"):
            write_table(tmp_path, CURVES, curves(100_000).assign(concentration=0.0, value=0.0, low=0.0, high=0.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert state(tmp_path / "results") == before


@pytest.mark.parametrize("table", CATALOGUE.values(), ids=lambda table: table.name)
def test_a_table_that_is_not_there_says_what_to_run(table: Table, tmp_path: Path) -> None:
    with pytest.raises(NotAScreenError, match=rf"holds no {table.name} .*; run {table.writer} first"):
        read_table(tmp_path, table)


def test_a_damaged_table_is_said_to_be_so(tmp_path: Path) -> None:
    path = write_table(tmp_path, QUALITY, quality(set()))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StoreError, match=r"quality\.parquet cannot be read.*run hcskit quality again"):
        read_table(tmp_path, QUALITY)


def test_results_meet_their_plate_by_label(screen: Path) -> None:
    write_table(screen, QUALITY, quality({("B01", 1)}))
    predictions = pd.DataFrame(
        [("P1", "B01", "sick", 0.9), ("P1", "A01", "sick", 0.2), ("P2", "A02", "sick", 0.5)],
        columns=["plate", "well", "phenotype", "probability"],
    )
    predictions = predictions.assign(sd=0.1, n_fields=2)
    write_table(screen, PREDICTIONS, predictions.set_index(PREDICTIONS.labels))
    wells = pd.MultiIndex.from_tuples([("P1", "B01"), ("P1", "A01")], names=PROFILES.labels)
    features = pd.DataFrame({"nucleus/area": [9.0, 4.0], "count": [7, 8], "cluster/name": ["x", "y"]}, wells)
    write_table(screen, PROFILES, features)
    node = open_screen(screen)["P1"]
    assert list(node["channel"].to_numpy()) == ["GFP", "DNA"]
    focus = node["quality/focus"]
    assert float(focus.sel(well="B01", field=2, channel="GFP")) == 4.0
    assert np.isnan(focus.sel(well="A02", field=2, channel="DNA"))
    np.testing.assert_array_equal(node["predictions/probability"].sel(phenotype="sick"), [0.2, np.nan, 0.9])
    assert list(node["profiles/value"].dims) == ["well", "feature"]
    np.testing.assert_array_equal(node["profiles/value"].sel(feature="nucleus/area"), [4.0, np.nan, 9.0])
    assert node["profiles/cluster_name"].sel(well="B01").item() == "x"
    excluded = open_plate(screen / "P1.zarr")["excluded"]
    assert excluded.dtype == bool
    assert list(excluded.well.to_numpy()) == ["A01", "A02", "B01"]
    np.testing.assert_array_equal(excluded, [[False, False], [False, False], [True, False]])


def test_results_of_another_plate_are_not_this_ones(screen: Path) -> None:
    write_table(screen, QUALITY, quality({("B01", 1)}, plate="P2"))
    assert "excluded" not in open_plate(screen / "P1.zarr")
    assert "quality" not in open_screen(screen)["P1"].children
