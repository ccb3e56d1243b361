"""A model to fit to a design: for a given shape the linear parameters have a closed solution, limits included."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hcskit.response._design import Design
from hcskit.response._model import CurveModel, Floats

__all__ = ["Columns", "Lines", "Problem", "best_lines"]

_NO_CHANGE = 1e-24  # square of the relative change of a column over the wells below which it is rounding
_TINY = 1e-280  # sum of squares below which products lose digits


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Two-column bases as straight lines in one of the columns, the smaller one, which keeps its digits.

    The response is ``level + change * (column - centre)``.

    Attributes
    ----------
    line : ndarray of float, shape (..., level)
        The column around its mean, scaled by the root of the weight, without what plates differ by.
    centre, spread : ndarray of float, shape (...)
        Mean of the column, and sum of squares of `line`; infinite where it does not change.
    rising : ndarray of bool, shape (...)
        Whether the column is that of the last linear parameter.
    """

    line: Floats
    centre: Floats
    spread: Floats
    rising: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Columns with the level and the change of the line through them."""

    columns: Columns
    level: Floats
    change: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A model to fit to a design.

    Attributes
    ----------
    model : CurveModel
        What to fit.
    design : Design
        The wells.
    limits : ndarray of float, shape (curve, linear, 2), or None
        Lowest and highest value of each linear parameter, in the batch's scaled units.
    share : float, optional
        The first parameter of a shape then is not the model's location but the log10 concentration at which the
        response has gone this share of its way.
    falling : bool
        Whether that is meant of the falling flank of a bell.
    """

    model: CurveModel
    design: Design
    limits: Floats | None = None
    share: float | None = None
    falling: bool = False

    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> Problem:
        return replace(self, limits=None if self.limits is None else self.limits[chosen])

    def basis(self, shape: Floats, log_c: Floats | None = None) -> Floats:
        """Return the basis, shape (linear, ..., level), of shapes, shape (..., parameter)."""
        parameters = [shape[..., i, None] for i in range(shape.shape[-1])]
        if self.share is not None:
            parameters[0] = parameters[0] - self.place(np.zeros_like(parameters[0]), *parameters[1:])
        with np.errstate(over="ignore"):  # a steep curve reaches its asymptotes by way of infinity
            return self.model.basis(self.design.log_c if log_c is None else log_c, *parameters)

    def place(self, *shape: Floats) -> Floats:
        """Return the log10 concentration that `share` asks for, of a shape of the model."""
        share = 0.5 if self.share is None else self.share
        if self.falling:
            return np.asarray(self.model.descent(share, *shape))  # type: ignore[attr-defined]
        return self.model.inverse(share, *shape)

    def columns(self, shape: Floats) -> Columns:
        """Return the columns of shapes, shape (..., parameter)."""
        basis = self.basis(shape)
        weight, root = self.design.weight, np.sqrt(self.design.weight)
        total = weight.sum()
        centre = basis[-1] @ weight / total
        rising = centre < 0.5
        column = np.where(rising[..., None], basis[-1], basis[0])
        centre = np.where(rising, centre, column @ weight / total)
        line = column - centre[..., None]
        line *= root
        line = self.design.without_offsets(line)
        spread = np.einsum("...l,...l->...", line, line)
        changes = spread > np.maximum(_NO_CHANGE * total * centre**2, _TINY)
        return Columns(line, centre, np.where(changes, spread, np.inf), rising)

    def explained(self, target: Floats, shape: Floats, curves: NDArray[np.int64]) -> Floats:
        """Return what points of the shape, (curve, point, parameter), explain of each curve: (curve, point)."""
        columns = self.columns(shape)
        product = np.einsum("kpl,kl->kp", columns.line, target)
        limits = None if self.limits is None else self.limits[curves][:, None]
        return best_lines(columns, product, self.design.total, limits)[0]

    def lines(self, target: Floats, shape: Floats) -> Lines:
        """Return the best straight line for every shape, (point, parameter), of one curve."""
        columns = self.columns(shape)
        return Lines(columns, *best_lines(columns, columns.line @ target[0], self.design.total, self.limits)[1:])

    def flat(self, count: int) -> Floats:
        """Return what a constant explains: nothing, or less if limits keep it from the average."""
        level = self.linear(np.zeros((count, len(self.design.log_c))), np.empty((count, 0)))[:, 0]
        return -self.design.total * level**2

    def linear(self, target: Floats, shape: Floats) -> Floats:
        """Return the linear parameters, shape (curve, linear), for one shape a curve."""
        if len(self.model.linear) == 1:
            level = np.zeros((len(target), 1))
            return level if self.limits is None else np.clip(level, self.limits[..., 0], self.limits[..., 1])
        columns = self.columns(shape)
        product = np.einsum("kl,kl->k", columns.line, target)
        _, level, change = best_lines(columns, product, self.design.total, self.limits)
        start, end = level - change * columns.centre, level + change * (1.0 - columns.centre)
        up = columns.rising
        return np.stack([np.where(up, start, end), np.where(up, end, start)], axis=-1)


def best_lines(columns: Columns, product: Floats, total: float, limits: Floats | None) -> tuple[Floats, Floats, Floats]:
    """Return what the best straight line explains, its level and its change.

    `product` is that of line and target. With limits the best line that keeps to them: the free one if it does, else
    one with an end on a limit.
    """
    change = product / columns.spread
    if limits is None:
        return change * product, np.zeros_like(change), change
    up, centre = columns.rising, columns.centre
    ends = [np.where(up, limits[..., i, j], limits[..., 1 - i, j]) for i in (0, 1) for j in (0, 1)]
    low0, high0, low1, high1 = ends
    start, end = -change * centre, change * (1.0 - centre)
    free = (start >= low0) & (start <= high0) & (end >= low1) & (end <= high1)
    best, level = np.where(free, change * product, -np.inf), np.zeros_like(change)
    spread = np.where(np.isfinite(columns.spread), columns.spread, 0.0)
    tiny = np.finfo(float).tiny
    for fixed, share, sign, low, high in (
        (low0, centre, 1.0, low1, high1),
        (high0, centre, 1.0, low1, high1),
        (low1, 1.0 - centre, -1.0, low0, high0),
        (high1, 1.0 - centre, -1.0, low0, high0),
    ):
        known = np.where(np.isfinite(fixed), fixed, 0.0)
        slope = (sign * product - total * known * share) / np.maximum(spread + total * share**2, tiny)
        slope = np.clip(known + slope, low, high) - known
        gained = 2 * sign * slope * product - slope**2 * spread - total * (known + slope * share) ** 2
        better = np.isfinite(fixed) & (gained > best)
        best = np.where(better, gained, best)
        change = np.where(better, sign * slope, change)
        level = np.where(better, known + slope * share, level)
    return best, level, change
