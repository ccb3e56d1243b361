"""What must not happen silently: mixed plates, half wells, pixels that were never written."""

import json
import threading
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hcskit.actions import assess, import_plates
from hcskit.errors import InputError, StoreError
from hcskit.flatfield import Flatfield
from hcskit.readers import Export, read_folder
from hcskit.results import write_illumination
from hcskit.screen import PlateInfo, make_plate
from hcskit.store import _layout, _well, _write, open_plate, open_screen, plate_path, write_plate

WELLS = [f"A{column:02d}" for column in range(1, 9)]
INFO = PlateInfo("P1", ("A01", "A02", "C07"), (1, 2), ("DNA", "GFP"), (24, 30), np.dtype("uint16"))
SHAPE = (3, 2, 2, 24, 30)
IMAGE = np.random.default_rng(0).integers(0, 65536, SHAPE).astype(np.uint16)
ALL = np.ones(SHAPE[:3], bool)


@pytest.fixture
def twins(tmp_path: Path, export) -> tuple[Export, Export]:
    """Two exports of one barcode: same names, same sizes, other pixels."""
    pair = []
    for number, name in enumerate(("one", "other")):
        images = {(well, 1, "DNA"): np.full((16, 24), 7 + number, np.uint16) for well in WELLS}
        pair.append(read_folder(export(tmp_path / name, images)))
    return pair[0], pair[1]


def test_wells_of_another_export_are_not_taken_for_ours(tmp_path: Path, twins) -> None:
    one, other = twins
    import_plates(one, tmp_path, wells=WELLS[:3], progress=False)
    with pytest.raises(InputError, match=r"already holds other images of plate P1, in well A01, A02, A03; import into"):
        import_plates(other, tmp_path, progress=False)
    import_plates(one, tmp_path, progress=False)
    assert (open_plate(tmp_path / "P1.zarr").image == 7).all()


def test_two_exports_of_one_barcode_at_once_never_make_a_complete_plate(
    tmp_path: Path, twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked, and found nothing, before either writes its half."""
    both_looked = threading.Barrier(2)
    write_wells = _write._write_wells

    def together(*arguments: object) -> None:
        both_looked.wait(timeout=20)
        write_wells(*arguments)

    monkeypatch.setattr(_write, "_write_wells", together)
    errors: list[Exception] = []

    def bring(found: Export, wells: list[str]) -> None:
        try:
            import_plates(found, tmp_path, wells=wells, progress=False)
        except InputError as error:
            errors.append(error)

    threads = [
        threading.Thread(target=bring, args=(found, wells))
        for found, wells in zip(twins, (WELLS[:4], WELLS[4:]), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors
    with pytest.raises(StoreError, match="was not finished"):
        open_plate(tmp_path / "P1.zarr")


def test_a_map_that_comes_during_an_import_stays(tmp_path: Path, twins, treated, monkeypatch) -> None:
    one, _ = twins
    write_wells = _write._write_wells

    def meanwhile(*arguments: object) -> None:
        monkeypatch.setattr(_write, "_write_wells", write_wells)
        import_plates(one, tmp_path, treated(WELLS), wells=WELLS[:1], progress=False)
        write_wells(*arguments)

    monkeypatch.setattr(_write, "_write_wells", meanwhile)
    import_plates(one, tmp_path, progress=False)
    assert list(open_plate(tmp_path / "P1.zarr").compound.values) == ["A"] * len(WELLS)


def test_a_well_that_is_tidied_away_under_its_writer_is_never_half_there(tmp_path: Path) -> None:
    def read(position: tuple[int, ...]) -> np.ndarray:
        if position[0] == 1:  # the second field
            _well.remove_leftovers(tmp_path)
        return IMAGE[0][position]

    with pytest.raises(FileNotFoundError):
        _well.write_well(tmp_path, INFO, "A01", read, ALL[0], "digest")
    assert not (tmp_path / "A" / "01").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_well_that_was_lost_is_written_again_and_leftovers_go(tmp_path: Path, twins) -> None:
    import shutil

    one, _ = twins
    (path,) = import_plates(one, tmp_path, progress=False)
    shutil.rmtree(path / "A" / "03")
    (path / ".partial-A04-1").mkdir()
    import_plates(one, tmp_path, progress=False)
    assert (open_plate(path).image == 7).all()
    assert not list(path.glob(".*"))


def test_an_image_that_metadata_promise_and_the_shard_lacks_is_an_error(tmp_path: Path) -> None:
    present = ALL.copy()
    present[0, 0, 1] = False
    path = write_plate(make_plate(INFO, IMAGE, present), tmp_path, progress=False)
    attributes = json.loads((path / "zarr.json").read_text())["attributes"]
    attributes["hcskit"]["present"] = _layout.plate_attributes(INFO, ALL, None, fingerprint="", complete=True)[
        "hcskit"
    ]["present"]
    _layout.write_group(path, attributes)
    with pytest.raises(StoreError, match=r"A/01/1 cannot be read: it has no such image"):
        open_plate(path).image.sel(well="A01", field=1, channel="GFP").compute()


def test_the_brightest_32_bit_pixels_stay_bright_in_lower_levels(tmp_path: Path) -> None:
    import zarr

    info = PlateInfo("P1", ("A01",), (1,), ("DNA",), (600, 600), np.dtype("uint32"))
    path = write_plate(
        make_plate(info, np.full((1, 1, 1, 600, 600), 2**32 - 1, np.uint32), np.ones((1, 1, 1))),
        tmp_path,
        progress=False,
    )
    assert (zarr.open_array(path / "A/01/1/1", mode="r")[...] == 2**32 - 1).all()


def test_a_lazy_plate_is_computed_once_for_each_well(tmp_path: Path) -> None:
    computed = []

    def image(block: np.ndarray) -> np.ndarray:
        computed.append(block.shape)
        return block

    lazy = da.from_array(IMAGE, chunks=(1, -1, -1, -1, -1)).map_blocks(image, dtype=IMAGE.dtype, meta=IMAGE[:0])
    path = write_plate(make_plate(INFO, lazy, ALL), tmp_path, progress=False)
    assert len(computed) == len(INFO.wells)
    np.testing.assert_array_equal(open_plate(path).image.to_numpy(), IMAGE)


def test_any_number_or_text_of_a_well_is_kept_and_the_rest_refused(tmp_path: Path) -> None:
    plate = make_plate(INFO, IMAGE, ALL).assign_coords(
        cells=("well", [3, 4, 5]), note=("well", ["", "µ", "x"]), concentration=("well", [1.0, np.nan, 2.0])
    )
    plate.concentration.attrs["units"] = "uM"
    again = open_plate(write_plate(plate, tmp_path, progress=False))
    assert (list(again.cells.values), list(again.note.values)) == ([3, 4, 5], ["", "µ", "x"])
    np.testing.assert_array_equal(again.concentration, [1.0, np.nan, 2.0])
    for odd in (
        plate.assign_coords(day=("well", pd.date_range("2026-11-23", periods=3))),
        plate.assign_coords(dye=("channel", ["Hoechst", "FITC"])),
    ):
        with pytest.raises(InputError, match=r"the coordinate (day|dye) is neither text nor a number for each well"):
            write_plate(odd, tmp_path / "odd")
    with pytest.raises(InputError, match=r'it has no well; select with lists, .*sel\(well=\["A01"\]\)'):
        write_plate(plate.sel(well="A01"), tmp_path / "odd")


def test_a_flat_field_is_kept_only_with_whole_images(tmp_path: Path) -> None:
    info = PlateInfo(
        **{name: getattr(INFO, name) for name in ("name", "wells", "fields", "channels", "shape", "dtype")},
        flatfield={"GFP": Flatfield(((1.0,), (0.5, 0.0)), (15.0, 12.0), (0.02, 0.02))},
    )
    plate = make_plate(info, IMAGE, ALL)
    kept = open_plate(write_plate(plate, tmp_path, progress=False))
    xr.testing.assert_identical(kept.flatfield.compute(), plate.flatfield.compute())
    cut = plate.isel(x=slice(5, 20))
    with pytest.raises(InputError, match=r"its flatfield of GFP is not the vendor's .*drop_vars\('flatfield'\)"):
        write_plate(cut, tmp_path / "cut")
    write_plate(cut.drop_vars("flatfield"), tmp_path / "cut", progress=False)


def test_an_unfinished_plate_does_not_close_the_screen(tmp_path: Path, twins) -> None:
    one, _ = twins
    import_plates(one, tmp_path, wells=WELLS[:2], progress=False)
    write_plate(
        make_plate(PlateInfo("P2", *[getattr(INFO, name) for name in INFO.__slots__[1:6]]), IMAGE, ALL), tmp_path
    )
    with pytest.warns(UserWarning, match=r"left out: the import of .*P1\.zarr was not finished"):
        assert list(open_screen(tmp_path).children) == ["P2"]


def test_a_name_is_limited_as_file_systems_do(tmp_path: Path) -> None:
    assert plate_path(tmp_path, "板" * 60)
    with pytest.raises(InputError, match="cannot be the name of a file"):
        plate_path(tmp_path, "板" * 150)


HOSTILE = ["..", "x/../../../victim", "/etc", "C:victim", "a\\b", "a\0b", ".victim", "v" * 300, "", " ", "a.", 7, None]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_in_a_file_leads_nowhere_else(tmp_path: Path, name: object) -> None:
    """A plate's metadata may hold any name; nothing outside the screen is read for it, written or removed."""
    victim, screen = tmp_path / "victim.zarr", tmp_path / "outer" / "screen"
    victim.mkdir()
    (victim / "kept.txt").write_text("kept")
    write_plate(make_plate(INFO, IMAGE, ALL), screen, progress=False)
    path = screen / "P1.zarr" / "zarr.json"
    text = json.loads(path.read_text())
    text["attributes"]["hcskit"]["name"] = name
    path.write_text(json.dumps(text))
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(InputError, match="is not a plate that hcskit wrote"):
        assess(screen, progress=False)
    if isinstance(name, str):
        light = xr.Dataset({"flat": (("channel", "y", "x"), np.ones((1, 2, 2), np.float32))})
        with pytest.raises(InputError, match="cannot be the name of a file"):
            write_illumination(screen, name, light)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(("label", "value"), [("well", "../B01"), ("well", 3), ("field", "../../x"), ("field", 1.5)])
def test_labels_in_a_file_lead_nowhere_else(tmp_path: Path, label: str, value: object) -> None:
    write_plate(make_plate(INFO, IMAGE, ALL), tmp_path, progress=False)
    path = tmp_path / "P1.zarr" / "zarr.json"
    text = json.loads(path.read_text())
    text["attributes"]["hcskit"]["labels"][label][0] = value
    path.write_text(json.dumps(text))
    with pytest.raises(InputError, match="is not a plate that hcskit wrote"):
        open_plate(tmp_path / "P1.zarr")
