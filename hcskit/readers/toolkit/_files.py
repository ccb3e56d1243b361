"""Image files: their headers, checked, and their pixels; TIFF, pictures, containers, and the arrays of an OME-Zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from hcskit.errors import ReaderError
from hcskit.inputs import open_file
from hcskit.readers.toolkit._containers import CONTAINERS, format_of, read_container_header, read_container_image
from hcskit.readers.toolkit._header import Header, check_size
from hcskit.readers.toolkit._metamorph import metamorph_pixel_size, metamorph_properties
from hcskit.readers.toolkit._tiff import check_page, decode_page, open_tiff
from hcskit.readers.toolkit._zarr_images import read_array_header, read_array_image

__all__ = [
    "IMAGE_SUFFIXES",
    "WHOLE",
    "check_alone",
    "describe_samples",
    "read_header",
    "read_image",
    "read_pixels",
]

_TIFF = frozenset({".tif", ".tiff", ".flex"})  # an Opera's is a TIFF of several images
_PICTURE = frozenset({".png", ".bmp", ".jpg", ".jpeg"})
#: How the names of image files end, in lower case.
IMAGE_SUFFIXES = _TIFF | _PICTURE | {suffix for one in CONTAINERS.values() for suffix in one.suffixes}
#: The sample of an image that has one for each pixel: the image itself.
WHOLE = -1
_RGB = ("RGB", "RGBA")
_AS_COLOUR = ("1", "P", "PA", "LA", "CMYK", "YCbCr")  # Pillow makes RGB of them; no plate is imported from them
# A decoder takes a strip of no bytes for zeros.
_UNWRITTEN = "parts that were never written"
_GREY = {"1": None, "L": np.dtype("uint8"), "I;16": np.dtype("uint16"), "I": np.dtype("uint16")}


def read_header(path: str | Path) -> Header:
    """Read and check a file's header; no pixel is read.

    Raises
    ------
    ReaderError
        If it is not an image of unsigned integers or 32-bit floats, or is shorter than it says.
    """
    suffix = Path(path).suffix.lower()
    try:
        if suffix in _TIFF:
            return _tiff_header(path)
        if suffix in _PICTURE:
            return _picture_header(path)
        if format_of(path) is not None:
            return read_container_header(path)
        return read_array_header(path)
    except ReaderError:
        raise
    except Exception as error:
        kind = "TIFF" if suffix in _TIFF else "image"
        raise ReaderError(f"{path} is not a readable {kind}: {error}; is the copy complete?") from error


def check_alone(path: str | Path, images: int) -> None:
    """Refuse a file of several images where only one is labelled."""
    if images > 1:
        raise ReaderError(f"{path} holds {images} images, and nothing says what the others are of; expected one image")


def read_image(path: str | Path, page: int | None = None, sample: int = WHOLE) -> npt.NDArray[Any]:
    """Read one 2-D image.

    Parameters
    ----------
    path : path-like
        An image file, or the folder of a Zarr array.
    page : int, optional
        Which of the file's images, counted from zero; by default the only one.
    sample : int
        Of an image in colour, which of its values: 0 is red, 1 green and 2 blue. By default it must be a grey one that
        was saved in colour: one of its values tells the others, as in a false colour or in three equal copies.

    Raises
    ------
    ReaderError
        If it cannot be decoded, is not the only one, or has several values where one is expected.
    """
    return _one_sample(path, read_pixels(path, page), sample)


def read_pixels(path: str | Path, page: int | None = None) -> npt.NDArray[Any]:
    """Read one image as it is, (y, x) or, in colour, (y, x, sample).

    Parameters
    ----------
    path, page
        As `read_image` takes them.

    Raises
    ------
    ReaderError
        If it cannot be decoded, is truncated, or is not the only one.
    """
    suffix = Path(path).suffix.lower()
    try:
        if suffix in _TIFF:
            return _tiff_image(path, page)
        if suffix in _PICTURE:
            with open_file(path) as file, Image.open(file) as picture:
                check_size(path, picture.size)
                return _picture_image(picture)
        if format_of(path) is not None:
            return read_container_image(path, page or 0)
        return read_array_image(path, page or 0)
    except ReaderError:
        raise
    except Exception as error:
        raise ReaderError(f"{path} cannot be read as an image: {error}; is the copy complete?") from error


def _tiff_header(path: str | Path) -> Header:
    with open_tiff(path) as tiff:
        page = tiff.pages.first
        shape, dtype = tuple(page.shape), page.dtype
        header = _checked_form(path, shape, dtype, len(tiff.pages), _pixel_size(page))
        size = tiff.filehandle.size
        end, whole = 0, True
        for one in tiff.pages:
            end = max(end, max(map(sum, zip(one.dataoffsets, one.databytecounts, strict=True)), default=0))
            whole = whole and all(one.databytecounts)
        if end > size or not whole:
            raise ReaderError(
                f"{path} is truncated: its header asks for {end:,} bytes, the file has {size:,}"
                f"{'' if whole else f' and {_UNWRITTEN}'}; copy it again"
            )
        for one in tiff.pages:
            check_page(one)
    return header


def _checked_form(
    path: str | Path, shape: tuple[int, ...], dtype: np.dtype[Any] | None, pages: int, pixel_size: float | None
) -> Header:
    samples = shape[2] if len(shape) == 3 and shape[2] in (3, 4) else 1
    if len(shape) - (samples > 1) != 2 or dtype is None or not _is_storable(dtype):
        raise ReaderError(
            f"{path} holds images of shape {shape} and type {dtype}; expected 2-D images of unsigned integers of at "
            "most 32 bits, or of 32-bit floats"
        )
    check_size(path, shape)
    return Header((int(shape[0]), int(shape[1])), dtype.newbyteorder("="), pages, pixel_size, samples)


def _is_storable(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "uf" and (dtype.itemsize <= 4 if dtype.kind == "u" else dtype.itemsize == 4)


def _one_sample(path: str | Path, image: npt.NDArray[Any], sample: int) -> npt.NDArray[Any]:
    """Return the wanted sample of an image; of one in colour, where none is, that which tells the others."""
    samples = image.shape[2] if image.ndim == 3 else 1
    if image.ndim == 2 and sample == WHOLE:
        return image
    if samples > 1 and sample == WHOLE and (grey := _telling(image)) is not None:
        return grey
    if not 0 <= sample < samples:
        raise ReaderError(f"{path} {describe_samples(samples)}")
    return np.ascontiguousarray(image[..., sample])


def _telling(image: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """Return the sample of a colour image (y, x, sample) that the others are functions of; None if there is none."""
    if image.dtype.kind != "u" or image.dtype.itemsize > 2:
        return None
    samples = [np.ascontiguousarray(image[..., number]) for number in range(image.shape[2])]
    grey = max(samples, key=lambda own: (np.count_nonzero(np.bincount(own.ravel())), own.sum(dtype=np.uint64)))
    for other in samples:
        told = np.zeros(int(grey.max()) + 1, image.dtype)
        told[grey] = other
        if (told[grey] != other).any():
            return None
    return grey


def describe_samples(samples: int) -> str:
    """Say that a file has another number of samples than the index wants, and what to do."""
    if samples == 1:
        return "is a grey image, not RGB; expected no sample to be chosen"
    return (
        "is in colour (RGB), and its red, green and blue differ in more than a false colour, so nothing says which is "
        "the image; describe the names in a YAML pattern with sample: 0 (red), 1 (green) or 2 (blue), or with samples: "
        "for one channel each"
    )


def _tiff_image(path: str | Path, page: int | None) -> npt.NDArray[Any]:
    with open_tiff(path) as tiff:
        if page is None:
            check_alone(path, len(tiff.pages))
        one = tiff.pages[page or 0]
        if not all(one.databytecounts):
            raise ReaderError(f"{path} is truncated: it has {_UNWRITTEN}; copy it again")
        check_size(path, one.shape)
        check_page(one)
        return decode_page(one)


def _picture_header(path: str | Path) -> Header:
    with open_file(path) as file, Image.open(file) as picture:
        check_size(path, picture.size)
        samples = len(picture.getbands()) if picture.mode in _RGB else 1
        return Header((picture.height, picture.width), _pixel_type(picture), 1, samples=samples)


def _picture_image(picture: Image.Image) -> npt.NDArray[Any]:
    if picture.mode in _AS_COLOUR and not _is_grey_palette(picture):
        return np.asarray(picture.convert("RGB"))
    return np.asarray(picture).astype(_pixel_type(picture))


def _pixel_type(picture: Image.Image) -> np.dtype[Any]:
    if picture.mode in _RGB or _is_grey_palette(picture):
        return np.dtype("uint8")
    dtype = _GREY.get(picture.mode)
    if dtype is None:
        raise ReaderError(f"this is a picture of mode {picture.mode}; expected grey of 8 or 16 bits")
    return dtype


def _is_grey_palette(picture: Image.Image) -> bool:
    """Tell whether a picture has a palette of which each colour is its own number."""
    if picture.mode != "P":
        return False
    colours = np.array(picture.getpalette()).reshape(-1, 3)
    return bool((colours == np.arange(len(colours))[:, np.newaxis]).all())


def _pixel_size(page: Any) -> float | None:
    if properties := metamorph_properties(page.description):
        return metamorph_pixel_size(properties)
    pixels, centimetres = page.tags.valueof("XResolution", default=(0, 1))
    if not pixels or page.tags.valueof("ResolutionUnit") != tifffile.RESUNIT.CENTIMETER:
        return None
    return float(f"{1e4 * centimetres / pixels:.6g}")  # the tag is a fraction of whole numbers
