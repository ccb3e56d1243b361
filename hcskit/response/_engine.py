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
_LEVEL, _APART = 1e-7, 0.1  # hills so near in height, in shares of the total, and so many cells apart are both finished
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
        # Half the digits are enough to find where to climb from, and within which cell an interval ends.
        self._unit = (self._columns.line / root[:, None]).T.astype(np.float32)
        self._root = np.where(np.isfinite(root), root, 0.0)
        sizes = [len(values) for values in self.values]
        self._number = np.arange(len(nodes)).reshape(sizes)

    def survey(self, batch: Batch, limits: Floats | None = None) -> Survey:
        """Look at every node, a block of curves at a time, and keep the profile along each axis."""
        if not self.axes:
            return Survey(self, batch, limits, ())
        size = max(1, _BLOCK // self._unit.shape[1] // (1 if limits is None else 8))
        blocks = [slice(i, i + size) for i in range(0, len(batch), size)]
        parts = [self._profiles(batch.target[b], None if limits is None else limits[b]) for b in blocks]
        return Survey(self, batch, limits, tuple(Profile.join(own) for own in zip(*parts, strict=True)))

    def others(self, axis: int, target: Floats, limits: Floats | None, node: NDArray[np.int64]) -> Floats:
        """Return the best values of the other parameters at one node of an axis for each target: (curve, other)."""
        along = np.moveaxis(self._number[self._within], axis, 0).reshape(len(self.axes[axis].grid), -1)
        best = np.empty(len(target), dtype=np.int64)
        size = max(1, _BLOCK // along.shape[1] // len(self._unit))
        for block in (slice(i, i + size) for i in range(0, len(target), size)):
            number = along[node[block]]
            product = np.einsum("kl,lkn->kn", target[block].astype(np.float32), self._unit[:, number])
            found = self._explained(target[block], product, None if limits is None else limits[block], number)
            best[block] = np.take_along_axis(number, found.argmax(axis=1)[:, None], axis=1)[:, 0]
        place = np.unravel_index(best, self._number.shape)
        return np.stack([self.values[i][place[i]] for i in range(len(self.axes)) if i != axis], axis=-1)

    @property
    def _within(self) -> tuple[slice, ...]:
        return tuple(slice(len(axis.grid)) for axis in self.axes)

    def _profiles(self, target: Floats, limits: Floats | None) -> list[Profile]:
        found = self._explained(target, target.astype(np.float32) @ self._unit, limits, slice(None))
        found = found.reshape(len(target), *self._number.shape)
        return [self._profile(found, axis) for axis in range(len(self.axes))]

    def _explained(
        self, target: Floats, product: NDArray[np.floating], limits: Floats | None, number: slice | NDArray[np.int64]
    ) -> NDArray[np.floating]:
        """Return what nodes explain whose lines keep to limits, if there are any.

        A line that does not and is far from the best is not worth the work: it keeps what the free line explains,
        which is more than it could, and less than would make it plausible.
        """
        found = product * product
        if limits is None:
            return found
        centre, spread, rising, root = (
            np.broadcast_to(own[number], product.shape)
            for own in (self._columns.centre, self._columns.spread, self._columns.rising, self._root)
        )
        change = np.divide(product, root, out=np.zeros(product.shape), where=root > 0)
        start, end = -change * centre, change * (1.0 - centre)
        first, last = np.where(rising, start, end), np.where(rising, end, start)
        low, high = limits[:, None, :, 0], limits[:, None, :, 1]
        outside = (first < low[..., 0]) | (first > high[..., 0]) | (last < low[..., 1]) | (last > high[..., 1])
        best = np.where(outside, 0.0, found).max(axis=1)
        hopeful = outside & (found > (best - _HOPELESS * (target**2).sum(axis=1))[:, None])
        own = Columns(self._columns.line[:0], centre[hopeful], spread[hopeful], rising[hopeful])
        curve = np.nonzero(hopeful)[0]
        found[hopeful] = best_lines(own, (product * root)[hopeful], self._total, limits[curve])[0]
        return found

    def _profile(self, found: NDArray[np.floating], axis: int) -> Profile:
        others = tuple(i + 1 for i in range(len(self.axes)) if i != axis)
        ridge = found[(slice(None), *self._within)].max(axis=others)
        wide = ridge
        for other, own in enumerate(self.axes):
            if other != axis and own.beyond:
                chosen = list(self._within)
                chosen[other] = slice(len(own.grid), None)
                wide = np.maximum(wide, found[(slice(None), *chosen)].max(axis=others))
        return Profile(ridge, wide)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Best of all nodes that share a node of one axis, in single precision.

    Attributes
    ----------
    ridge, wide : ndarray of float, shape (curve, node)
        What the best node explains, within the bounds of the other axes, and with values beyond them.
    """

    ridge: NDArray[np.floating]
    wide: NDArray[np.floating]

    @classmethod
    def join(cls, parts: Sequence[Profile]) -> Profile:
        """Put blocks of curves together."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("ridge", "wide")))


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """The profiles of a batch along every axis of a grid."""

    grid: Grid
    batch: Batch
    limits: Floats | None
    profiles: tuple[Profile, ...]

    def __getitem__(self, curves: NDArray[np.int64]) -> Survey:
        """Return the profiles of some of the curves."""
        limits = None if self.limits is None else self.limits[curves]
        own = tuple(Profile(each.ridge[curves], each.wide[curves]) for each in self.profiles)
        return Survey(self.grid, self.batch[curves], limits, own)

    def others(self, axis: int, curves: NDArray[np.int64], node: NDArray[np.int64]) -> Floats:
        """Return the best values of the other parameters at nodes of an axis, shape (curve, other)."""
        if len(self.grid.axes) == 1:
            return np.empty((len(curves), 0))
        limits = None if self.limits is None else self.limits[curves]
        return self.grid.others(axis, self.batch.target[curves], limits, node)

    def starts(self) -> tuple[NDArray[np.int64], Floats]:
        """Return where to climb from: the highest peaks along every axis, which curve and where."""
        found = []
        for axis, own in enumerate(self.grid.axes):
            curve, node = _peaks(self.profiles[axis].ridge)
            others = self.others(axis, curve, node)
            found.append(np.column_stack([curve, others[:, :axis], own.grid[node], others[:, axis:]]))
        rows = np.unique(np.concatenate(found), axis=0)
        return rows[:, 0].astype(np.int64), rows[:, 1:]


def _peaks(ridge: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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

    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> Optimum:
        return Optimum(self.shape[chosen], self.linear[chosen], self.explained[chosen], self.rss[chosen])


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
        best = _highest(curves, value)
        level = value >= value[best][curves] - _LEVEL * batch.total[curves]
        apart = (np.abs(place - place[best][curves]) > _APART * cell).any(axis=1)
        last = np.union1d(best, np.flatnonzero(level & apart))  # fine steps tell which of them is the highest
        curves = curves[last]
        place, value = climb(curves, place[last], _FINE, _ROUNDS)
        best = _highest(curves, value)
        shape, found = place[best], value[best]
    rss = batch.within + np.maximum(batch.total - found, 0.0)
    return Optimum(shape, problem.linear(batch.target, shape), found, rss)


def _highest(curves: NDArray[np.int64], value: Floats) -> NDArray[np.int64]:
    """Return for each curve which of its values is the highest."""
    order = np.lexsort((-value, curves))
    return order[np.unique(curves[order], return_index=True)[1]]
