"""A fitted curve that can be drawn, with the envelope of all curves that the data do not rule out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hcskit.response._design import Batch
from hcskit.response._engine import Optimum
from hcskit.response._model import Floats
from hcskit.response._problem import Problem

__all__ = ["Curve"]

_NODES = 80  # of the location, over its interval


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
        low, high = self._extremes(log_c, absolute=True)
        if self.problem.limits is not None:
            ends = self.problem.limits[0]
            low, high = np.maximum(low, ends[:, 0].min()), np.minimum(high, ends[:, 1].max())
        return self._unscaled(low), self._unscaled(high)

    def change(self, log_c: Floats) -> tuple[Floats, Floats]:
        """Lowest and highest change from the response without compound."""
        low, high = self._extremes(log_c, absolute=False)
        return low * self.batch.scale[0], high * self.batch.scale[0]

    def _unscaled(self, value: Floats) -> Floats:
        return np.asarray(value * self.batch.scale[0] + self.batch.average[0])

    def _extremes(self, log_c: Floats, *, absolute: bool) -> tuple[Floats, Floats]:
        if not self.best.shape.shape[1]:
            half = np.sqrt(self.slack / self.batch.design.total) if absolute else 0.0
            flat = np.full(len(log_c), self.best.linear[0, 0] if absolute else 0.0)
            return flat - half, flat + half
        shape, slack = self._plausible()
        lines = self.problem.lines(self.batch.target, shape)
        basis = self.problem.basis(shape, log_c)
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
