"""A vendor's illumination of one channel: a polynomial over the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

__all__ = ["Flatfield"]


@dataclass(frozen=True, slots=True)
class Flatfield:
    r"""Relative brightness :math:`\sum_n \sum_{i \le n} c_{ni} u^{n-i} v^i`; correct an image by dividing by it.

    Of column x and row y (which counts downwards), :math:`u = (x - x_0) s_x` and :math:`v = (y - y_0) s_y`.

    Attributes
    ----------
    coefficients : tuple of tuple of float
        One tuple for each degree n, with n + 1 coefficients, from the power of x alone to that of y alone.
    origin : tuple of float
        Pixel (x, y) at the centre.
    scale : tuple of float
        Size (x, y) of a pixel in the polynomial's own unit.

    Examples
    --------
    >>> Flatfield(((1.0,), (0.5, 0.0)), origin=(1.0, 0.0)).draw((1, 3))
    array([[0.5, 1. , 1.5]], dtype=float32)
    """

    coefficients: tuple[tuple[float, ...], ...] = ((1.0,),)
    origin: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def from_dict(cls, lists: Mapping[str, Any]) -> Self:
        """Read a flat field from plain lists, as JSON has them."""
        x, y = lists["origin"]
        u, v = lists["scale"]
        return cls(tuple(map(tuple, lists["coefficients"])), (x, y), (u, v))

    def draw(self, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Return the illumination over an image of this shape (y, x)."""
        u = (np.arange(shape[1]) - self.origin[0]) * self.scale[0]
        v = ((np.arange(shape[0]) - self.origin[1]) * self.scale[1])[:, np.newaxis]
        light: npt.NDArray[Any] = np.zeros(shape)
        for degree, row in enumerate(self.coefficients):
            for power, coefficient in enumerate(row):
                light += coefficient * u ** (degree - power) * v**power
        return light.astype(np.float32)
