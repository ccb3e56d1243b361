"""All curves of a batch at once: the sum of squares of every curve on a whole grid of shapes, then an exact optimum.

The basis depends on the concentrations only. Its projection is computed once for a grid of shapes, and one matrix
product gives what every shape explains of every curve: no starting values, and a local optimum does not go unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcskit.response._design import Batch
from hcskit.response._model import Floats
from hcskit.response._newton import maximise
from hcskit.response._problem import Columns, Problem, best_lines

__all__ = ["Grid", "Optimum", "Profile", "Survey", "optimise"]

_BLOCK = 2_000_000  # nodes times curves that are looked at together
_HOPELESS = 0.25  # of the total: what explains less than the best by more is not worth a look
_FINE = 0.02  # of a cell: unit of the last steps, fine enough for ridges that are all but flat
_ROUNDS = 100
_TRIAL = 4  # steps after which a start that lags behind by more than a share of the total is given up
_HOPE = 2e-3
_STARTS = 3  # local optima of the grid that are followed


class Grid:
    """What every node of the axes explains of every curve.

    Attributes
    ----------
    axes : tuple of Axis
        Of the model.
    values : tuple of ndarray
        Nodes of each axis, with the values beyond its bounds at the end.
    """

    def __init__(self, problem: Problem) -> None:
        tested = problem.design.tested
        self.axes = problem.model.axes(float(tested[0]), float(tested[-1]))
        self.values = tuple(np.append(axis.grid, axis.beyond) for axis in self.axes)
        if not self.axes:
            return
        nodes = np.stack(np.meshgrid(*self.values, indexing="ij"), axis=-1).reshape(-1, len(self.axes))
        self._columns = problem.columns(nodes)
        self._total = problem.design.total
        root = np.sqrt(self._columns.spread)
        self._unit = (self._columns.line / root[:, None]).T.copy()
        self._root = np.where(np.isfinite(root), root, 0.0)

    def survey(self, batch: Batch, limits: Floats | None = None) -> Survey:
        """Look at every node, a block of curves at a time, and keep the profile along each axis."""
        if not self.axes:
            return Survey(self, ())
        size = max(1, _BLOCK // self._unit.shape[1] // (1 if limits is None else 8))
        blocks = [slice(i, i + size) for i in range(0, len(batch), size)]
        parts = [self._profiles(batch.target[b], None if limits is None else limits[b]) for b in blocks]
        return Survey(self, tuple(Profile.join(own) for own in zip(*parts, strict=True)))

    def _profiles(self, target: Floats, limits: Floats | None) -> list[Profile]:
        product = target @ self._unit
        found = product * product if limits is None else self._limited(target, product, limits)
        found = found.reshape(len(target), *(len(values) for values in self.values))
        within = found[(slice(None), *(slice(len(axis.grid)) for axis in self.axes))]
        return [self._profile(found, within, axis) for axis in range(len(self.axes))]

    def _limited(self, target: Floats, product: Floats, limits: Floats) -> Floats:
        """Return what nodes explain whose lines keep to limits.

        A line that does not and is far from the best is not worth the work: it keeps what the free line explains,
        which is more than it could, and less than would make it plausible.
        """
        columns = self._columns
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.where(self._root > 0, product / self._root, 0.0)
        start, end = -change * columns.centre, change * (1.0 - columns.centre)
        first, last = np.where(columns.rising, start, end), np.where(columns.rising, end, start)
        low, high = limits[:, None, :, 0], limits[:, None, :, 1]
        outside = (first < low[..., 0]) | (first > high[..., 0]) | (last < low[..., 1]) | (last > high[..., 1])
        found = product * product
        best = np.where(outside, 0.0, found).max(axis=1)
        curve, node = np.nonzero(outside & (found > (best - _HOPELESS * (target**2).sum(axis=1))[:, None]))
        own = Columns(columns.line[:0], columns.centre[node], columns.spread[node], columns.rising[node])
        found[curve, node] = best_lines(own, (product * self._root)[curve, node], self._total, limits[curve])[0]
        return found

    def _profile(self, found: Floats, within: Floats, axis: int) -> Profile:
        count, sizes = len(found), within.shape[1:]
        flat = np.moveaxis(within, axis + 1, 1).reshape(count, sizes[axis], -1)
        chosen = flat.argmax(axis=2)
        ridge = np.take_along_axis(flat, chosen[:, :, None], axis=2)[:, :, 0]
        wide = ridge
        for other, own in enumerate(self.axes):
            if other != axis and own.beyond:
                beyond = np.moveaxis(found, other + 1, 0)[len(own.grid) :]
                beyond = np.moveaxis(beyond, axis + 1 + (other > axis), 2)[:, :, : sizes[axis]]
                wide = np.maximum(wide, beyond.reshape(len(beyond), count, sizes[axis], -1).max(axis=(0, 3)))
        return Profile(ridge, wide, chosen)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Best of all nodes that share a node of one axis.

    Attributes
    ----------
    ridge, wide : ndarray of float, shape (curve, node)
        What the best node explains, within the bounds of the other axes, and with values beyond them.
    chosen : ndarray of int, shape (curve, node)
        Which node of the other axes that is, within their bounds.
    """

    ridge: Floats
    wide: Floats
    chosen: NDArray[np.int64]

    @classmethod
    def join(cls, parts: Sequence[Profile]) -> Profile:
        """Put blocks of curves together."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("ridge", "wide", "chosen")))


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """The profiles of a batch along every axis of a grid."""

    grid: Grid
    profiles: tuple[Profile, ...]

    def __getitem__(self, curves: NDArray[np.int64]) -> Survey:
        """Return the profiles of some of the curves."""
        own = (Profile(each.ridge[curves], each.wide[curves], each.chosen[curves]) for each in self.profiles)
        return Survey(self.grid, tuple(own))

    def others(self, axis: int, curves: NDArray[np.int64], node: NDArray[np.int64]) -> list[Floats]:
        """Return the best values of the other parameters at nodes of an axis."""
        axes = [own for i, own in enumerate(self.grid.axes) if i != axis]
        if not axes:
            return []
        index = np.unravel_index(self.profiles[axis].chosen[curves, node], [len(own.grid) for own in axes])
        return [own.grid[place] for own, place in zip(axes, index, strict=True)]

    def starts(self) -> tuple[NDArray[np.int64], Floats]:
        """Return where to climb from: the highest peaks along every axis, which curve and where."""
        found = []
        for axis, own in enumerate(self.grid.axes):
            curve, node = _peaks(self.profiles[axis].ridge)
            others = self.others(axis, curve, node)
            found.append(np.column_stack([curve, *others[:axis], own.grid[node], *others[axis:]]))
        rows = np.unique(np.concatenate(found), axis=0)
        return rows[:, 0].astype(np.int64), rows[:, 1:]


def _peaks(ridge: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    padded = np.pad(ridge, ((0, 0), (1, 1)), constant_values=-np.inf)
    height = np.where((ridge >= padded[:, :-2]) & (ridge > padded[:, 2:]), ridge, -np.inf)
    rank = min(_STARTS, ridge.shape[1])
    place = np.argpartition(-height, rank - 1, axis=1)[:, :rank]
    curve, slot = np.nonzero(np.isfinite(np.take_along_axis(height, place, axis=1)))
    return curve, place[curve, slot]


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """The best curve of each response, in scaled units.

    Attributes
    ----------
    shape : ndarray of float, shape (curve, parameter)
    linear : ndarray of float, shape (curve, linear)
    explained, rss : ndarray of float, shape (curve,)
        Sum of squares that the curve explains, and that it leaves.
    """

    shape: Floats
    linear: Floats
    explained: Floats
    rss: Floats


def optimise(problem: Problem, batch: Batch, survey: Survey) -> Optimum:
    """Follow the best local optima of the grid to their tops, and take the highest."""
    axes = survey.grid.axes
    low, high, cell = (np.array([getattr(axis, name) for axis in axes]) for name in ("low", "high", "cell"))

    def climb(curves: NDArray[np.int64], start: Floats, unit: float, rounds: int) -> tuple[Floats, Floats]:
        target = batch.target[curves]

        def explained(points: Floats, chosen: NDArray[np.int64]) -> Floats:
            return problem.explained(target[chosen], points, curves[chosen])

        return maximise(explained, start, low, high, unit * cell, rounds)

    if not axes:
        shape, found = np.empty((len(batch), 0)), problem.flat(len(batch))
    else:
        curves, start = survey.starts()
        place, value = climb(curves, start, 1.0, _TRIAL)
        highest = np.full(len(batch), -np.inf)
        np.maximum.at(highest, curves, value)
        kept = value >= highest[curves] - _HOPE * batch.total[curves]
        curves = curves[kept]
        place, value = climb(curves, place[kept], 1.0, _ROUNDS)
        order = np.lexsort((-value, curves))
        best = order[np.unique(curves[order], return_index=True)[1]]
        shape, found = climb(curves[best], place[best], _FINE, _ROUNDS)
    rss = batch.within + np.maximum(batch.total - found, 0.0)
    return Optimum(shape, problem.linear(batch.target, shape), found, rss)
