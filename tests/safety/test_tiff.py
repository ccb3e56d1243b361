"""A TIFF whose header is damaged is read as its exact pixels, or is refused with its name: nothing in between."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from hcskit.errors import ReaderError
from hcskit.readers.toolkit import read_header, read_image

IMAGE = np.random.default_rng(13).integers(0, 4000, (24, 40)).astype(np.uint16)
FORMS: dict[str, dict[str, Any]] = {
    "uncompressed": {},
    "uncompressed strips, big endian": {"rowsperstrip": 8, "byteorder": ">"},
    "deflate": {"compression": "zlib", "rowsperstrip": 8},
    "LZW": {"compression": "lzw"},
    "LZW with a predictor, as Harmony writes it": {"compression": "lzw", "predictor": True, "rowsperstrip": 10},
    "Zstandard": {"compression": "zstd"},
    "PackBits": {"compression": "packbits"},
    "BigTIFF": {"bigtiff": True},
}

EVERY_BIT = ("uncompressed", "LZW with a predictor, as Harmony writes it")


def written(**options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, IMAGE, metadata=None, **options)
    return file.getvalue()


def header_bytes(data: bytes) -> list[int]:
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        pixels = [range(start, start + size) for start, size in zip(page.dataoffsets, page.databytecounts, strict=True)]
    return [place for place in range(len(data)) if not any(place in one for one in pixels)]


def flipped(data: bytes, step: int) -> Iterator[tuple[int, bytes]]:
    bits = [8 * place + bit for place in header_bytes(data) for bit in range(8)]
    for bit in bits[::step]:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bit, bytes(damaged)


def attempt(path: Path) -> tuple[np.ndarray | None, str]:
    try:
        read_header(path)
        return read_image(path), ""
    except ReaderError as error:
        return None, str(error)


def is_exact(image: np.ndarray) -> bool:
    return image.dtype == IMAGE.dtype and image.shape == IMAGE.shape and bool((image == IMAGE).all())


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_flipped_bit_of_a_header_gives_the_pixels_or_an_error(tmp_path: Path, form: str) -> None:
    data, path = written(**FORMS[form]), tmp_path / "image.tif"
    outcomes = []
    for place, damaged in flipped(data, 1 if form in EVERY_BIT else 7):
        path.write_bytes(damaged)
        image, told = attempt(path)
        assert is_exact(image) if image is not None else str(path) in told, f"bit {place} of {form}"
        outcomes.append(image is not None)
    assert len(outcomes) > (1000 if form in EVERY_BIT else 200)
    assert 0.2 < np.mean(outcomes) < 0.8  # most bits of a header say nothing of the pixels, but many do


@pytest.mark.parametrize("form", FORMS)
def test_the_strict_reader_reads_what_is_whole(tmp_path: Path, form: str) -> None:
    (tmp_path / "image.tif").write_bytes(written(**FORMS[form]))
    assert is_exact(read_image(tmp_path / "image.tif"))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("predictor", [False, True])
def test_lzw_is_decoded_as_tifffile_does(tmp_path: Path, dtype: type, order: str, predictor: bool) -> None:
    image = (IMAGE[:, :, np.newaxis] // np.array([1, 16, 3], dtype=np.uint16)).astype(dtype)
    options: dict[str, Any] = {"compression": "lzw", "predictor": predictor, "rowsperstrip": 7, "byteorder": order}
    for number, one in enumerate((image[..., 0], image)):
        path = tmp_path / f"{number}.tif"
        tifffile.imwrite(path, one, photometric="rgb" if one.ndim == 3 else "minisblack", **options)
        sample = {} if one.ndim == 2 else {"sample": 1}
        np.testing.assert_array_equal(read_image(path, **sample), one if one.ndim == 2 else one[..., 1])


def test_a_byte_count_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path, data = tmp_path / "image.tif", written()
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        place = tiff.pages.first.tags["StripByteCounts"].valueoffset
    path.write_bytes(data[:place] + struct.pack("<I", IMAGE.nbytes - 2) + data[place + 4 :])
    for read in (read_header, read_image):
        with pytest.raises(ReaderError, match=r"image\.tif .*another number of bytes than its pixels need"):
            read(path)


def test_what_others_read_with_tifffile_meanwhile_is_none_of_our_business(tmp_path: Path) -> None:
    """tifffile's errors are raised in our reading alone."""
    data = written(compression="zlib", rowsperstrip=8)
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        tag = tiff.pages.first.tags["RowsPerStrip"]
    damaged = data[: tag.valueoffset] + struct.pack("<H", 7) + data[tag.valueoffset + 2 :]
    (tmp_path / "image.tif").write_bytes(damaged)
    with pytest.raises(ReaderError, match="incorrect StripByteCounts count"):
        read_header(tmp_path / "image.tif")
    with tifffile.TiffFile(io.BytesIO(damaged)) as tiff:
        assert tiff.pages.first.shape == IMAGE.shape


def test_a_declared_size_makes_no_memory(tmp_path: Path) -> None:
    path, data = tmp_path / "image.tif", bytearray(written(compression="zlib"))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as tiff:
        tags = [tiff.pages.first.tags[name] for name in ("ImageWidth", "ImageLength", "RowsPerStrip")]
    for tag in tags:
        data[tag.offset + 2 : tag.offset + 12] = struct.pack("<HII", 4, 1, 1_000_000_000)
    path.write_bytes(bytes(data))
    for read in (read_header, read_image):
        with pytest.raises(ReaderError, match=r"image\.tif says that it is 1000000000×1000000000"):
            read(path)
