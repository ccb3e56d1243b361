"""Curves of one design, fitted together: optimum, intervals and the evidence for a category."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, stdtr

from hcskit.response._design import Batch, Design, gather
from hcskit.response._engine import Grid, Optimum, Survey, optimise
from hcskit.response._likelihood import interval
from hcskit.response._model import CurveModel, Floats
from hcskit.response._noise import ON_SLOPE, f_quantile, slack
from hcskit.response._problem import Problem
from hcskit.response._shared import SharedNoise, moderated
from hcskit.response._untreated import untreated_noise

__all__ = ["Fitted", "aicc", "dose_test", "f_test", "fit_model", "least_effect_test", "well_noise"]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A model fitted to a batch.

    Attributes
    ----------
    problem, batch, survey, best : Problem, Batch, Survey, Optimum
        What was fitted, in scaled units.
    parameters : int
        Free parameters of the curve, differences between plates included.
    variance, freedom : ndarray of float, shape (curve,)
        Of a well, in scaled units, and its degrees of freedom.
    level : float
        Confidence level of the intervals.
    """

    problem: Problem
    batch: Batch
    survey: Survey
    best: Optimum
    parameters: int
    variance: Floats
    freedom: Floats
    level: float

    def __getitem__(self, chosen: NDArray[np.int64]) -> Fitted:
        parts = {
            name: getattr(self, name)[chosen] for name in ("problem", "batch", "survey", "best", "variance", "freedom")
        }
        return replace(self, **parts)

    @property
    def free(self) -> float:
        """Degrees of freedom that the fit leaves."""
        return self.batch.design.total - self.parameters

    @property
    def threshold(self) -> Floats:
        """How much the sum of squares may grow, in scaled units, shape (curve,)."""
        return np.asarray(self.variance * f_quantile(self.freedom, self.level))

    def sharing(self, shared: list[SharedNoise]) -> Fitted:
        """Return the fits with the noise that each curve shares with others."""
        variance, freedom = moderated(self.variance, self.freedom, shared, self.batch.scale)
        return replace(self, variance=variance, freedom=freedom)

    @property
    def p_value(self) -> Floats:
        """F-test of each curve against a constant; what plates differ by is in both, and tells for neither."""
        total = self.batch.total + self.batch.within
        more = self.parameters - 1 - len(self.batch.design.offsets)
        return f_test(total - self.best.rss, more, self.best.rss, self.free)

    @property
    def linear(self) -> Floats:
        """Linear parameters in units of the readout, shape (curve, linear)."""
        return self.best.linear * self.batch.scale[:, None] + self.batch.average[:, None]

    @property
    def share(self) -> Floats:
        """Share of the way between first and last linear parameter, shape (curve, level)."""
        return np.asarray(self.problem.basis(self.best.shape)[-1])

    def location(self, share: float = 0.5, *, falling: bool = False) -> tuple[Floats, Floats]:
        """Return log10 concentrations at which the response has gone a share of its way, and their intervals.

        Returns
        -------
        place, ends : ndarray of float, shape (curve,) and (2, curve)
        """
        asked = replace(self.problem, share=share, falling=falling)
        shape = self.best.shape
        place = asked.place(*shape.T)
        if np.array_equal(place, shape[:, 0]):  # the location itself, whose profile is known
            return place, interval(self.problem, self.batch, self.survey, self.best, self.threshold)
        best = replace(self.best, shape=np.column_stack([place, shape[:, 1:]]))
        survey = _grid(asked.model, asked.design, share, falling).survey(self.batch, asked.limits)
        return place, interval(asked, self.batch, survey, best, self.threshold)

    def half_way(self) -> tuple[Floats, Floats]:
        """Return the log10 EC50 and its interval; the location of a Hill curve is its EC50."""
        place, ends = self.location()
        return place, self._at_least_between_doses(ends)

    def _at_least_between_doses(self, ends: Floats) -> Floats:
        """Widen intervals that rest on lone wells to the neighbouring concentrations.

        A well without replicate that alone lies on the slope tells no noise, and where it lies on the slope is all
        that the location depends on. Two such wells side by side leave the concentrations between them.
        """
        design = self.batch.design
        tested = design.tested
        counts = np.bincount(
            np.searchsorted(tested, design.log_c[design.level[np.isfinite(design.log_c[design.level])]])
        )
        share = self.share
        on_slope = np.zeros((len(share), len(tested)), dtype=bool)
        for level in np.flatnonzero(np.isfinite(design.log_c)):
            on_slope[:, np.searchsorted(tested, design.log_c[level])] |= (share[:, level] > ON_SLOPE[0]) & (
                share[:, level] < ON_SLOPE[1]
            )
        lone = (on_slope & (counts == 1)).sum(axis=1)
        first, last = on_slope.argmax(axis=1), len(tested) - 1 - on_slope[:, ::-1].argmax(axis=1)
        few = (on_slope.sum(axis=1) == lone) & (lone > 0) & (lone <= 2)
        beyond = (lone == 1).astype(int)
        padded = np.concatenate([[-np.inf], tested, [np.inf]])
        low, high = padded[first + 1 - beyond], padded[last + 1 + beyond]
        widened = np.stack([np.minimum(ends[0], low), np.maximum(ends[1], high)])
        return np.where(few, widened, ends)


@lru_cache(maxsize=8)
def _grid(model: CurveModel, design: Design, share: float | None = None, falling: bool = False) -> Grid:
    return Grid(Problem(model, design, share=share, falling=falling))


def fit_model(
    model: CurveModel, design: Design, response: Floats, limits: Floats | None, level: float, fixed: int = 0
) -> Fitted:
    """Fit a model to responses, shape (curve, well); `limits`, in their units, have shape (curve, linear, 2)."""
    return fit_batch(model, gather(design, response), limits, level, fixed)


def fit_batch(model: CurveModel, batch: Batch, limits: Floats | None, level: float, fixed: int = 0) -> Fitted:
    """Fit a model to a batch."""
    scaled = None
    if limits is not None:
        scaled = (limits - batch.average[:, None, None]) / batch.scale[:, None, None]
    design = batch.design
    problem = Problem(model, design, scaled)
    survey = _grid(model, design).survey(batch, scaled)
    best = optimise(problem, batch, survey)
    parameters = len(survey.grid.axes) + len(model.linear) + len(design.offsets) - fixed
    cell = np.array([axis.cell for axis in survey.grid.axes])
    variance, freedom = slack(problem, batch, best, cell, parameters).largest(level)
    return Fitted(problem, batch, survey, best, parameters, variance, freedom, level)


def f_test(explained: Floats, parameters: float, rest: Floats, free: float) -> Floats:
    """Upper tail of F = (explained / parameters) / (rest / free); NaN without degrees of freedom."""
    if parameters <= 0 or free <= 0:
        return np.full(len(explained), np.nan)
    explained = np.maximum(explained, 0.0)
    ratio = explained / parameters / np.where(rest > 0, rest / free, 1.0)
    exact = np.where(explained > 0, 0.0, 1.0)
    return np.where(rest > 0, fdtrc(parameters, free, ratio), exact)


def least_effect_test(explained: Floats, rest: Floats, free: float, share: Floats) -> Floats:
    """Return the p-value of a t-test whether an effect is larger than a share of the one that was found.

    With its shape given the curve is a straight line in its effect, and explains the square of it. One-sided; a
    minimum-effect test (Murphy & Myors, J. Appl. Psychol. 84:234, 1999).
    """
    if free <= 0:
        return np.full(len(explained), np.nan)
    error = np.sqrt(np.maximum(rest / free, np.finfo(float).tiny))
    t = (1 - share) * np.sqrt(np.maximum(explained, 0.0)) / error
    return np.asarray(stdtr(free, -np.clip(t, -1e9, 1e9)))


def dose_test(batch: Batch) -> Floats:
    """Return the p-value of the largest difference of a dose from the wells at zero, corrected for all doses (Šidák).

    A t-test with the variance within concentrations; NaN without wells at zero or replicates.
    """
    design = batch.design
    free = len(design.level) - len(design.weight)
    zero = np.isneginf(design.log_c)
    if not zero.any() or free < 1:
        return np.full(len(batch), np.nan)
    counts = np.bincount(design.level)
    residual = (
        batch.response
        - np.stack([batch.response @ (design.level == i) / counts[i] for i in range(len(counts))], axis=1)[
            :, design.level
        ]
    )
    variance = (residual**2).sum(axis=1) / free
    smallest = np.ones(len(batch))
    for plate in np.unique(design.plate[zero]):
        base = np.flatnonzero(zero & (design.plate == plate))[0]
        for dose in np.flatnonzero(~zero & (design.plate == plate)):
            error = np.sqrt(variance * (1 / counts[base] + 1 / counts[dose]))
            difference = np.abs(batch.mean[:, dose] - batch.mean[:, base])
            t = difference / np.where(error > 0, error, np.finfo(float).tiny)
            smallest = np.minimum(smallest, 2 * stdtr(free, -np.minimum(t, 1e9)))
    doses = int((~zero).sum())
    return np.asarray(-np.expm1(doses * np.log1p(-np.minimum(smallest, 1 - 1e-16))))


def well_noise(fitted: Fitted) -> Floats:
    """Return the standard deviation of an untreated well; where those are too few, that of a well around the curve."""
    batch, design = fitted.batch, fitted.batch.design
    untreated = np.isneginf(design.log_c[design.level])
    told = untreated_noise(batch.response[:, untreated], design.plate[design.level[untreated]])
    return np.asarray(np.sqrt(fitted.best.rss / max(fitted.free, 1.0))) if told is None else told


def aicc(rss: Floats, wells: float, parameters: int) -> Floats:
    """Akaike's criterion, corrected for few wells (Hurvich & Tsai, Biometrika 76:297, 1989)."""
    count = parameters + 1  # the variance is one more
    if wells - count - 1 <= 0:
        return np.full(len(rss), np.inf)
    rounding = np.finfo(float).eps
    return np.asarray(
        wells * np.log(np.maximum(rss, rounding) / wells) + 2 * count + 2 * count * (count + 1) / (wells - count - 1)
    )
