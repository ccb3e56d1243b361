"""How noisy the wells are where the location is decided, and so how much worse than the best a curve may fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from hcskit.response._design import Batch, Design
from hcskit.response._engine import Optimum
from hcskit.response._model import Floats
from hcskit.response._problem import Problem

__all__ = ["ON_SLOPE", "Slack", "f_quantile", "slack"]

#: Shares of the way between the asymptotes between which a well lies on the slope.
ON_SLOPE = (0.05, 0.95)
_LEAST_NOISE = 0.01  # of the effect: no well is believed to be more exact than this
_CELLS = 400  # cells a well's readout is taken to be counted on, where its replicates cannot tell its noise
_LEAST_FREEDOM = 0.05  # of a residual: a curve that goes through a lone well leaves no residual to learn from
_FEWEST = 4.0  # degrees of freedom; with fewer one pair of replicates could void the interval
_FEWEST_REPLICATES = 2.0  # the same where a pair of replicates is all that lies on the slope
_DEPENDENT = 1e-9  # relative singular value below which a direction is rounding
_HELD = 1e-9  # distance from a limit that is rounding, in scaled units
_SMALL = 1e-4  # of a cell: step of a numerical derivative


def f_quantile(freedom: Floats | float, level: float) -> Floats:
    """Quantile of F(1, `freedom`) at a confidence level: the square of Student's t."""
    return np.asarray(stdtrit(freedom, (1 + level) / 2) ** 2)


@dataclass(frozen=True, slots=True, eq=False)
class Slack:
    """How noisy a well of each curve is, in scaled units: how much the sum of squares may grow.

    Attributes
    ----------
    plain, freedom : ndarray of float, shape (curve,)
        Residual variance of all wells, and its degrees of freedom.
    local, local_freedom : ndarray of float, shape (2, curve)
        The same of the wells that decide the location: with the other shape parameters free, and given.
    """

    plain: Floats
    freedom: Floats
    local: Floats
    local_freedom: Floats

    def largest(self, level: float) -> tuple[Floats, Floats]:
        """Return the variance that counts most at a confidence level, and its degrees of freedom."""
        variance = np.concatenate([self.plain[None], self.local])
        freedom = np.concatenate([self.freedom[None], self.local_freedom])
        chosen = (variance * f_quantile(freedom, level)).argmax(axis=0)[None]
        return np.take_along_axis(variance, chosen, axis=0)[0], np.take_along_axis(freedom, chosen, axis=0)[0]


def slack(problem: Problem, batch: Batch, best: Optimum, cell: Floats, parameters: int) -> Slack:
    """Estimate the variance of a well in three ways.

    The residual variance assumes equal noise everywhere. A class probability is nearly exact at its asymptotes and
    noisy between them, where the EC50 is decided. So the variance is also taken as the mean squared residual weighted
    by each well's pull on the EC50 (the sandwich estimate, White, Econometrica 48:817, 1980, with the HC3 correction
    of MacKinnon & White, J. Econometrics 29:305, 1985; it rescales the likelihood ratio as in Pace, Salvan & Sartori,
    Statistica Sinica 21:129, 2011), with the degrees of freedom that these weights leave (Satterthwaite, Biometrics
    2:110, 1946). The pull is taken twice, with the slope free and with the slope given: on a steep curve the wells that
    decide the EC50 are those on the slope, whose place the free slope would explain away. The largest counts.
    """
    design = batch.design
    if not len(cell):
        variance = best.rss / max(design.total - parameters, 1e-9)
        freedom = np.full(len(batch), max(design.total - parameters, 1e-9))
        return Slack(variance, freedom, np.zeros((1, len(batch))), np.ones((1, len(batch))))
    free = max(design.total - parameters, 1e-9)
    basis = problem.basis(best.shape)
    fraction = basis[-1]
    effect = (best.linear[:, -1] - best.linear[:, 0]) * np.ptp(
        fraction, axis=1
    )  # not what lies beyond the tested range
    plain = np.maximum(best.rss / free, (_LEAST_NOISE * effect) ** 2)
    columns = _columns(problem, best, basis, cell)
    leverage = _leverage(columns)
    asymptotes = range(1, len(basis) + 1)
    counted = [_residual(columns, range(1, columns.shape[-1])), _residual(columns, asymptotes)]
    value = np.einsum("kq,qkl->kl", best.linear, basis)
    offset = batch.mean - batch.target / np.sqrt(design.weight)  # what the plates differ by
    residual = batch.response - (value + offset)[:, design.level]
    own = design.well_weight * (leverage / design.weight)[:, design.level]
    counting = leverage * effect[:, None] ** 2 * np.maximum(fraction * (1 - fraction), 0.0) / _CELLS
    squared = np.maximum((residual / np.maximum(1 - own, _LEAST_FREEDOM)) ** 2, counting[:, design.level])
    few = _replicates_on_slope(design, fraction)
    local, local_freedom = zip(
        *(_weighted(design, pull, squared, np.minimum(free, few)) for pull in counted), strict=True
    )
    largest = (batch.total + batch.within) / max(design.total - 1, 1e-9)  # of a well without any model
    return Slack(plain, np.full(len(batch), free), np.minimum(np.stack(local), largest), np.stack(local_freedom))


def _replicates_on_slope(design: Design, fraction: Floats) -> Floats:
    """Return the degrees of freedom where only the replicates of one concentration lie on the slope; else infinity.

    The curve goes through their mean, so only their differences tell the noise.
    """
    treated = np.isfinite(design.log_c)
    on_slope = treated & (fraction > ON_SLOPE[0]) & (fraction < ON_SLOPE[1])
    wells = on_slope @ np.bincount(design.level)
    alone = (on_slope.sum(axis=1) == 1) & (wells > 1) & (fraction[:, -1] > ON_SLOPE[1])
    return np.where(alone, np.maximum(wells - 1, _FEWEST_REPLICATES), np.inf)


def _weighted(design: Design, pull: Floats, squared: Floats, free: Floats) -> tuple[Floats, Floats]:
    """Return the mean square weighted by the wells' pull, and the degrees of freedom that the weights leave."""
    weights = design.well_weight * (pull**2 / design.weight)[:, design.level]
    sums = weights.sum(axis=1)
    known = np.where(sums > 0, sums, 1.0)
    variance = (weights * squared) @ design.well_weight / known
    pulling = np.maximum(known**2 / np.maximum((weights**2).sum(axis=1), np.finfo(float).tiny), _FEWEST)
    return variance, np.minimum(free, pulling)


def _columns(problem: Problem, best: Optimum, basis: Floats, cell: Floats) -> Floats:
    """Return the derivatives of the curve, shape (curve, level, parameter): location, linear ones, other shapes.

    A linear parameter that a limit holds is not free, and has none.
    """
    design = problem.design
    slopes = []
    for i, step in enumerate(_SMALL * cell):
        moved = np.zeros(len(cell))
        moved[i] = step
        change = problem.basis(best.shape + moved) - problem.basis(best.shape - moved)
        slopes.append(np.einsum("kq,qkl->kl", best.linear, change))
    linear = np.moveaxis(basis, 0, -1)
    if problem.limits is not None:
        distance = np.abs(problem.limits - best.linear[..., None]).min(axis=-1)
        linear = linear * (distance > _HELD)[:, None, :]
    columns = np.concatenate([slopes[0][..., None], linear, *(own[..., None] for own in slopes[1:])], axis=-1)
    rows = design.without_offsets(np.moveaxis(columns * np.sqrt(design.weight)[:, None], -1, 1))
    size = np.linalg.norm(rows, axis=2, keepdims=True)
    return np.moveaxis(rows / np.maximum(size, np.finfo(float).tiny), 1, -1)


def _residual(columns: Floats, others: range) -> Floats:
    """Return the part of the first column that other columns do not explain."""
    known: list[Floats] = []
    for i in (*others, 0):
        own = columns[..., i]
        for other in (*known, *known):  # twice: once leaves rounding behind
            own = own - (own * other).sum(axis=1, keepdims=True) * other
        length = np.linalg.norm(own, axis=1, keepdims=True)
        known.append(np.where(length > _DEPENDENT, own / np.maximum(length, _DEPENDENT), 0.0))
    return own


def _leverage(columns: Floats) -> Floats:
    """Return the leverage of each level on the whole curve."""
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    kept = singular > _DEPENDENT * singular[:, :1]
    return np.asarray((left**2 * kept[:, None, :]).sum(axis=2))
