"""A fitted curve that can be drawn, with the envelope of all curves that the data do not rule out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hcskit.response._design import Batch
from hcskit.response._engine import Grid, Optimum
from hcskit.response._likelihood import interval
from hcskit.response._model import Floats
from hcskit.response._problem import Problem

__all__ = ["Curve", "Estimate"]

_NODES = 80  # of the location, over its interval
_CROSSING_NODES = 600  # concentrations at which the band is looked at, over the tested range and a decade beyond
_AREA_NODES = 400  # concentrations over which the response is averaged

#: A number and the ends of its interval.
Estimate = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One fitted curve and what is needed to find all plausible ones; nothing is computed before it is asked for.

    Attributes
    ----------
    problem, batch, best : Problem, Batch, Optimum
        Of this curve alone.
    slack : float
        How much the sum of squares may grow before a curve is ruled out, in scaled units.
    interval : tuple of float
        Of the location, log10.
    """

    problem: Problem
    batch: Batch
    best: Optimum
    slack: float
    interval: tuple[float, float]

    def value(self, log_c: Floats) -> Floats:
        """Response of the best curve, shape of `log_c`."""
        basis = self.problem.basis(self.best.shape[0], log_c)
        return self._unscaled(np.tensordot(self.best.linear[0], basis, axes=1))

    def band(self, log_c: Floats) -> tuple[Floats, Floats]:
        """Lowest and highest response, each of shape (concentration,), that a plausible curve has."""
        low, high = self._extremes(lambda shape: self.problem.basis(shape, log_c), absolute=True)
        if self.problem.limits is not None:
            ends = self.problem.limits[0]
            low, high = np.maximum(low, ends[:, 0].min()), np.minimum(high, ends[:, 1].max())
        return self._unscaled(low), self._unscaled(high)

    def change(self, log_c: Floats) -> tuple[Floats, Floats]:
        """Lowest and highest change from the response without compound."""
        low, high = self._extremes(lambda shape: self.problem.basis(shape, log_c), absolute=False)
        return low * self.batch.scale[0], high * self.batch.scale[0]

    def location(self, share: float) -> Estimate:
        """Log10 concentration at which the response has gone a share of its way, with the interval.

        It is at least as much wider than its likelihood says as the interval of the EC50 is.
        """
        half, own = self._location(0.5), self._location(share)
        wider = [max(half[1] - self.interval[0], 0.0), max(self.interval[1] - half[2], 0.0)]
        known = [0.0 if np.isnan(more) else more for more in wider]
        return own[0], own[1] - known[0], own[2] + known[1]

    def _location(self, share: float) -> Estimate:
        asked = replace(self.problem, share=share)
        place = asked.place(*self.best.shape.T)
        best = replace(self.best, shape=np.column_stack([place, self.best.shape[:, 1:]]))
        survey = Grid(asked).survey(self.batch, asked.limits)
        low, high = interval(asked, self.batch, survey, best, np.array([self.slack]))[:, 0]
        return float(place[0]), float(low), float(high)

    def crossing(self, target: float, *, change: bool) -> Estimate:
        """Concentration at which the response, or its change, is the target, with the interval: the band inverted."""
        tested = self.batch.design.tested
        log_c = np.linspace(tested[0] - 1, tested[-1] + 1, _CROSSING_NODES)
        start = float(self.value(np.array([-np.inf]))[0]) if change else 0.0
        low, high = self.change(log_c) if change else self.band(log_c)
        plausible = np.flatnonzero((low <= target) & (target <= high))
        if not len(plausible):
            return np.nan, np.nan, np.nan
        beyond = self.value(log_c) - start > target
        within = (log_c >= tested[0]) & (log_c <= tested[-1])
        crossed = np.flatnonzero((beyond[1:] != beyond[:-1]) & within[1:] & within[:-1])
        place = np.nan
        if len(crossed):
            i = crossed[0]
            ends = self.value(log_c[i : i + 2]) - start
            place = float(10 ** (log_c[i] + (target - ends[0]) / (ends[1] - ends[0]) * (log_c[i + 1] - log_c[i])))
        first, last = plausible[0], plausible[-1]
        return (
            place,
            0.0 if first == 0 else float(10 ** log_c[first - 1]),
            np.inf if last == len(log_c) - 1 else float(10 ** log_c[last + 1]),
        )

    def average(self) -> Estimate:
        """Average response over the tested range of log concentrations, with the interval."""
        tested = self.batch.design.tested
        step = (tested[-1] - tested[0]) / _AREA_NODES
        log_c = tested[0] + step * (np.arange(_AREA_NODES) + 0.5)
        low, high = self._extremes(
            lambda shape: self.problem.basis(shape, log_c).mean(axis=-1, keepdims=True), absolute=True
        )
        ends = self._unscaled(np.concatenate([low, high]))
        return float(self.value(log_c).mean()), float(ends[0]), float(ends[1])

    def _unscaled(self, value: Floats) -> Floats:
        return np.asarray(value * self.batch.scale[0] + self.batch.average[0])

    def _extremes(self, basis_of: Callable[[Floats], Floats], *, absolute: bool) -> tuple[Floats, Floats]:
        """Return the lowest and the highest of what plausible curves have, for a basis of each shape."""
        if not self.best.shape.shape[1]:
            size = basis_of(self.best.shape).shape[-1]
            half = np.sqrt(self.slack / self.batch.design.total) if absolute else 0.0
            flat = np.full(size, self.best.linear[0, 0] if absolute else 0.0)
            return flat - half, flat + half
        shape, slack = self._plausible()
        lines = self.problem.lines(self.batch.target, shape)
        basis = basis_of(shape)
        up = lines.columns.rising[:, None]
        column = np.where(up, basis[-1], basis[0])
        total = self.batch.design.total
        if absolute:
            lever = column - lines.columns.centre[:, None]
            value = lines.level[:, None] + lines.change[:, None] * lever
            spread = 1.0 / total + lever**2 / lines.columns.spread[:, None]
        else:
            lever = column - np.where(up, 0.0, 1.0)
            value = lines.change[:, None] * lever
            spread = lever**2 / lines.columns.spread[:, None]
        half = np.sqrt(slack[:, None] * spread)
        return (value - half).min(axis=0), (value + half).max(axis=0)

    def _plausible(self) -> tuple[Floats, Floats]:
        """Return shapes that the data do not rule out, the best first, and the slack that each leaves."""
        design = self.batch.design
        axes = self.problem.model.axes(float(design.tested[0]), float(design.tested[-1]))
        low, high = np.clip(self.interval, axes[0].low, axes[0].high)
        nodes = [np.linspace(low, high, _NODES), *(np.append(axis.grid, axis.beyond) for axis in axes[1:])]
        grid = np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1)
        found = self._explained(grid.reshape(-1, len(axes))).reshape(grid.shape[:-1])
        fine = self._refined(grid, found, [axis.cell for axis in axes[1:]])
        shape = np.concatenate([self.best.shape, fine, grid.reshape(-1, len(axes))])
        slack = self.slack - (self.best.explained[0] - self._explained(shape))
        slack[0] = self.slack
        return shape[slack >= 0], slack[slack >= 0]

    def _refined(self, grid: Floats, found: Floats, cells: list[float]) -> Floats:
        """Return, for each location, shapes between the nodes around the best: a ridge may be narrower than a cell."""
        best = found.reshape(len(grid), -1).argmax(axis=1)
        shape = grid.reshape(len(grid), -1, grid.shape[-1])[np.arange(len(grid)), best]
        moves = np.stack(np.meshgrid(*([np.linspace(-1, 1, 9)] * len(cells)), indexing="ij"), axis=-1)
        moved = np.repeat(shape[:, None], moves[..., 0].size, axis=1)
        moved[..., 1:] += moves.reshape(-1, len(cells)) * np.array(cells)
        return moved.reshape(-1, grid.shape[-1])

    def _explained(self, shape: Floats) -> Floats:
        found = self.problem.explained(self.batch.target, shape[None], np.zeros(1, dtype=np.int64))
        return np.asarray(found[0])
