"""The form of the images in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Header"]


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
        Values of a pixel: 1 where it is grey, 3 where a grey image was saved as RGB.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    pages: int
    pixel_size: float | None = None
    samples: int = 1

    def describe(self) -> str:
        """Return size and type in words."""
        return f"{self.shape[0]}×{self.shape[1]} {self.dtype}"
