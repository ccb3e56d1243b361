"""OME-Zarr plates of other writers: each label its own pixels, and metadata that are not what they should be."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ngio
import numpy as np
import pytest
import zarr
from ome_zarr_models.v04.hcs import HCSAttrs
from ome_zarr_models.v04.image import ImageAttrs
from ome_zarr_models.v04.well import WellAttrs
from ome_zarr_models.v05.hcs import HCS

from hcskit.errors import ReaderError
from hcskit.plate import FORMATS, parse_well, row_name
from hcskit.readers import Claim, ImageIndex, list_files, ome_zarr, read_image
from hcskit.screen import PlateInfo, make_plate
from hcskit.store import write_plate as write_own
from hcskit.testing import CASES, Label, Numbering, StampedPlate, check_reader

# An image is a block of all its planes, so it cannot lack one: the layout has no such export.
BLOCKS = [case for case in CASES if case != "missing planes and time points"]


def write_group(path: Path, attributes: dict[str, Any], version: str) -> None:
    """Write a group, from 0.5 on with all OME metadata under one name."""
    old = version != "0.5"
    found = attributes if old else {"ome": {"version": version, **attributes}}
    zarr.open_group(path, mode="w", zarr_format=2 if old else 3).attrs.update(found)


def plate_metadata(name: str, wells: list[str], version: str, rows: int, columns: int) -> dict[str, Any]:
    places = [parse_well(well) for well in wells]
    return {
        "plate": {
            "name": name,
            "version": version,
            "rows": [{"name": row_name(row)} for row in range(rows)],
            "columns": [{"name": str(column + 1)} for column in range(columns)],
            "wells": [
                {"path": f"{row_name(at.row)}/{at.column + 1}", "rowIndex": at.row, "columnIndex": at.column}
                for at in places
            ],
            "acquisitions": [{"id": 0, "name": "run", "maximumfieldcount": 4}],
            "field_count": 4,
        }
    }


def image_metadata(
    channels: list[str], version: str, axes: str = "tczyx", unit: str = "micrometer", depth: int = 2
) -> dict[str, Any]:
    kinds = {"t": {"type": "time", "unit": "second"}, "c": {"type": "channel"}}
    scale = {"t": 1.0, "c": 1.0, "z": 2.0, "y": 0.65, "x": 0.65}
    levels = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {"type": "scale", "scale": [scale[axis] * (2**level if axis in "yx" else 1) for axis in axes]}
            ],
        }
        for level in range(depth)
    ]
    multiscale = {
        "name": "field",
        "version": version,
        "axes": [{"name": axis, **kinds.get(axis, {"type": "space", "unit": unit})} for axis in axes],
        "datasets": levels,
    }
    window = {"min": 0.0, "max": 65535.0, "start": 0.0, "end": 1000.0}
    labels = [{"label": name, "color": "00FF00", "active": True, "window": window} for name in channels]
    return {"multiscales": [multiscale], "omero": {"channels": labels}}


def write_image(
    path: Path, pixels: np.ndarray, channels: list[str], version: str, axes: str = "tczyx", depth: int = 2
) -> None:
    write_group(path, image_metadata(channels, version, axes, depth=depth), version)
    for level in range(depth):
        image = pixels[..., :: 2**level, :: 2**level]
        array = zarr.create_array(
            path / str(level),
            shape=image.shape,
            chunks=(1,) * (image.ndim - 2) + image.shape[-2:],
            dtype=image.dtype,
            zarr_format=2 if version == "0.4" else 3,
            dimension_names=None if version == "0.4" else axes,
            chunk_key_encoding={"name": "v2" if version == "0.4" else "default", "separator": "/"},
        )
        array[:] = image


def write_plate(folder: Path, plate: StampedPlate, version: str, depth: int = 2) -> None:
    root = folder / f"{plate.name}.zarr"
    images: dict[str, dict[int, list[Label]]] = defaultdict(lambda: defaultdict(list))
    for label in plate.images:
        images[label.well][label.field].append(label)
    attributes = plate_metadata(plate.name, list(images), version, plate.format.rows, plate.format.columns)
    write_group(root, attributes, version)
    for fields, place in zip(images.values(), attributes["plate"]["wells"], strict=True):
        listed = [{"path": str(field), "acquisition": 0} for field in fields]
        write_group(root / place["path"], {"well": {"images": listed, "version": version}}, version)
        for field, labels in fields.items():
            channels = [name for name in plate.channels if any(label.channel == name for label in labels)]
            times, planes = (1 + max(getattr(label, axis) for label in labels) for axis in ("time", "z"))
            pixels = np.zeros((times, len(channels), planes, 12, 20), np.uint16)
            for label in labels:
                pixels[label.time, channels.index(label.channel), label.z] = plate.pixels(label)
            write_image(root / place["path"] / str(field), pixels, channels, version, depth=depth)


@pytest.mark.parametrize("case", BLOCKS)
@pytest.mark.parametrize("version", [pytest.param("0.4", marks=pytest.mark.slow), "0.5"])
def test_conformance(case: str, version: str, tmp_path: Path) -> None:
    def write(folder: Path, plate: StampedPlate) -> None:
        write_plate(folder, plate, version, depth=1)  # to be quick

    check_reader(
        ome_zarr, write, tmp_path, case, Numbering(field=0, time=0, z=0, metadata={"pixel_size": 0.65, "z_step": 2.0})
    )


def small(
    folder: Path, version: str = "0.5", wells: tuple[str, ...] = ("A01", "B02"), fields: int = 1, name: str = "P1"
) -> Path:
    """Write a plate of a few wells with two channels, and return its folder."""
    labels = [Label(well, field, 0, channel, 0) for well in wells for field in range(fields) for channel in ("a", "b")]
    write_plate(folder, StampedPlate(name, 0, FORMATS[96], ("a", "b"), tuple(labels)), version)
    return folder / f"{name}.zarr"


def change(file: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Edit OME metadata in a file."""
    found = json.loads(file.read_text())
    edit(found["attributes"]["ome"] if file.name == "zarr.json" else found)
    file.write_text(json.dumps(found))


def indexed(folder: Path) -> list[ImageIndex]:
    """Index a folder as the import does."""
    return [index.without_absent_files() for index in ome_zarr.index(folder, list_files(folder))]


def rows(index: ImageIndex) -> list[Any]:
    return list(index.table.itertuples())


def test_the_writer_of_these_tests_writes_valid_ome_zarr(tmp_path: Path) -> None:
    HCS.from_zarr(zarr.open_group(small(tmp_path), mode="r"))
    old = zarr.open_group(small(tmp_path, "0.4", name="P2"), mode="r")
    HCSAttrs.model_validate(old.attrs.asdict())  # of 0.4, these models read no arrays
    WellAttrs.model_validate(old["A/1"].attrs.asdict())
    ImageAttrs.model_validate(old["A/1/0"].attrs.asdict())


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plate_of_ngio(version: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = {(row, column): rng.integers(0, 999, (2, 3, 64, 48), np.uint16) for row, column in (("B", 3), ("C", 11))}
    places = [ngio.ImageInWellPath(row=row, column=column, path="0") for row, column in truth]
    plate = ngio.create_empty_plate(tmp_path / "screen.zarr", name="screen", images=places, ngff_version=version)
    for (row, column), image in truth.items():
        ngio.create_ome_zarr_from_array(
            plate.get_image_store(row, column, "0"),
            image,
            pixelsize=650,
            z_spacing=2000,
            space_unit="nanometer",
            axes_names=["c", "z", "y", "x"],
            channels_meta=["DNA", "Actin"],
            ngff_version=version,
            consolidation_mode="auto",
            overwrite=True,
        )
    (index,) = indexed(tmp_path)
    info = index.info()
    assert (info.name, info.wells, info.fields, info.channels) == ("screen", ("B03", "C11"), (0,), ("DNA", "Actin"))
    assert (info.pixel_size, info.z_step, info.plate_format, info.z) == (0.65, 2.0, None, (0, 1, 2))
    for row in rows(index):
        image = truth[row.well[0], int(row.well[1:])]
        expected = image[info.channels.index(row.channel), row.z]
        np.testing.assert_array_equal(read_image(row.path, row.page), expected)


def test_a_plate_of_hcskit(tmp_path: Path) -> None:
    info = PlateInfo("own", ("A01", "AF48"), (2, 5), ("DNA", "GFP"), (8, 12), np.dtype("uint16"), 0.65)
    image = np.arange(2 * 2 * 2 * 8 * 12, dtype=np.uint16).reshape(2, 2, 2, 8, 12)
    write_own(make_plate(info, image, np.ones((2, 2, 2), bool)), tmp_path, progress=False)
    (index,) = indexed(tmp_path)
    found = index.info()
    assert (found.name, found.wells, found.fields, found.channels) == ("own", info.wells, info.fields, info.channels)
    assert (found.shape, found.dtype, found.pixel_size) == (info.shape, info.dtype, info.pixel_size)
    (last,) = (row for row in rows(index) if (row.well, row.field, row.channel) == ("AF48", 5, "GFP"))
    np.testing.assert_array_equal(read_image(last.path, last.page), image[1, 1, 1])


@pytest.mark.parametrize("name", ["P1.zarr", "plate without a suffix"])
def test_the_folder_itself_may_be_the_plate(name: str, tmp_path: Path) -> None:
    plate = small(tmp_path).rename(tmp_path / name)
    for folder in (plate, tmp_path):
        assert ome_zarr.claim(folder, list_files(folder)) == Claim(f"{name} is an OME-Zarr plate")
        assert [(index.plate, len(index.table)) for index in indexed(folder)] == [("P1", 4)]


def test_an_image_that_is_no_plate_is_not_claimed(tmp_path: Path) -> None:
    small(tmp_path)
    assert ome_zarr.claim(tmp_path, [tmp_path / "P1.zarr" / "A" / "1" / "0"]) is None


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_byte_order_mark_and_windows_newlines_do_no_harm(version: str, tmp_path: Path) -> None:
    for file in [path for path in small(tmp_path, version).rglob("*") if path.name in ("zarr.json", ".zattrs")]:
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert set(indexed(tmp_path)[0].table.well) == {"A01", "B02"}


def test_a_plate_of_before_0_4(tmp_path: Path) -> None:
    root = small(tmp_path, "0.4")

    def old_plate(found: dict[str, Any]) -> None:
        found["plate"]["wells"] = [{"path": well["path"]} for well in found["plate"]["wells"]]

    def old_image(found: dict[str, Any]) -> None:
        del found["multiscales"][0]["axes"], found["omero"]
        found["multiscales"][0]["datasets"] = [{"path": "0"}, {"path": "1"}]

    change(root / ".zattrs", old_plate)
    change(root / "A/1/0/.zattrs", old_image)
    change(root / "B/2/0/.zattrs", lambda found: found["multiscales"][0].update(axes=list("tczyx")))
    (index,) = indexed(tmp_path)
    assert dict(zip(index.table.well, index.table.channel, strict=True)) == {"A01": "channel-1", "B02": "b"}
    assert index.notes == ("1 image(s) do not name each of their channels; these have a number",)


def test_fields_are_labels(tmp_path: Path) -> None:
    root = small(tmp_path, fields=3)
    shutil.move(root / "A/1/0", root / "A/1/000007")
    change(root / "A/1/zarr.json", lambda found: found["well"]["images"][0].update(path="000007"))
    assert sorted(set(indexed(tmp_path)[0].table.query("well == 'A01'").field)) == [1, 2, 7]


def test_named_images_are_numbered_over_the_whole_plate(tmp_path: Path) -> None:
    root = small(tmp_path, fields=3)
    listed = [{"path": name} for name in ("fov10", "fov2", "fov1")]
    for well in ("A/1", "B/2"):
        for number, name in enumerate(["fov10", "fov2", "fov1"]):
            shutil.move(root / well / str(number), root / well / name)
        change(root / well / "zarr.json", lambda found: found["well"].update(images=listed))
    change(root / "A/1/zarr.json", lambda found: found["well"]["images"].pop())
    (index,) = indexed(tmp_path)
    fields = {(row.well, Path(row.path).parent.name): row.field for row in rows(index)}
    assert fields == {("A01", "fov2"): 1, ("A01", "fov10"): 2} | {
        ("B02", name): number for number, name in enumerate(["fov1", "fov2", "fov10"])
    }
    assert index.notes == (
        "the images have names, so fields are numbered in their order: 0 is fov1, 1 is fov2, 2 is fov10",
    )


def test_each_acquisition_is_a_plate(tmp_path: Path) -> None:
    root = small(tmp_path, fields=2)
    for well in ("A/1", "B/2"):
        change(root / well / "zarr.json", lambda found: found["well"]["images"][1].update(acquisition=3))
    first, second = indexed(tmp_path)
    assert (first.plate, set(first.table.field)) == ("P1-acquisition-0", {0})
    assert (second.plate, set(second.table.field)) == ("P1-acquisition-3", {1})


def test_channels_agree_by_label_and_not_by_position(tmp_path: Path) -> None:
    root = small(tmp_path)
    change(root / "A/1/0/zarr.json", lambda found: found["omero"]["channels"].reverse())
    pages = indexed(tmp_path)[0].table.set_index(["well", "channel"]).page
    assert pages.to_dict() == {("A01", "b"): 0, ("A01", "a"): 1, ("B02", "a"): 0, ("B02", "b"): 1}


def test_labels_that_repeat_are_numbered(tmp_path: Path) -> None:
    root = small(tmp_path, wells=("A01",))
    change(root / "A/1/0/zarr.json", lambda found: found["omero"].update(channels=[{"label": "GFP"}] * 2))
    assert indexed(tmp_path)[0].channels == ("GFP (0)", "GFP (1)")


def test_sizes_that_differ_between_wells_do_not_shift_pages(tmp_path: Path) -> None:
    root = small(tmp_path, wells=("A01",))
    rng = np.random.default_rng(0)
    change(
        root / "zarr.json",
        lambda found: found["plate"]["wells"].append({"path": "H/12", "rowIndex": 7, "columnIndex": 11}),
    )
    write_group(root / "H/12", {"well": {"images": [{"path": "0", "acquisition": 0}]}}, "0.5")
    image = rng.integers(0, 999, (2, 3, 12, 20), np.uint16)
    write_image(root / "H/12/0", image, ["b", "a"], "0.5", axes="czyx")
    of_well = [row for row in rows(indexed(tmp_path)[0]) if row.well == "H12"]
    assert len(of_well) == 6
    for row in of_well:
        np.testing.assert_array_equal(read_image(row.path, row.page), image["ba".index(row.channel), row.z])


@pytest.mark.parametrize(
    ("unit", "pixel_size"), [("millimeter", 650.0), ("micrometre", 0.65), (None, None), ("pixel", None)]
)
def test_the_pixel_size_needs_a_unit_of_length(unit: Any, pixel_size: float | None, tmp_path: Path) -> None:
    root = small(tmp_path, wells=("A01",))
    metadata = image_metadata(["a", "b"], "0.5", unit=unit)
    change(root / "A/1/0/zarr.json", lambda found: found.update(metadata))
    assert indexed(tmp_path)[0].pixel_size == pixel_size


def test_the_scale_of_the_whole_pyramid_counts(tmp_path: Path) -> None:
    root = small(tmp_path, wells=("A01",))
    twice = [{"type": "scale", "scale": [1, 1, 1, 2, 2]}]
    change(root / "A/1/0/zarr.json", lambda found: found["multiscales"][0].update(coordinateTransformations=twice))
    assert indexed(tmp_path)[0].pixel_size == 1.3


def test_the_format_is_that_of_all_rows_and_columns(tmp_path: Path) -> None:
    labels = tuple(Label(well, 0, 0, "a", 0) for well in ("A01", "B03"))
    for name, size in (("all", 24), ("used", 6)):
        write_plate(tmp_path, StampedPlate(name, 0, FORMATS[size], ("a",), labels), "0.5")
    every = [f"{row}0{column}" for row in "AB" for column in (1, 2, 3)]
    labels = tuple(Label(well, 0, 0, "a", 0) for well in every)
    write_plate(tmp_path, StampedPlate("perhaps 6 of 96", 0, FORMATS[6], ("a",), labels), "0.5")
    assert {index.plate: index.plate_format for index in indexed(tmp_path)} == {
        "all": 24,
        "used": 6,
        "perhaps 6 of 96": None,
    }


def test_plates_of_one_name_are_called_as_their_folders(tmp_path: Path) -> None:
    shutil.copytree(small(tmp_path), tmp_path / "P1_mip.zarr")
    assert [index.plate for index in indexed(tmp_path)] == ["P1", "P1_mip"]


def test_rows_and_columns_must_agree_with_the_path(tmp_path: Path) -> None:
    change(small(tmp_path) / "zarr.json", lambda found: found["plate"]["wells"][0].update(columnIndex=1))
    with pytest.raises(ReaderError, match=r"well A/1 is row 'A', column '1' and row 'A', column '2'; expected one"):
        indexed(tmp_path)


@pytest.mark.parametrize("place", [{"rowIndex": 8}, {"rowIndex": -1}, {"path": "0/0", "rowIndex": None}, {"path": "A"}])
def test_a_well_without_a_name_is_refused(place: dict[str, Any], tmp_path: Path) -> None:
    change(small(tmp_path) / "zarr.json", lambda found: found["plate"]["wells"][0].update(columnIndex=0, **place))
    if place == {"path": "A"}:
        change(tmp_path / "P1.zarr/zarr.json", lambda found: found["plate"]["wells"][0].pop("rowIndex"))
    with pytest.raises(ReaderError, match=r"P1\.zarr(: well| does not describe a plate)"):
        indexed(tmp_path)


@pytest.mark.parametrize("path", ["../B/2", "/etc", "..\\..\\B", "C:\\data\\1", "A/../../.."])
@pytest.mark.parametrize("where", ["well", "image", "dataset"])
def test_a_path_that_leads_out_of_the_plate_is_refused(path: str, where: str, tmp_path: Path) -> None:
    root = small(tmp_path)
    edits: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
        "well": ("zarr.json", lambda found: found["plate"]["wells"][0].update(path=path)),
        "image": ("A/1/zarr.json", lambda found: found["well"]["images"][0].update(path=path)),
        "dataset": ("A/1/0/zarr.json", lambda found: found["multiscales"][0]["datasets"][0].update(path=path)),
    }
    file, edit = edits[where]
    change(root / file, edit)
    with pytest.raises(ReaderError, match="in its own folder or below"):
        indexed(tmp_path)


def overwrite(file: Path, edit: dict[str, Any]) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | edit))


@pytest.mark.parametrize(
    "edit",
    [
        {"compressor": {"id": "pickle"}},
        {"filters": [{"id": "json2"}]},
        {"filters": [{"id": "of a plug-in"}]},
        {"filters": "pickle"},
        {"dtype": "|O", "filters": [{"id": "pickle"}]},
        {"dtype": [["a", "<u2"]]},
        {"dtype": "<f8"},
        {"shape": [12]},
        {"shape": None},
    ],
)
def test_an_array_of_zarr_2_that_is_not_plain_is_not_opened(edit: dict[str, Any], tmp_path: Path) -> None:
    array = small(tmp_path, "0.4") / "A/1/0/0"
    overwrite(array / ".zarray", edit)
    with pytest.raises(ReaderError, match=r"0/\.zarray (asks for the codec|holds pixels|is not of an image)"):
        read_image(array)
    with pytest.raises(ReaderError, match=r"\.zarray"):
        indexed(tmp_path)


@pytest.mark.parametrize(
    "edit",
    [
        {"codecs": [{"name": "numcodecs.pickle"}]},
        {"codecs": [{"name": "bytes"}, "of a plug-in"]},
        {"codecs": [{"name": "sharding_indexed", "configuration": {"codecs": [{"name": "vlen-utf8"}]}}]},
        {"codecs": [{"name": "sharding_indexed", "configuration": {"index_codecs": [{"name": "json2"}]}}]},
        {"codecs": [7]},
        {"data_type": "string"},
        {"data_type": {"name": "struct"}},
        {"data_type": "float64"},
    ],
)
def test_an_array_of_zarr_3_that_is_not_plain_is_not_opened(edit: dict[str, Any], tmp_path: Path) -> None:
    array = small(tmp_path) / "A/1/0/0"
    overwrite(array / "zarr.json", edit)
    with pytest.raises(ReaderError, match=r"0/zarr\.json (asks for the codec|holds pixels)"):
        read_image(array)
    with pytest.raises(ReaderError, match=r"zarr\.json"):
        indexed(tmp_path)


@pytest.mark.parametrize(
    "content",
    ['{"attributes": {"ome": {"plate": {"wells', '["plate"]', "[" * 100_000 + '"plate"', '{"attributes": ["plate"]}'],
)
def test_a_malformed_plate_is_claimed_and_named(content: str, tmp_path: Path) -> None:
    file = small(tmp_path) / "zarr.json"
    file.write_text(content)
    assert ome_zarr.claim(tmp_path, [file.parent]) is not None
    with pytest.raises(ReaderError, match=r"P1\.zarr/zarr\.json"):
        indexed(tmp_path)


@pytest.mark.parametrize("file", ["A/1/zarr.json", "A/1/0/zarr.json", "A/1/0/0/zarr.json"])
def test_a_truncated_part_is_named(file: str, tmp_path: Path) -> None:
    path = small(tmp_path) / file
    path.write_text(path.read_text()[:90])
    with pytest.raises(ReaderError, match=file):
        indexed(tmp_path)


@pytest.mark.parametrize(
    ("file", "edit"),
    [
        ("zarr.json", lambda found: found["plate"].update(wells="all")),
        ("zarr.json", lambda found: found.update(plate=None)),
        ("A/1/zarr.json", lambda found: found.pop("well")),
        ("A/1/0/zarr.json", lambda found: found.update(multiscales=[])),
        ("A/1/0/zarr.json", lambda found: found["multiscales"][0]["axes"].reverse()),
        ("A/1/0/zarr.json", lambda found: found["multiscales"][0]["axes"].pop(0)),
        ("A/1/0/zarr.json", lambda found: found["multiscales"][0]["axes"][0].update(name="angle", type="space")),
    ],
)
def test_metadata_that_are_not_ome_zarr_are_refused(
    file: str, edit: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    change(small(tmp_path) / file, edit)
    with pytest.raises(ReaderError, match=r"P1\.zarr.*(expected|does not describe)"):
        indexed(tmp_path)


@pytest.mark.parametrize("gone", ["A/1", "A/1/0", "A/1/0/0"])
def test_what_is_named_and_not_there_is_listed(gone: str, tmp_path: Path) -> None:
    root = small(tmp_path)
    shutil.rmtree(root / gone)
    (index,) = indexed(tmp_path)
    assert index.absent == (str(root / gone),)
    assert set(index.table.well) == {"B02"}


def test_an_array_without_chunks_is_told(tmp_path: Path) -> None:
    root = small(tmp_path)
    (index,) = indexed(tmp_path)
    assert index.notes == ()
    shutil.rmtree(root / "A/1/0/0/c")
    (index,) = indexed(tmp_path)
    assert index.notes == (
        f"1 image(s) have no chunk and are read as zeros, such as {root / 'A/1/0/0'}; is the copy complete?",
    )


def test_a_plate_without_any_image_says_so(tmp_path: Path) -> None:
    root = small(tmp_path)
    shutil.rmtree(root / "A")
    shutil.rmtree(root / "B")
    (index,) = indexed(tmp_path)
    with pytest.raises(ReaderError, match="none of the 2 files it names is there"):
        index.info()


def test_the_same_image_twice_is_refused(tmp_path: Path) -> None:
    root = small(tmp_path)
    shutil.copytree(root / "A/1/0", root / "A/1/00")
    change(root / "A/1/zarr.json", lambda found: found["well"]["images"].append({"path": "00", "acquisition": 0}))
    with pytest.raises(ReaderError, match="there more than once"):
        indexed(tmp_path)


def test_an_array_without_end_is_refused(tmp_path: Path) -> None:
    overwrite(small(tmp_path) / "A/1/0/0/zarr.json", {"shape": [10**12, 2, 1, 12, 20]})
    with pytest.raises(ReaderError, match="2,000,000,000,000 planes"):
        indexed(tmp_path)


def test_a_truncated_chunk_is_named_when_it_is_read(tmp_path: Path) -> None:
    array = small(tmp_path) / "A/1/0/0"
    chunk = min(path for path in (array / "c").rglob("*") if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-5])
    with pytest.raises(ReaderError, match="cannot be read as an image"):
        read_image(array, 0)
