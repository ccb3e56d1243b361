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
    """

    table: pd.DataFrame
    channels: tuple[str, ...]
    pixel_size: float | None
    source: str

    def __post_init__(self) -> None:
        twice = self.table[self.table.duplicated(_KEYS, keep=False)].sort_values([*_KEYS, "path"])
        if not twice.empty:
            first = twice.iloc[0]
            same = twice[(twice[_KEYS] == first[_KEYS]).all(axis=1)]
            raise ReaderError(
                f"{self.source}: {len(twice.drop_duplicates(_KEYS))} image(s) are there more than once; plate "
                f"{first.plate}, well {first.well}, field {first.field}, channel {first.channel} is both "
                f"{' and '.join(Path(path).name for path in same.path[:2])}; remove one of each"
            )

    def plates(self) -> Iterator[tuple[PlateInfo, pd.DataFrame]]:
        """Yield each plate's labels and its rows, after reading the header of every file.

        Raises
        ------
        ReaderError
            If a file is not a readable 2-D image, is shorter than its header says, or differs from the others of its
            plate in size or pixel type.
        """
        for plate, rows in self.table.groupby("plate", sort=True):
            shape, dtype = _common_header(rows, str(plate))
            yield (
                PlateInfo(
                    name=str(plate),
                    wells=tuple(sorted(set(rows.well), key=parse_well)),
                    fields=tuple(sorted(set(map(int, rows.field)))),
                    channels=self.channels,
                    shape=shape,
                    dtype=dtype,
                    pixel_size=self.pixel_size,
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


def _common_header(rows: pd.DataFrame, plate: str) -> tuple[tuple[int, int], np.dtype[Any]]:
    with ThreadPoolExecutor() as pool:
        headers = list(pool.map(_header, rows.path))
    counts = Counter(headers)
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        odd = next(index for index, header in enumerate(headers) if header != usual)
        raise ReaderError(
            f"plate {plate} mixes images of different size or type: {counts[usual]} are {_describe(usual)}, but "
            f"{rows.path.iloc[odd]} is {_describe(headers[odd])}; import them as separate plates"
        )
    return headers[0]


def _header(path: str) -> tuple[tuple[int, int], np.dtype[Any]]:
    try:
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            shape, dtype = tuple(page.shape), page.dtype
            end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
    except Exception as error:
        raise ReaderError(f"{path} is not a readable TIFF: {error}; is the copy complete?") from error
    size = Path(path).stat().st_size
    if end > size:
        raise ReaderError(
            f"{path} is truncated: its header asks for {end:,} bytes, the file has {size:,}; copy it again"
        )
    if len(shape) != 2 or dtype is None or dtype.kind != "u":
        raise ReaderError(
            f"{path} holds an image of shape {shape} and type {dtype}; expected one 2-D unsigned grey image"
        )
    return (int(shape[0]), int(shape[1])), dtype.newbyteorder("=")


def _describe(header: tuple[tuple[int, int], np.dtype[Any]]) -> str:
    (rows, columns), dtype = header
    return f"{rows}×{columns} {dtype}"
