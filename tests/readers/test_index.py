"""Headers of image files: what is one plate, and which files are not fit to be imported."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from hcskit import open_screen
from hcskit.errors import ReaderError
from hcskit.readers import Export, ImageIndex, inside, read_folder, read_image
from hcskit.readers.toolkit import read_header
from hcskit.screen import PlateInfo

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 4000, (16, 24)).astype(np.uint16)
LABELS = [("A01", 1, "DNA"), ("A02", 1, "DNA"), ("A03", 1, "DNA")]


@pytest.fixture
def folder(tmp_path: Path, export: Callable[..., Path]) -> Path:
    return export(tmp_path / "images", LABELS)


def refused(folder: Path) -> str:
    """The message with which a folder whose file of well A02 is at fault is refused."""
    with pytest.raises(ReaderError) as caught:
        [index.info() for index in read_folder(folder)]
    assert "P1_A02_f01_DNA.tif" in str(caught.value)
    return str(caught.value)


def refused_unimported(folder: Path) -> str:
    """The message with which that image is refused where it lies; the headers were not read before."""
    plate = open_screen(folder)["P1"].to_dataset()
    plate["image"].sel(well="A01").load()
    with pytest.raises(ReaderError) as caught:
        plate["image"].sel(well="A02").load()
    assert "P1_A02_f01_DNA.tif" in str(caught.value)
    return str(caught.value)


def only(export: Export) -> PlateInfo:
    """What the headers say of the only plate."""
    (index,) = export
    return index.info()


def bad(folder: Path) -> Path:
    return folder / "P1_A02_f01_DNA.tif"


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("lacking", [1, 100])
def test_cut_in_the_pixels(folder: Path, compression: str | None, lacking: int) -> None:
    tifffile.imwrite(bad(folder), IMAGE, photometric="minisblack", compression=compression, metadata=None)
    whole = bad(folder).read_bytes()
    bad(folder).write_bytes(whole[:-lacking])
    assert f"is truncated: its header asks for {len(whole):,} bytes, the file has {len(whole) - lacking:,}" in refused(
        folder
    )


@pytest.mark.parametrize("length", [0, 3, 8, 60])
def test_cut_in_the_header(folder: Path, length: int) -> None:
    bad(folder).write_bytes(bad(folder).read_bytes()[:length])
    assert "is not a readable TIFF" in refused(folder)


def test_another_file_in_disguise(folder: Path) -> None:
    bad(folder).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    assert "is not a readable TIFF" in refused(folder)


def test_strips_that_were_never_written(folder: Path) -> None:
    """A program that writes the header first and dies leaves strips of no bytes, which decode as zeros."""
    with tifffile.TiffFile(bad(folder), mode="r+b") as tiff:
        tiff.pages.first.tags["StripByteCounts"].overwrite(0)
    assert "parts that were never written" in refused(folder)
    assert "parts that were never written" in refused_unimported(folder)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.stack([IMAGE, IMAGE[::-1], IMAGE], axis=-1), {"photometric": "rgb"}, "is in colour (RGB), and its red"),
        (IMAGE.astype(np.float32), {}, "is 16×24 float32; the plate's other images are 16×24 uint16"),
        (IMAGE.astype(np.int16), {}, "type int16; expected 2-D images of unsigned integers"),
        (IMAGE.astype(np.float64), {}, "type float64; expected 2-D images of unsigned integers"),
    ],
)
def test_not_one_grey_image(folder: Path, image: np.ndarray, options: dict[str, str], message: str) -> None:
    tifffile.imwrite(bad(folder), image, **options)
    assert message in refused(folder)


def test_pages_that_nothing_names_are_refused(folder: Path) -> None:
    tifffile.imwrite(bad(folder), np.stack([IMAGE, IMAGE]), photometric="minisblack")
    assert "holds 2 images, and nothing says what the others are of" in refused(folder)
    assert "holds 2 images, and nothing says what the others are of" in refused_unimported(folder)


@pytest.mark.parametrize("image", [IMAGE[:, :20], IMAGE[:10], IMAGE.astype(np.uint8)])
def test_another_size_or_type_than_the_plate(folder: Path, image: np.ndarray) -> None:
    tifffile.imwrite(bad(folder), image)
    message = refused(folder)
    assert "plate P1: 1 of 3 image file(s) cannot be used" in message
    assert f"is {image.shape[0]}×{image.shape[1]} {image.dtype}; the plate's other images are 16×24 uint16" in message


def test_two_plates_may_differ_in_size(tmp_path: Path, export: Callable[..., Path]) -> None:
    export(tmp_path, LABELS, plate="P1")
    export(tmp_path, LABELS[:1], plate="P2", shape=(8, 8))
    assert [(index.plate, index.info().shape, len(index.table)) for index in read_folder(tmp_path)] == [
        ("P1", (16, 24), 3),
        ("P2", (8, 8), 1),
    ]


def test_byte_order_is_the_files_own_matter(folder: Path) -> None:
    tifffile.imwrite(bad(folder), IMAGE, byteorder=">", photometric="minisblack")
    info = only(read_folder(folder))
    assert info.dtype == np.dtype("uint16")
    np.testing.assert_array_equal(read_image(bad(folder)), IMAGE)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits"])
def test_a_strip_that_does_not_decode_names_its_file(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE, compression=compression, photometric="minisblack", metadata=None)
    np.testing.assert_array_equal(read_image(path), IMAGE)
    with tifffile.TiffFile(path) as tiff:
        start, size = tiff.pages.first.dataoffsets[0], tiff.pages.first.databytecounts[0]
    content = bytearray(path.read_bytes())
    content[start : start + size] = bytes(size)
    path.write_bytes(content)
    with pytest.raises(ReaderError, match=r"a.tif is not a readable TIFF: .*is the copy complete"):
        read_image(path)


def test_resolution_tags_count_only_where_the_layout_vouches_for_them(
    tmp_path: Path, export: Callable[..., Path]
) -> None:
    tags = {"resolution": (1e4 / 0.8, 1e4 / 0.8), "resolutionunit": "CENTIMETER"}
    export(tmp_path / "ours", LABELS, **tags)
    info = only(read_folder(tmp_path / "ours"))
    assert info.pixel_size == 0.8
    tifffile.imwrite(tmp_path / "Channel1-07-A-07.tif", IMAGE, **tags)
    info = only(read_folder(tmp_path, "bbbc013"))
    assert info.pixel_size is None


def test_tags_that_disagree_or_speak_of_inches_say_nothing(tmp_path: Path, export: Callable[..., Path]) -> None:
    export(tmp_path, LABELS[:1], resolution=(72, 72), resolutionunit="INCH")
    info = only(read_folder(tmp_path))
    assert info.pixel_size is None
    export(tmp_path, LABELS[:1], resolution=(5000, 5000), resolutionunit="CENTIMETER")
    export(tmp_path, LABELS[1:], resolution=(9000, 9000), resolutionunit="CENTIMETER")
    info = only(read_folder(tmp_path))
    assert info.pixel_size is None


@pytest.mark.parametrize("suffix", [".bmp", ".png"])
def test_grey_pictures_are_images(tmp_path: Path, suffix: str) -> None:
    grey = (IMAGE % 256).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / f"Channel1-07-A-07{suffix}")
    path = tmp_path / f"Channel1-07-A-07{suffix}"
    np.testing.assert_array_equal(read_image(path), grey)
    assert (read_header(path).shape, read_header(path).dtype) == ((16, 24), np.dtype("uint8"))
    Image.fromarray(np.stack([grey[::-1], 0 * grey, grey], axis=-1)).save(path)
    with pytest.raises(ReaderError, match=r"is in colour \(RGB\), .* YAML pattern with sample: 0"):
        read_image(path)
    np.testing.assert_array_equal(read_image(path, sample=2), grey)


def test_files_that_are_not_there_are_listed(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"well": ["A01", "A02"], "field": 1, "channel": "DNA", "path": [str(tmp_path / n) for n in "ab"]}
    )
    (tmp_path / "b").touch()
    index = ImageIndex("P", table, ("DNA",), "a test").without_absent_files()
    assert (list(index.table.well), index.absent) == (["A02"], (str(tmp_path / "a"),))
    nothing = ImageIndex("P", table[:1], ("DNA",), "a test").without_absent_files()
    with pytest.raises(ReaderError, match="plate P has no image: none of the 1 files it names is there"):
        nothing.info()


@pytest.mark.parametrize(
    "name", ["../a.tif", "/etc/passwd", "a/../../b", "C:\\a.tif", "..\\a.tif", "\\\\host\\a", "", "a\0b"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ReaderError, match="in its own folder or below"):
        inside(Path("export"), name)


def test_labels_are_made_canonical_or_refused() -> None:
    table = pd.DataFrame({"well": ["a1", "A02"], "field": 1, "channel": ["DNA", "X"], "path": ["a", "b"]})
    assert list(ImageIndex("P", table[:1], ("DNA",), "a test").table.well) == ["A01"]
    for channels in (("DNA", "GFP"), ("DNA", "X", "DNA")):
        with pytest.raises(ReaderError, match=r"the channels of plate P are DNA, (GFP|X, DNA), each once; its images"):
            ImageIndex("P", table, channels, "a test")
    twice = table.assign(well=["A1", "A01"], channel="DNA")
    with pytest.raises(ReaderError, match="plate P, well A01, field 1, channel DNA is both a and b"):
        ImageIndex("P", twice, ("DNA",), "a test")


def test_one_image_has_one_label(tmp_path: Path) -> None:
    rows = [("A01", 1, "DNA", "a"), ("A02", 1, "DNA", "b"), ("A02", 1, "DNA", "b")]
    table = pd.DataFrame(rows, columns=["well", "field", "channel", "path"])
    assert len(ImageIndex("P", table, ("DNA",), "a test").table) == 2  # said twice, but the same
    table.loc[2, ["well", "field"]] = ["B02", 2]
    with pytest.raises(
        ReaderError, match=r"^a test: 2 images of plate P share .*: b is of well A02 and B02, field 1 and 2"
    ):
        ImageIndex("P", table, ("DNA",), "a test")
