"""TIFF, read strictly: a file whose header is damaged is refused, and never read as other pixels.

tifffile reads as much as it can, and logs what is wrong. Here each error that it logs is raised, and what it does not
look at is checked: the number of bytes that the header gives each strip or tile, and that LZW decodes to, is that of
its pixels, but for a few; nothing lies over anything else; the tags that say how pixels are stored are whole numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from hcskit.errors import ReaderError
from hcskit.inputs import open_file

__all__ = ["check_page", "decode_page", "open_tiff"]

_strict: ContextVar[bool] = ContextVar("_strict", default=False)
_LEAST_PRIVATE = 32768  # tags from here on are private; each one below is known
_WHOLE = frozenset({1, 3, 4, 13, 16})  # types of whole numbers, without a sign
# ImageWidth … SampleFormat: where the pixels are, and how they are stored.
_LAYOUT = frozenset({256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 339})
# Texts, resolutions and chromaticities, which a damaged number of a tag of _LAYOUT may become.
_NO_NUMBERS = frozenset({269, 270, 271, 272, 282, 283, 285, 286, 287, 305, 306, 315, 316, 318, 319, 333, 337})
_SHORT_OR_LONG = frozenset({3, 4, 16})
_PLAIN, _LZW = 1, 5
_BYTES = frozenset({8, 16, 32})  # bits of a sample that are whole bytes
_FAX = frozenset({2, 3, 4})  # of pages of one bit
_FLOATING_POINT = 3  # the predictor


class _RaiseErrors(logging.Filter):
    """Raises what tifffile logs as an error while we read; its warnings are about what is no part of the pixels."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not _strict.get():
            return True
        if record.levelno >= logging.ERROR:
            raise tifffile.TiffFileError(record.getMessage())
        return False


logging.getLogger("tifffile").addFilter(_RaiseErrors())


@contextmanager
def open_tiff(path: str | Path) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF; whatever is wrong with it in the block is an error that names it.

    Raises
    ------
    ReaderError
        If it is not a whole TIFF.
    """
    token = _strict.set(True)
    try:
        with open_file(path) as file, tifffile.TiffFile(file) as tiff:
            yield tiff
    except ReaderError:
        raise
    except Exception as error:  # tifffile raises errors of any kind
        raise ReaderError(f"{path} is not a readable TIFF: {error}; is the copy complete?") from error
    finally:
        _strict.reset(token)


def check_page(page: Any) -> None:
    """Check what the header says of an image against itself.

    Raises
    ------
    ValueError
        If two of its statements contradict each other.
    """
    lacking = _LAYOUT.difference(tag.code for tag in page.tags)
    for tag in page.tags:
        # A tag that nobody knows may be private, or one of ours of which a bit was flipped.
        private = tag.code >= _LEAST_PRIVATE and not lacking & {tag.code ^ 1 << bit for bit in range(16)}
        known = tag.code in tifffile.TIFF.TAGS or private
        wrong = (
            tag.dtype not in _WHOLE if tag.code in _LAYOUT else tag.code in _NO_NUMBERS and tag.dtype in _SHORT_OR_LONG
        )
        if not known or wrong:
            raise ValueError(f"its header has a damaged tag, {tag.code}")
    if page.compression in _FAX or (page.predictor == _FLOATING_POINT and page.dtype.kind != "f"):
        raise ValueError("its compression is not one of its type of pixels")
    if not prod(page.shape) or len(page.dataoffsets) != len(page.databytecounts):
        raise ValueError("its header contradicts itself")
    if page.compression == _PLAIN and list(page.databytecounts) != _plain_sizes(page):
        raise ValueError("its header has another number of bytes than its pixels need")
    _check_places(page)


def _plain_sizes(page: Any) -> list[int]:
    """Return how many bytes each strip or tile of an uncompressed image has."""
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    width = page.tilewidth if page.is_tiled else page.imagewidth
    row = ceil(width * samples * page.bitspersample / 8)
    if page.is_tiled:
        return [row * page.tilelength] * prod(page.chunked)
    rows = [min(page.rowsperstrip, page.imagelength - top) for top in range(0, page.imagelength, page.rowsperstrip)]
    return [row * count for count in rows] * (1 if page.planarconfig == 1 else page.samplesperpixel)


def _check_places(page: Any) -> None:
    form = page.parent.tiff
    taken = [(0, form.offsetsize * 2), (page.offset, page.offset + form.tagnosize + len(page.tags) * form.tagsize)]
    taken += [(tag.valueoffset, tag.valueoffset + tag.valuebytecount) for tag in page.tags if not _is_inline(tag, form)]
    taken += [(start, start + size) for start, size in zip(page.dataoffsets, page.databytecounts, strict=True) if size]
    if any(end > start for (_, end), (start, _) in pairwise(sorted(taken))):
        raise ValueError("its header puts two things in one place")


def _is_inline(tag: Any, form: Any) -> bool:
    return bool(tag.offset <= tag.valueoffset < tag.offset + form.tagsize)


def decode_page(page: Any) -> npt.NDArray[Any]:
    """Return the pixels of an image that `check_page` has checked.

    Raises
    ------
    ValueError
        If they cannot be decoded, or a strip decodes to another number of bytes than its pixels have.
    """
    is_simple = page.planarconfig == page.fillorder == 1 and page.bitspersample in _BYTES
    if page.compression == _LZW and is_simple and not page.is_tiled:
        return _decode_lzw(page)
    return np.asarray(page.asarray(maxworkers=1))  # errors are raised in this thread alone


def _decode_lzw(page: Any) -> npt.NDArray[Any]:
    """Decode strips of LZW, which has no checksum and which tifffile lets end early or late.

    Some writers let a strip decode to a few bytes too many. Were the width or the height wrong, there would be a column
    or a row of them.
    """
    decompress, sizes = tifffile.TIFF.DECOMPRESSORS[_LZW], _plain_sizes(page)
    segments = page.parent.filehandle.read_segments(page.dataoffsets, page.databytecounts)
    row = sizes[0] // min(page.rowsperstrip, page.imagelength)
    pixel = row // page.imagewidth
    strips = []
    for (data, *_), size in zip(segments, sizes, strict=True):
        most = size + min(row, pixel * size // row)
        strip = decompress(data, out=most)
        if not size <= len(strip) < most:
            raise ValueError("a strip decodes to another number of bytes than its pixels have")
        strips.append(strip[:size])
    by_bytes = page.predictor == _FLOATING_POINT
    dtype = page.dtype if by_bytes else page.dtype.newbyteorder(page.parent.byteorder)
    image = np.frombuffer(b"".join(strips), dtype).reshape(*page.shaped[2:]).astype(page.dtype)
    if page.predictor != 1:
        image = tifffile.TIFF.UNPREDICTORS[page.predictor](image, axis=-2, out=None if by_bytes else image)
    return image.reshape(page.shape)
