"""The form of the images in a file, and how large one may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from hcskit.errors import ReaderError

__all__ = ["Header", "check_size"]

# Values of one image, or of one chunk of a Zarr: a well stitched of 36 fields of 2,000 × 2,000 pixels has 144 million.
_MOST_VALUES = 1 << 30


@dataclass(frozen=True, slots=True)
class Header:
    """The form of a file's images.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of one image.
    dtype : numpy.dtype
        Type of the pixels, in the machine's byte order.
    pages : int
        Number of images in the file.
    pixel_size : float or None
        Edge of a pixel in micrometre, if the file says it in pixels per centimetre or as MetaXpress does.
    samples : int
        Values of a pixel: 1 where it is grey, 3 or 4 where it is in colour.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    pages: int
    pixel_size: float | None = None
    samples: int = 1

    def describe(self) -> str:
        """Return size and type in words."""
        return f"{self.shape[0]}×{self.shape[1]} {self.dtype}"


def check_size(path: object, shape: Sequence[int]) -> None:
    """Refuse an image too large to be one, before memory is made for it.

    Raises
    ------
    ReaderError
        If it has more than 2³⁰ values.
    """
    if prod(map(int, shape)) > _MOST_VALUES:
        size = "×".join(map(str, shape))
        raise ReaderError(f"{path} says that it is {size}; expected at most {_MOST_VALUES:,} values: is it damaged?")
