"""Intervals by profile likelihood, for all curves of a batch at once.

A value of a parameter is plausible if the best curve that has it leaves ``RSS <= RSS_min + slack`` (Bates & Watts,
Nonlinear Regression Analysis, 1988, chapter 6). The grid brackets both ends; a few secant steps then place them, each
with the other parameters at their best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcskit.response._design import Batch
from hcskit.response._engine import Optimum, Survey
from hcskit.response._model import Floats
from hcskit.response._newton import maximise
from hcskit.response._problem import Problem

__all__ = ["interval"]

_SECANTS = 5
_INNER = 4  # Newton steps of the other parameters, from those of the secant before


def interval(problem: Problem, batch: Batch, survey: Survey, best: Optimum, slack: Floats, axis: int = 0) -> Floats:
    """Return both ends of the interval of a parameter of the shape.

    Parameters
    ----------
    problem, batch, survey, best : Problem, Batch, Survey, Optimum
        What was fitted.
    slack : ndarray of float, shape (curve,)
        How much the sum of squares may grow.
    axis : int
        Which parameter.

    Returns
    -------
    ndarray of float, shape (2, curve)
        Infinite where no value up to the parameter's bound is ruled out.
    """
    nodes = survey.grid.axes[axis].grid
    limit = np.sqrt(slack)
    excess = np.sqrt(np.maximum(best.explained[:, None] - survey.profiles[axis].wide, 0.0))
    inside = excess <= limit[:, None]
    found = inside.any(axis=1)
    below = np.clip(np.searchsorted(nodes, best.shape[:, axis], side="right") - 1, 0, len(nodes) - 1)
    first = np.where(found, inside.argmax(axis=1), below + 1)
    last = np.where(found, len(nodes) - 1 - inside[:, ::-1].argmax(axis=1), below)
    first, last = np.minimum(first, below + 1), np.maximum(last, below)
    search = _Search(problem, batch, survey, best, limit, axis)
    return np.stack([search.end(excess, side, edge) for side, edge in ((-1, first), (1, last))])


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """Looks for where the profile crosses the limit; its square root is nearly straight there."""

    problem: Problem
    batch: Batch
    survey: Survey
    best: Optimum
    limit: Floats
    axis: int

    def end(self, excess: Floats, side: int, edge: NDArray[np.int64]) -> Floats:
        """Return one end of each interval; `edge` is the last node inside."""
        nodes = self.survey.grid.axes[self.axis].grid
        result = np.full(len(edge), side * np.inf)
        curves = np.flatnonzero((edge + side >= 0) & (edge + side < len(nodes)))
        if not len(curves):
            return result
        edge, outer, limit = np.clip(edge[curves], 0, len(nodes) - 1), edge[curves] + side, self.limit[curves]
        estimate = self.best.shape[curves, self.axis]
        within = (excess[curves, edge] <= limit) & (side * (nodes[edge] - estimate) > 0)  # never past the estimate
        a = np.where(within, nodes[edge], estimate)
        fa = np.where(within, excess[curves, edge], 0.0) - limit
        b, fb = nodes[outer], excess[curves, outer] - limit
        rest = self.survey.others(self.axis, curves, outer)
        for number in range(_SECANTS):
            share = np.clip(fa / np.where(fa == fb, -1.0, fa - fb), 0.02, 0.98)
            middle = a + (b - a) * share
            value, rest = self._profile(curves, middle, rest)
            f = np.sqrt(np.maximum(self.best.explained[curves] - value, 0.0)) - limit
            hit = f <= 0
            a, b = np.where(hit, middle, a), np.where(hit, b, middle)
            halved = 0.5 if number else 1.0  # Illinois: the end that stays loses weight
            fa, fb = np.where(hit, f, fa * halved), np.where(hit, fb * halved, f)
        result[curves] = a + (b - a) * np.clip(fa / np.where(fa == fb, -1.0, fa - fb), 0.0, 1.0)
        return result

    def _profile(self, curves: NDArray[np.int64], at: Floats, rest: Floats) -> tuple[Floats, Floats]:
        target = self.batch.target[curves]

        def explained(points: Floats, chosen: NDArray[np.int64]) -> Floats:
            fixed = np.broadcast_to(at[chosen, None, None], (*points.shape[:2], 1))
            shape = np.concatenate([points[..., : self.axis], fixed, points[..., self.axis :]], axis=-1)
            return self.problem.explained(target[chosen], shape, curves[chosen])

        everything = np.arange(len(curves))
        axes = [own for i, own in enumerate(self.survey.grid.axes) if i != self.axis]
        if not axes:
            return explained(np.empty((len(curves), 1, 0)), everything)[:, 0], rest
        low, high, cell = (np.array([getattr(axis, name) for axis in axes]) for name in ("low", "high", "cell"))
        rest, value = maximise(explained, rest, low, high, cell, rounds=_INNER)
        for number, axis in enumerate(axes):
            for limit in axis.beyond:
                beyond = rest.copy()
                beyond[:, number] = limit
                value = np.maximum(value, explained(beyond[:, None], everything)[:, 0])
        return value, rest
