"""The images of a Zarr array."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hcskit.errors import ReaderError
from hcskit.readers.toolkit._header import Header
from hcskit.readers.toolkit._zarr_json import ZarrArray, read_zarr_array

__all__ = ["read_array_header", "read_array_image"]


def read_array_header(path: str | Path) -> Header:
    """Read the form of an array's images; no pixel is read.

    Raises
    ------
    ReaderError
        If it is not there, or is not safe and fit to be read.
    """
    array = _checked(Path(path))
    return Header((array.shape[-2], array.shape[-1]), array.dtype, prod(array.shape[:-2]))


def read_array_image(path: str | Path, page: int) -> npt.NDArray[Any]:
    """Read one 2-D image of an array; its metadata are checked before the zarr library opens it.

    Raises
    ------
    ReaderError
        As `read_array_header`.
    """
    import zarr  # slow to import, and not needed where no array is read

    checked = _checked(Path(path))
    array: Any = zarr.open_array(str(path), mode="r", zarr_format=checked.format)  # type: ignore[arg-type]
    return np.asarray(array[np.unravel_index(page, checked.shape[:-2])])


def _checked(path: Path) -> ZarrArray:
    array = read_zarr_array(path)
    if array is None:
        raise ReaderError(f"{path} is not a Zarr array: it has neither zarr.json nor .zarray; is the copy complete?")
    return array
