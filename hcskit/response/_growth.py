"""Growth-rate inhibition: how much slower cells divide, whatever the rate at which they divide untreated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hcskit.errors import InputError
from hcskit.response._curve import Curve
from hcskit.response._design import Design
from hcskit.response._group import f_test, fit_model
from hcskit.response._hill import Constant, Hill
from hcskit.response._model import Floats

__all__ = ["GrowthMetrics", "fit_growth_rate", "growth_rate"]

_SLOPES = (0.1, 5.0)  # as the implementations of the authors have it
_BOUNDS = ((1.0, 1.0), (-1.0, 1.0))  # untreated cells grow at their own rate; dead ones at -1
_SIGNIFICANCE = 0.05


@dataclass(frozen=True, slots=True)
class GrowthMetrics:
    """Metrics of growth-rate inhibition.

    Attributes
    ----------
    gr50, gr50_low, gr50_high : float
        Concentration at which cells grow at half their rate, and its interval. Infinite where the curve ends above one
        half; minus infinity where a flat line lies below.
    gr_max : float
        The lower of the average growth rates at the two highest concentrations.
    gr_aoc, gr_aoc_low, gr_aoc_high : float
        Area over the measured values, 1 - GR, averaged over the tested range of log concentrations; the interval is
        that of the fitted curve around it.
    gec50, gr_inf, hill_slope : float
        Of the fitted curve: concentration half-way, growth rate at infinite concentration (both NaN and the average for
        a flat line), and steepness.
    p_value, r2 : float
        F-test of the curve against a flat line, and the share of variance that it explains.
    """

    gr50: float
    gr50_low: float
    gr50_high: float
    gr_max: float
    gr_aoc: float
    gr_aoc_low: float
    gr_aoc_high: float
    gec50: float
    gr_inf: float
    hill_slope: float
    p_value: float
    r2: float


def growth_rate(count: ArrayLike, untreated: ArrayLike, initial: ArrayLike) -> Floats:
    """Growth rate relative to untreated cells, ``2**(log2(x / x0) / log2(x_ctrl / x0)) - 1``.

    1 is as without treatment, 0 is no growth, and less is death (Hafner et al., Nat. Methods 13:521, 2016).

    Parameters
    ----------
    count, untreated, initial : array-like
        Cells of a well after the treatment, of the untreated wells at the same time, and at its beginning.

    Raises
    ------
    InputError
        If a number of cells is not above zero, or untreated cells did not grow.

    Examples
    --------
    >>> growth_rate([400, 200, 100, 50], 400, 100).round(3)
    array([ 1.   ,  0.414,  0.   , -0.293])
    """
    x, control, start = (np.asarray(own, dtype=float) for own in (count, untreated, initial))
    for name, own in (("after the treatment", x), ("of untreated wells", control), ("at the beginning", start)):
        if not (own > 0).all():
            raise InputError(f"{own.min():g} cells {name}; expected numbers above zero")
    if not (control > start).all():
        raise InputError("untreated cells did not grow, so there is no growth rate to compare with")
    return np.asarray(2 ** (np.log2(x / start) / np.log2(control / start)) - 1)


def fit_growth_rate(concentration: ArrayLike, rate: ArrayLike, *, level: float = 0.95) -> GrowthMetrics:
    """Fit ``GR_inf + (1 - GR_inf) / (1 + (c / GEC50)**h)`` and give the metrics of Hafner et al. (2016).

    GR_inf lies between -1 and 1 and h between 0.1 and 5. Where the curve is no better than a flat line (F-test,
    p >= 0.05) the metrics are those of the line.

    Parameters
    ----------
    concentration, rate : array-like, shape (well,)
        Concentrations above zero in one unit, at least four distinct ones, and what `growth_rate` gives.
    level : float
        Confidence level of the intervals.

    Raises
    ------
    InputError
        If they differ in shape, are not finite, or there are too few concentrations.
    """
    c, y = np.asarray(concentration, dtype=float), np.asarray(rate, dtype=float)
    if c.ndim != 1 or c.shape != y.shape or not (np.isfinite(c) & np.isfinite(y) & (c > 0)).all():
        raise InputError("expected a finite concentration above zero and a finite growth rate for each well")
    doses, member = np.unique(c, return_inverse=True)
    if len(doses) < 4 or np.ptp(y) == 0:
        raise InputError(f"{len(doses)} concentrations cannot show a curve, or all growth rates are equal")
    means = np.bincount(member, y) / np.bincount(member)
    observed = {"gr_max": float(means[-2:].min()), "gr_aoc": _over(np.log10(doses), means)}
    return _metrics(Design.of(c), y, observed, level)


def _metrics(design: Design, y: Floats, observed: dict[str, float], level: float) -> GrowthMetrics:
    fitted = fit_model(Hill(slopes=_SLOPES), design, y[None], np.array([_BOUNDS]), level, fixed=1)
    flat = fit_model(Constant(), design, y[None], None, level)
    rss, null = fitted.best.rss[0] * fitted.batch.scale[0] ** 2, flat.best.rss[0] * flat.batch.scale[0] ** 2
    p_value = float(f_test(np.array([null - rss]), 2, np.array([rss]), len(y) - 3)[0])
    chosen = fitted if p_value < _SIGNIFICANCE else flat
    ends = fitted.half_way()[1][:, 0]
    curve = Curve(chosen.problem, chosen.batch, chosen.best, float(chosen.threshold[0]), (ends[0], ends[1]))
    mean, low, high = curve.average()
    # The area is that of the measured values; around it, the interval of the curve.
    area = {"gr_aoc_low": observed["gr_aoc"] - (high - mean), "gr_aoc_high": observed["gr_aoc"] + (mean - low)}
    end = float(chosen.linear[0, -1])
    if chosen is flat:
        half = np.inf if end > 0.5 else -np.inf
        shape = {"gec50": np.nan, "hill_slope": np.nan}
        place = (half, half, half)
    else:
        location, log_slope = fitted.best.shape[0]
        shape = {"gec50": float(10**location), "hill_slope": float(np.exp(log_slope))}
        place = (_half(end, **shape), *curve.crossing(0.5, change=False)[1:])
    gr50 = dict(zip(("gr50", "gr50_low", "gr50_high"), place, strict=True))
    return GrowthMetrics(**gr50, **observed, **area, **shape, gr_inf=end, p_value=p_value, r2=float(1 - rss / null))


def _half(end: float, gec50: float, hill_slope: float) -> float:
    """Return where the curve is one half."""
    return float(gec50 * ((1 - end) / (0.5 - end) - 1) ** (1 / hill_slope)) if end < 0.5 else np.inf


def _over(log_c: Floats, means: Floats) -> float:
    """Return the average of 1 - GR by the trapezoidal rule."""
    return float(np.trapezoid(1 - means, log_c) / np.ptp(log_c))
