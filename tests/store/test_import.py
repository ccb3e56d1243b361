"""From images to a labelled plate: every label addresses its own pixels, and other programs can read them."""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import xarray as xr
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ome_zarr_models.v05.hcs import HCS

from hcskit.actions import import_plates
from hcskit.errors import InputError, NotAScreenError, PlateMapError, ReaderError, StoreError
from hcskit.platemap import read_plate_map
from hcskit.readers import ImageIndex, read_folder
from hcskit.simulation import Compound, PlateDesign, simulate
from hcskit.store import _layout, open_plate, open_plates, open_screen, plate_path

Label = tuple[str, int, str]
WELLS = ("A01", "A02", "B01", "H12", "P24", "AA01", "AF48")
ALL = [(well, field, channel) for well in WELLS for field in (1, 2, 3) for channel in ("DNA", "GFP")]


@pytest.fixture
def bring(export, treated) -> Callable[..., Path]:
    """Export images, import them, and return the screen."""

    def bring(folder: Path, images: Iterable[Label] | dict[Label, np.ndarray], **options) -> Path:
        wells = sorted({well for well, _, _ in images})
        index = read_folder(export(folder / "export", images, **options))
        import_plates(index, folder / "screen", treated(wells), progress=False)
        return folder / "screen"

    return bring


def assert_addressed(plate: xr.Dataset, images: Iterable[Label], code: Callable[[Label], int]) -> None:
    """Each label has its own pixels; each that was not acquired is absent and zero."""
    acquired = set(images)
    assert set(plate.well.values) == {well for well, _, _ in acquired}
    pixels = plate.image.compute(scheduler="synchronous")
    for well in plate.indexes["well"]:
        for field in plate.indexes["field"]:
            for channel in plate.indexes["channel"]:
                label = (str(well), int(field), str(channel))
                expected = code(label) if label in acquired else 0
                one = pixels.sel(well=well, field=field, channel=channel)
                assert (one == expected).all(), label
                assert bool(plate.present.sel(well=well, field=field, channel=channel)) == (label in acquired), label


@pytest.mark.slow
@pytest.mark.parametrize(
    "images",
    [
        ALL,
        [label for label in ALL if label[0] != "A01"],
        [label for label in ALL if label[:2] not in {("A01", 1), ("B01", 2), ("AF48", 3)}],
        [label for label in ALL if label not in {("A01", 1, "DNA"), ("AF48", 3, "GFP"), ("P24", 2, "DNA")}],
        [label for label in ALL if label[1] == 1 or label[0] == "H12"],
        [label for label in ALL if label[1] != 2],
        [label for label in ALL if label[2] == "DNA" or label[0] == "AA01"],
    ],
    ids=["whole", "no first well", "fields", "channels", "extra fields in a well", "no field 2", "a channel in a well"],
)
def test_each_label_addresses_its_own_pixels(tmp_path: Path, bring, code, images: list[Label]) -> None:
    plate = open_screen(bring(tmp_path, images))["P1"].to_dataset()
    assert_addressed(plate, images, code)
    assert plate.attrs["plate_format"] == 1536
    assert list(plate.well.values) == [well for well in WELLS if well in {label[0] for label in images}]


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(images=st.sets(st.sampled_from(ALL), min_size=1))
def test_any_sparse_plate_is_addressed_by_label(tmp_path_factory, bring, code, images: set[Label]) -> None:
    screen = bring(tmp_path_factory.mktemp("sparse"), images, shape=(4, 4))
    assert_addressed(open_plate(screen / "P1.zarr"), images, code)


def test_labels_are_those_of_the_map(tmp_path: Path, bring, treated) -> None:
    plate = open_screen(bring(tmp_path, ALL))["P1"]
    assert list(plate["row"].values) == ["A", "A", "B", "H", "P", "AA", "AF"]
    assert list(plate["column"].values) == [1, 2, 1, 12, 24, 1, 48]
    wanted = treated(sorted(WELLS)).loc[list(WELLS)]
    for name in ("concentration", "compound", "role", "concentration_unit", "moa"):
        assert list(plate[name].values) == list(wanted[name])


def test_opening_reads_no_pixel(tmp_path: Path, bring, code) -> None:
    screen = bring(tmp_path, ALL)
    for shard in screen.glob("*.zarr/*/*/*/0/c/0/0/0"):
        shard.unlink() if "A/01" not in str(shard) else None
    plate = open_screen(screen)["P1"]
    one = plate.image.sel(well="A01", field=2, channel="GFP")
    assert (one.compute() == code(("A01", 2, "GFP"))).all()
    with pytest.raises(StoreError, match=r"A/02/2 cannot be read: its pixels are gone; was the plate copied whole"):
        plate.image.sel(well="A02", field=2, channel="GFP").compute()


def test_a_damaged_shard_is_an_error_and_not_an_image(tmp_path: Path, bring) -> None:
    screen = bring(tmp_path, ALL[:2], shape=(64, 64))
    shard = screen / "P1.zarr/A/01/1/0/c/0/0/0"
    whole = shard.read_bytes()
    flipped = whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]
    for damaged, what in ((whole[:-7], "its index is damaged"), (b"", "cut off"), (flipped, "its pixels are damaged")):
        shard.write_bytes(damaged)
        with pytest.raises(StoreError, match=rf"A/01/1 cannot be read: .*{what}"):
            open_plate(screen / "P1.zarr").image.compute()


def test_a_black_image_is_present_and_zero(tmp_path: Path, bring) -> None:
    black = np.zeros((16, 24), np.uint16)
    plate = open_plate(bring(tmp_path, {("A01", 1, "DNA"): black, ("A01", 1, "GFP"): black}) / "P1.zarr")
    assert plate.present.all()
    assert (plate.image.compute() == 0).all()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated plate, exported and imported; a well and a field are missing."""
    folder = tmp_path_factory.mktemp("simulated")
    design = PlateDesign(
        name="small",
        compounds=(Compound("A", "translocation", ec50=10.0), Compound("B")),
        concentrations=(1.0, 100.0),
        replicates=1,
        image_size=(300, 130),
        missing_wells=("B03",),
        missing_fields=(("A02", 2),),
    )
    export = simulate(folder / "export", design)
    table = read_plate_map(export.plate_map)
    import_plates(read_folder(export.images), folder / "screen", table, allow_missing=True, progress=False)
    return folder


@pytest.mark.slow
def test_pixels_are_those_of_tifffile(simulated: Path) -> None:
    plate = open_screen(simulated / "screen")["small"]
    files = sorted((simulated / "export" / "images").iterdir())
    assert int(plate.present.sum()) == len(files) == 7 * 2 * 2 - 2
    for file in files:
        _, well, field, channel = file.stem.split("_")
        image = plate.image.sel(well=well, field=int(field[1:]), channel=channel)
        np.testing.assert_array_equal(image, tifffile.imread(file))
    assert plate.attrs["pixel_size_um"] == 0.8


def test_another_program_finds_a_valid_plate(simulated: Path) -> None:
    path = simulated / "screen" / "small.zarr"
    plate = HCS.from_zarr(zarr.open_group(path, mode="r"))
    described = plate.ome_attributes.plate
    assert [row.name for row in described.rows] == ["A", "B"]
    assert [well.path for well in described.wells] == ["A/01", "A/02", "A/03", "A/04", "B/01", "B/02", "B/04"]
    wells = {group.ome_attributes.well.images[-1].path for group in plate.well_groups}
    assert wells == {"1", "2"}
    field = zarr.open_group(path / "B" / "04" / "2", mode="r")
    scales = [
        level["coordinateTransformations"][0]["scale"] for level in field.attrs["ome"]["multiscales"][0]["datasets"]
    ]
    assert scales[0] == [1.0, 0.8, 0.8]
    full = np.asarray(field["0"][:])
    np.testing.assert_array_equal(full[1], tifffile.imread(simulated / "export/images/small_B04_f02_GFP.tif"))


def test_lower_levels_are_means_of_the_full_one(tmp_path: Path, bring) -> None:
    image = np.random.default_rng(0).integers(0, 65536, (600, 515)).astype(np.uint16)
    screen = bring(tmp_path, {("A01", 1, "DNA"): image})
    field = zarr.open_group(screen / "P1.zarr/A/01/1", mode="r")
    half = np.asarray(field["1"][0])
    assert half.shape == (300, 258)
    np.testing.assert_allclose(half[:, :257], image[:, :514].reshape(300, 2, 257, 2).mean(axis=(1, 3)), atol=0.5)
    np.testing.assert_allclose(half[:, 257], image[:, 514].reshape(300, 2).mean(axis=1), atol=0.5)


def test_several_plates_make_one_screen(tmp_path: Path, export, treated, code) -> None:
    export(tmp_path / "export", ALL[:6], plate="P1")
    export(tmp_path / "export", ALL[:2], plate="P2", shape=(8, 8))
    paths = import_plates(read_folder(tmp_path / "export"), tmp_path / "screen", treated(["A01"]), progress=False)
    assert [path.name for path in paths] == ["P1.zarr", "P2.zarr"]
    plates = open_plates(tmp_path / "screen")
    assert {name: plate.image.shape for name, plate in plates.items()} == {
        "P1": (1, 3, 2, 16, 24),
        "P2": (1, 1, 2, 8, 8),
    }
    assert list(open_screen(tmp_path / "screen" / "P2.zarr").children) == ["P2"]


def contents(folder: Path) -> dict[str, bytes]:
    """All files but hidden ones, such as the locks, which say who held them."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path: Path, export, treated) -> None:
    screen = tmp_path / "screen"
    index = read_folder(export(tmp_path / "export", ALL))
    with pytest.raises(PlateMapError, match=r"1 imaged well\(s\) are not in the plate map: AF48"):
        import_plates(index, screen, treated(WELLS[:-1]), progress=False)
    with pytest.raises(PlateMapError, match=r"1 well\(s\) of the plate map have no image: C01"):
        import_plates(index, screen, treated([*WELLS, "C01"]), progress=False)
    (tmp_path / "export" / "P1_H12_f03_GFP.tif").write_bytes(b"II*\0")
    with pytest.raises(ReaderError, match=r"P1_H12_f03_GFP\.tif is not a readable TIFF"):
        import_plates(index, screen, treated(WELLS), progress=False)
    assert not screen.exists()


@pytest.mark.parametrize("name", [".hidden", "..", "a/b", "a\\b", "", "x" * 201])
def test_a_plate_name_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be the name of a file"):
        plate_path(tmp_path, name)


def test_another_plate_in_the_folder_is_refused_and_unharmed(tmp_path: Path, bring, export, treated) -> None:
    screen = bring(tmp_path, ALL[:6])
    before = contents(screen)
    other_images = read_folder(export(tmp_path / "other", ALL[:4]))
    with pytest.raises(InputError, match=r"P1\.zarr already holds another plate of the name P1 \(from .*export"):
        import_plates(other_images, screen, treated(["A01"]), progress=False)
    other_pixels = export(tmp_path / "pixels", {label: np.full((16, 24), 7, np.uint16) for label in ALL[:6]})
    with pytest.raises(InputError, match=r"already holds other images of plate P1, in well A01"):
        import_plates(read_folder(other_pixels), screen, treated(["A01"]), progress=False)
    assert contents(screen) == before


def test_a_well_of_which_a_byte_changed_is_imported_again_alone(tmp_path: Path, export) -> None:
    images = {label: np.full((64, 64), number, np.uint16) for number, label in enumerate(ALL[:12])}
    source, screen, said = export(tmp_path / "export", images), tmp_path / "screen", []
    import_plates(read_folder(source), screen, progress=False, say=said.append)
    well, field, channel = changed = ALL[0]
    before = {path: path.stat().st_mtime_ns for path in (screen / "P1.zarr").rglob("*") if path.is_file()}

    file = source / f"P1_{well}_f{field:02d}_{channel}.tif"
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    with file.open("r+b") as open_file, tifffile.TiffFile(file) as tiff:
        open_file.seek(tiff.pages.first.dataoffsets[0])
        open_file.write(np.uint16(777).tobytes())  # the first pixel, far from the middle of the file
    os.utime(file, ns=times)  # as programs do that copy

    said.clear()
    import_plates(read_folder(source), screen, progress=False, say=said.append)
    assert f"plate P1: files of well {well} have changed; imported again" in said
    plate = open_plate(screen / "P1.zarr")
    assert int(plate.image.sel(well=well, field=field, channel=channel)[0, 0]) == 777
    for label, image in images.items():
        if label != changed:
            at = dict(zip(("well", "field", "channel"), label, strict=True))
            assert (plate.image.sel(at) == image).all()
    own = _layout.well_folder(screen / "P1.zarr", well)
    after = {path: path.stat().st_mtime_ns for path in before}
    assert {path for path in before if own not in path.parents and after[path] != before[path]} <= {
        screen / "P1.zarr" / "zarr.json"  # it says for a moment that the plate is not complete
    }
    said.clear()
    import_plates(read_folder(source), screen, progress=False, say=said.append)
    assert not [line for line in said if "have changed" in line]


def test_an_export_may_be_moved(tmp_path: Path, bring, treated) -> None:
    screen = bring(tmp_path, ALL[:6])
    before = contents(screen)
    (tmp_path / "export").rename(tmp_path / "archive")
    import_plates(read_folder(tmp_path / "archive"), screen, treated(["A01"]), progress=False)
    assert contents(screen) == before


def test_a_plate_map_may_come_later_and_is_replaced_only_on_request(tmp_path: Path, export, treated) -> None:
    found, screen = read_folder(export(tmp_path / "export", ALL[:6])), tmp_path / "screen"
    import_plates(found, screen, progress=False)
    assert "compound" not in open_plate(screen / "P1.zarr").coords
    import_plates(found, screen, treated(["A01"]), progress=False)
    before = contents(screen)
    import_plates(found, screen, progress=False)
    with pytest.raises(InputError, match=r"has another plate map; .*--replace-plate-map"):
        import_plates(found, screen, treated(["A01"]).assign(compound="B"), progress=False)
    assert contents(screen) == before
    import_plates(found, screen, treated(["A01"]).assign(compound="B"), replace_plate_map=True, progress=False)
    assert list(open_plate(screen / "P1.zarr").compound.values) == ["B"]


@pytest.mark.parametrize("name", ["notes.txt", "zarr.json"])
def test_a_foreign_folder_is_refused_and_unharmed(tmp_path: Path, export, treated, name: str) -> None:
    foreign = tmp_path / "screen" / "P1.zarr"
    foreign.mkdir(parents=True)
    (foreign / name).write_text("{}")
    index = read_folder(export(tmp_path / "export", ALL[:1]))
    with pytest.raises(InputError, match=r"P1\.zarr is in the way: it is not a plate of hcskit"):
        import_plates(index, tmp_path / "screen", treated(["A01"]), progress=False)
    assert contents(foreign) == {name: b"{}"}


def test_a_complete_plate_is_not_written_again(tmp_path: Path, bring, treated) -> None:
    screen = bring(tmp_path, ALL[:6])
    times = {path: path.stat().st_mtime_ns for path in screen.rglob("*.zarr/**/*")}
    assert times
    import_plates(read_folder(tmp_path / "export"), screen, treated(["A01"]), progress=False)
    assert {path: path.stat().st_mtime_ns for path in screen.rglob("*.zarr/**/*")} == times


@pytest.mark.slow
def test_a_file_that_does_not_decode_stops_the_import_which_then_goes_on(tmp_path: Path, export, treated, code) -> None:
    folder = export(tmp_path / "export", ALL, compression="zlib")
    bad = folder / "P1_P24_f02_GFP.tif"
    good = bad.read_bytes()
    with tifffile.TiffFile(bad) as tiff:
        start = tiff.pages.first.dataoffsets[0]
    bad.write_bytes(good[: start + 4] + bytes(8) + good[start + 12 :])
    with pytest.raises(ReaderError, match=r"P1_P24_f02_GFP\.tif is not a readable TIFF"):
        import_plates(read_folder(folder), tmp_path / "screen", treated(WELLS), progress=False)
    plate = tmp_path / "screen" / "P1.zarr"
    assert not (plate / "P" / "24").exists()
    done = {well: (plate / well).stat().st_mtime_ns for well in ("A/01", "A/02")}
    with pytest.raises(StoreError, match="was not finished"):
        open_plate(plate)
    bad.write_bytes(good)
    import_plates(read_folder(folder), tmp_path / "screen", treated(WELLS), progress=False)
    assert {well: (plate / well).stat().st_mtime_ns for well in done} == done
    assert_addressed(open_plate(plate), ALL, code)


def test_what_is_no_screen_is_said_to_be_none(tmp_path: Path, bring) -> None:
    for path, said in (
        (tmp_path, "holds no plate.*it holds no image file"),
        (tmp_path / "nowhere", "there is no folder"),
    ):
        with pytest.raises(NotAScreenError, match=said):
            open_screen(path)
    (tmp_path / "file.zarr").touch()
    for path in (tmp_path / "nowhere.zarr", tmp_path / "file.zarr"):
        with pytest.raises(NotAScreenError, match=r"it has no zarr\.json"):
            open_plate(path)
    metadata = bring(tmp_path, ALL[:1]) / "P1.zarr" / "zarr.json"
    content = json.loads(metadata.read_text())
    content["attributes"]["hcskit"]["schema_version"] = 99
    metadata.write_text(json.dumps(content))
    with pytest.raises(NotAScreenError, match="has schema version 99"):
        open_plate(metadata.parent)


def test_map_columns_survive_whatever_they_hold(tmp_path: Path, export, treated) -> None:
    table: pd.DataFrame = treated(["A01", "A02"]).assign(passage=[3, 4], purity=[0.5, np.nan], note=["", "µ"])
    import_plates(read_folder(export(tmp_path / "export", [("A01", 1, "DNA"), ("A02", 1, "DNA")])), tmp_path, table)
    plate = open_plate(tmp_path / "P1.zarr")
    assert list(plate.passage.values) == [3, 4]
    np.testing.assert_array_equal(plate.purity.astype(float), [0.5, np.nan])
    assert list(plate.note.values) == ["", "µ"]


def test_files_that_the_export_names_and_that_are_not_there_stop_the_import(tmp_path: Path, code) -> None:
    """Both are listed and counted; accepted, they are images that were not acquired."""
    paths = {label: tmp_path / f"{'_'.join(map(str, label))}.tif" for label in ALL[:6]}
    for label, path in paths.items():
        if label not in (ALL[1], ALL[4]):
            tifffile.imwrite(path, np.full((8, 9), code(label), np.uint16))
    rows = [(*label, str(path)) for label, path in paths.items()]
    table = pd.DataFrame(rows, columns=["well", "field", "channel", "path"])
    index = ImageIndex("P1", table, ("DNA", "GFP"), "a test").without_absent_files()
    with pytest.raises(
        ReaderError, match=r"(?s)2 image\(s\) of plate P1 that the export names are not there:.*--allow-missing"
    ) as caught:
        import_plates([index], tmp_path / "screen", progress=False)
    assert all(str(paths[label]) in str(caught.value) for label in (ALL[1], ALL[4]))
    assert not (tmp_path / "screen").exists()
    import_plates([index], tmp_path / "screen", allow_missing=True, progress=False)
    assert_addressed(open_plate(tmp_path / "screen" / "P1.zarr"), set(paths) - {ALL[1], ALL[4]}, code)


def test_a_plate_that_is_there_twice_is_refused_with_both_folders(tmp_path: Path, bring) -> None:
    screen = bring(tmp_path, ALL[:2])
    shutil.copytree(screen / "P1.zarr", screen / "copy.zarr")
    with pytest.raises(InputError, match=r"the plate P1 is there twice: .*P1\.zarr and .*copy\.zarr; move one"):
        open_screen(screen)
