"""What a curve model is: the one interface between a formula and the engine that fits it.

A model is linear in some of its parameters, once the others, its *shape*, are given. The engine solves the linear ones
exactly and searches only the shape (variable projection; Golub & Pereyra, SIAM J. Numer. Anal. 10:413, 1973).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["LN10", "Axis", "CurveModel", "Floats"]

Floats = NDArray[np.float64]
LN10 = float(np.log(10.0))


@dataclass(frozen=True, slots=True)
class Axis:
    """Where one parameter of the shape is sought.

    Attributes
    ----------
    name : str
        Name of the parameter.
    grid : ndarray of float, shape (node,)
        Evenly spaced, rising values at which the search starts. The first and the last are the parameter's bounds.
    beyond : tuple of float
        Limiting values past the bounds. A fit never has them, but an interval takes them into account.
    """

    name: str
    grid: Floats
    beyond: tuple[float, ...] = field(default=())

    @property
    def low(self) -> float:
        """Lower bound."""
        return float(self.grid[0])

    @property
    def high(self) -> float:
        """Upper bound."""
        return float(self.grid[-1])

    @property
    def cell(self) -> float:
        """Distance between two nodes."""
        return float(self.grid[1] - self.grid[0])


@runtime_checkable
class CurveModel(Protocol):
    """A family of concentration-response curves.

    The first parameter of a shape is a location on the axis of log10 concentration: adding a number to it moves the
    curve by as many decades and changes nothing else. A model without a shape is a constant.
    """

    @property
    def name(self) -> str:
        """Name of the model, as its entry point has it."""

    @property
    def linear(self) -> tuple[str, ...]:
        """Names of the linear parameters: each is a response, the first that without compound."""

    def axes(self, low: float, high: float) -> tuple[Axis, ...]:
        """Return one axis for each parameter of the shape, the location first.

        Parameters
        ----------
        low, high : float
            log10 of the lowest and the highest tested concentration above zero.
        """

    def __hash__(self) -> int:
        """Models of the same formula are equal, so that what is computed for one is found again for the other."""

    def basis(self, log_c: Floats, *shape: Floats) -> Floats:
        """Return what each linear parameter contributes to the response.

        Parameters
        ----------
        log_c : ndarray of float, shape (..., level)
            log10 concentrations; -inf is zero.
        *shape : ndarray of float, shape (..., 1)
            Parameters of the shape, in the order of `axes`; they broadcast against `log_c`.

        Returns
        -------
        ndarray of float, shape (linear, ..., level)
            For each concentration the contributions sum to one, so that raising every linear parameter by some amount
            raises the whole response by that amount.
        """

    def inverse(self, share: float, *shape: Floats) -> Floats:
        """Return the log10 concentration at which the response has first gone a share of its way.

        Parameters
        ----------
        share : float
            Between 0 (the first linear parameter) and 1 (the last).
        *shape : ndarray of float
            As in `basis`; the result has their broadcast shape.
        """
