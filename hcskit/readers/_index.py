"""The image index: a table of image files, checked before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile

from hcskit.errors import ReaderError
from hcskit.plate import parse_well
from hcskit.screen import PlateInfo

__all__ = ["ImageIndex", "read_image"]

_KEYS = ["plate", "well", "field", "channel"]
_Header = tuple[tuple[int, int], np.dtype[Any]]


@dataclass(frozen=True)
class ImageIndex:
    """Which file holds which image.

    Attributes
    ----------
    table : pandas.DataFrame
        Columns ``plate, well, field, channel, path``; one row an image, one 2-D image a file.
    channels : tuple of str
        Channel names in order.
    pixel_size : float or None
        Edge of a pixel in micrometre.
    source : str
        The folder, and the reader that understood it.
    tagged : bool
        Where `pixel_size` is None, take it from the files' resolution tags. Only some programs write the specimen's
        pixel there; others write the camera's, or a screen's.
    """

    table: pd.DataFrame
    channels: tuple[str, ...]
    pixel_size: float | None
    source: str
    tagged: bool = False

    def __post_init__(self) -> None:
        twice = self.table[self.table.duplicated(_KEYS, keep=False)].sort_values([*_KEYS, "path"])
        if not twice.empty:
            first = twice.iloc[0]
            same = twice[(twice[_KEYS] == first[_KEYS]).all(axis=1)]
            raise ReaderError(
                f"{self.source}: {len(twice.drop_duplicates(_KEYS))} image(s) are there more than once; plate "
                f"{first.plate}, well {first.well}, field {first.field}, channel {first.channel} is both "
                f"{' and '.join(same.path[:2])}; remove one of each"
            )

    def plates(self) -> Iterator[tuple[PlateInfo, pd.DataFrame]]:
        """Yield each plate's labels and its rows, after reading the header of every file.

        Raises
        ------
        ReaderError
            If a file is not one readable 2-D image, is shorter than its header says, or differs from the others of
            its plate in size or pixel type.
        """
        for plate, rows in self.table.groupby("plate", sort=True):
            (shape, dtype), pixel_size = _common_header(rows, str(plate))
            yield (
                PlateInfo(
                    name=str(plate),
                    wells=tuple(sorted(set(rows.well), key=parse_well)),
                    fields=tuple(sorted(set(map(int, rows.field)))),
                    channels=self.channels,
                    shape=shape,
                    dtype=dtype,
                    pixel_size=pixel_size if self.pixel_size is None and self.tagged else self.pixel_size,
                    source=self.source,
                ),
                rows,
            )


def read_image(path: str | Path) -> np.ndarray[Any, Any]:
    """Read one 2-D image.

    Raises
    ------
    ReaderError
        If the file cannot be decoded.
    """
    try:
        return np.asarray(tifffile.imread(path, key=0))
    except Exception as error:
        raise ReaderError(f"{path} cannot be read as an image: {error}; is the copy complete?") from error


def _common_header(rows: pd.DataFrame, plate: str) -> tuple[_Header, float | None]:
    with ThreadPoolExecutor() as pool:
        headers, sizes = zip(*pool.map(_header, rows.path), strict=True)
    counts = Counter(headers)
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        odd = next(index for index, header in enumerate(headers) if header != usual)
        raise ReaderError(
            f"plate {plate} mixes images of different size or type: {counts[usual]} are {_describe(usual)}, but "
            f"{rows.path.iloc[odd]} is {_describe(headers[odd])}; import them as separate plates"
        )
    return headers[0], sizes[0] if len(set(sizes)) == 1 else None


def _header(path: str) -> tuple[_Header, float | None]:
    try:
        with tifffile.TiffFile(path) as tiff:
            page, pages = tiff.pages.first, len(tiff.pages)
            shape, dtype = tuple(page.shape), page.dtype
            end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
            # A decoder takes a strip of no bytes for zeros: the file was not written to its end.
            whole = all(page.databytecounts)
            pixel_size = _pixel_size(page)
    except Exception as error:
        raise ReaderError(f"{path} is not a readable TIFF: {error}; is the copy complete?") from error
    size = Path(path).stat().st_size
    if end > size or not whole:
        raise ReaderError(
            f"{path} is truncated: its header asks for {end:,} bytes, the file has {size:,}"
            f"{'' if whole else ' and parts that were never written'}; copy it again"
        )
    if pages != 1 or len(shape) != 2 or dtype is None or dtype.kind != "u":
        raise ReaderError(
            f"{path} holds {pages} image(s) of shape {shape} and type {dtype}; expected one 2-D unsigned grey image"
        )
    return ((int(shape[0]), int(shape[1])), dtype.newbyteorder("=")), pixel_size


def _pixel_size(page: Any) -> float | None:
    """Edge of a pixel in micrometre, if the file says it in pixels per centimetre."""
    pixels, centimetres = page.tags.valueof("XResolution", default=(0, 1))
    if not pixels or page.tags.valueof("ResolutionUnit") != tifffile.RESUNIT.CENTIMETER:
        return None
    return float(f"{1e4 * centimetres / pixels:.6g}")  # the tag is a fraction of whole numbers


def _describe(header: _Header) -> str:
    (rows, columns), dtype = header
    return f"{rows}×{columns} {dtype}"
