"""Files that cannot be read: all are told at once, and they cost no other file, well or plate."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from hcskit import open_screen
from hcskit.actions import import_plates
from hcskit.errors import ReaderError
from hcskit.preprocess import assess_fields, estimate_illumination
from hcskit.readers import read_folder
from hcskit.store import open_plate

LABELS = [(well, field, channel) for well in ("A01", "A02", "B01") for field in (1, 2) for channel in ("DNA", "GFP")]
EMPTY, CUT, FLOAT, SMALL = (f"P1_{name}.tif" for name in ("A01_f01_DNA", "A01_f01_GFP", "A02_f02_DNA", "B01_f01_GFP"))


def spoil(folder: Path) -> None:
    """Make a bad file of each kind."""
    (folder / EMPTY).write_bytes(b"")
    (folder / CUT).write_bytes((folder / CUT).read_bytes()[:300])
    whole = tifffile.imread(folder / FLOAT)
    tifffile.imwrite(folder / FLOAT, whole.astype(np.float32))
    tifffile.imwrite(folder / SMALL, whole[:5])


@pytest.fixture
def spoiled(tmp_path: Path, export: Callable[..., Path]) -> Path:
    folder = export(tmp_path / "export", LABELS)
    spoil(folder)
    return folder


def test_all_are_listed_at_once_and_nothing_is_written(spoiled: Path, tmp_path: Path) -> None:
    with pytest.raises(ReaderError) as caught:
        import_plates(read_folder(spoiled), tmp_path / "screen", progress=False)
    message = str(caught.value)
    assert "plate P1: 4 of 12 image file(s) cannot be used" in message
    assert [name in message for name in (EMPTY, CUT, FLOAT, SMALL)] == [True] * 4
    assert "--allow-missing" in message
    assert not (tmp_path / "screen").exists()


@pytest.mark.slow
def test_the_summary_counts_them(spoiled: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from hcskit.cli import main; main()", "import", spoiled, tmp_path / "screen"]
    told = tmp_path / "summary.json"
    done = subprocess.run([*command, "--summary", told], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (row,) = json.loads(told.read_text())
    wanted = {"plate": "P1", "wells": 3, "fields": 2, "channels": 2, "planes": 1, "times": 1, "images": 8, "missing": 0}
    (why,) = row.pop("why")
    assert row == {**wanted, "left_out": 0, "bad": 4}
    assert (why.startswith(f"bad: {spoiled / EMPTY} is not"), why.endswith(", and 3 more")) == (True, True)
    *_, counts, reason = done.stdout.splitlines()
    assert counts.split() == ["P1", "3", "2", "2", "1", "1", "8", "0", "0", "4"]
    assert reason == f"  P1: {why}"


def test_they_can_be_left_out_and_are_seen_to_be(spoiled: Path, tmp_path: Path) -> None:
    (path,) = import_plates(read_folder(spoiled), tmp_path / "screen", allow_missing=True, progress=False)
    plate = open_plate(path)
    gone = plate["present"].to_series()
    assert set(gone[~gone].index) == {("A01", 1, "DNA"), ("A01", 1, "GFP"), ("A02", 2, "DNA"), ("B01", 1, "GFP")}
    good = tifffile.imread(spoiled / "P1_A02_f01_GFP.tif")
    np.testing.assert_array_equal(plate.image.sel(well="A02", field=1, channel="GFP"), good)


def test_good_wells_can_be_imported_meanwhile_and_the_rest_when_mended(
    tmp_path: Path, export: Callable[..., Path]
) -> None:
    folder, screen = export(tmp_path / "export", LABELS), tmp_path / "screen"
    whole = (folder / EMPTY).read_bytes()
    (folder / EMPTY).write_bytes(b"")
    import_plates(read_folder(folder), screen, wells=["A02", "B01"], progress=False)
    with pytest.raises(ReaderError, match=r"1 of 4 image file\(s\) cannot be used"):
        import_plates(read_folder(folder), screen, wells=["A01"], progress=False)
    (folder / EMPTY).write_bytes(whole)
    (path,) = import_plates(read_folder(folder), screen, progress=False)
    assert bool(open_plate(path)["present"].all())


def test_another_plate_is_imported_all_the_same(spoiled: Path, tmp_path: Path, export: Callable[..., Path]) -> None:
    export(spoiled, LABELS, plate="P2")
    with pytest.raises(ReaderError, match=r"(?s)plate P1: 4 of 12 .*imported all the same: P2"):
        import_plates(read_folder(spoiled), tmp_path / "screen", progress=False)
    assert bool(open_plate(tmp_path / "screen" / "P2.zarr")["present"].all())


def test_the_rest_can_be_looked_at_where_it_is(spoiled: Path, export: Callable[..., Path]) -> None:
    export(spoiled, LABELS[:1], plate="P0")
    (spoiled / "P0_A01_f01_DNA.tif").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"left out: plate P0: 1 of 1 image file\(s\) cannot be used"):
        screen = open_screen(spoiled)
    assert list(screen.children) == ["P1"]
    image = screen["P1"].to_dataset()["image"]
    assert image.dtype == np.uint16
    good = tifffile.imread(spoiled / "P1_A02_f01_GFP.tif")
    np.testing.assert_array_equal(image.sel(well="A02", field=1, channel="GFP"), good)
    with pytest.raises(ReaderError, match=EMPTY):
        image.sel(well="A01", field=1, channel="DNA").compute()


def test_channels_of_another_size_are_told_from_bad_files(tmp_path: Path, export: Callable[..., Path]) -> None:
    folder = export(tmp_path / "export", LABELS)
    for file in folder.glob("*GFP.tif"):
        tifffile.imwrite(file, np.zeros((32, 48), np.uint16))
    (index,) = read_folder(folder)
    with pytest.raises(ReaderError, match=r"channel (DNA|GFP) are .*--channels (DNA|GFP) and with --channels"):
        index.info()
    (index,) = read_folder(folder, channels=["GFP"])
    assert (index.info().shape, index.info().channels) == ((32, 48), ("GFP",))
    assert len(index.left_out["of a channel that was not asked for"]) == 6
    with pytest.raises(ReaderError, match="has no channel RFP; it has DNA, GFP"):
        read_folder(folder, channels=["RFP"])


def test_a_plate_of_floats(tmp_path: Path, export: Callable[..., Path]) -> None:
    folder = export(tmp_path / "export", LABELS)
    for number, file in enumerate(sorted(folder.glob("*.tif"))):
        tifffile.imwrite(file, np.full((16, 24), number + 0.25, np.float32))
    (path,) = import_plates(read_folder(folder), tmp_path / "screen", progress=False)
    image = open_plate(path)["image"]
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image.sel(well="A01", field=1, channel="GFP"), np.full((16, 24), 1.25))
    assert open_screen(folder)["P1"]["image"].dtype == np.float32


def test_the_quality_of_a_plate_of_floats(tmp_path: Path, export: Callable[..., Path]) -> None:
    folder = export(tmp_path / "export", LABELS)
    noise = np.random.default_rng(0)
    counts = {file: noise.integers(100, 60000, (64, 64)).astype(np.uint16) for file in sorted(folder.glob("*.tif"))}
    tables = []
    for dtype in (np.uint16, np.float32):
        for file, image in counts.items():
            tifffile.imwrite(file, image.astype(dtype))
        plate = open_screen(folder)["P1"].to_dataset()
        tables.append(assess_fields(plate, estimate_illumination(plate)))
    pd.testing.assert_frame_equal(*tables)


def test_a_plate_whose_name_cannot_be_a_folder(tmp_path: Path, export: Callable[..., Path]) -> None:
    from dataclasses import replace

    (index,) = read_folder(export(tmp_path / "export", LABELS[:1]))
    index = replace(index, plate="24/06 A?")
    assert (index.plate, index.barcode) == ("24_06 A_", "24/06 A?")
    (path,) = import_plates([index], tmp_path / "screen", progress=False)
    assert path.name == "24_06 A_.zarr"
    assert open_plate(path).attrs["barcode"] == "24/06 A?"
