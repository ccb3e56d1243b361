"""Two compounds compared: how much more potent one is, and whether their curves differ at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize_scalar
from scipy.special import fdtrc

from hcskit.errors import InputError
from hcskit.response._design import Design
from hcskit.response._fit import checked_wells
from hcskit.response._group import fit_model
from hcskit.response._hill import Hill
from hcskit.response._model import Floats
from hcskit.response._noise import f_quantile

__all__ = ["Comparison", "compare_curves"]

_REACH = 3.0  # decades of potency that are searched on either side of where the separate fits point
_STEPS = 25
_PARAMETERS = 4  # of a Hill curve


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two curves compare.

    Attributes
    ----------
    relative_potency, low, high : float
        How many times more potent the second compound is, if its curve is that of the first moved along the axis of
        log concentration; the interval is 0 or infinite where no value on that side is ruled out.
    parallel_p_value : float
        F-test of such a move against two separate curves: where it is small there is no one relative potency.
    different_p_value : float
        F-test of one common curve against two separate ones: where it is small the compounds differ.
    level : float
        Confidence level of the interval.
    """

    relative_potency: float
    low: float
    high: float
    parallel_p_value: float
    different_p_value: float
    level: float


def compare_curves(
    concentration: ArrayLike,
    response: ArrayLike,
    other_concentration: ArrayLike,
    other_response: ArrayLike,
    *,
    level: float = 0.95,
) -> Comparison:
    """Compare the Hill curves of two compounds by least squares, all wells with the same weight.

    The interval is that of the profile likelihood, as of an EC50; the tests are those of nested models (Finney,
    *Statistical Method in Biological Assay*, 1978; Bates & Watts, *Nonlinear Regression Analysis*, 1988, section 3.10).

    Parameters
    ----------
    concentration, response : array-like, shape (well,)
        Of the first compound, zero or above; NaN responses are left out. Give untreated wells that both share once,
        with either compound.
    other_concentration, other_response : array-like, shape (well,)
        Of the second compound, in the same unit.
    level : float
        Confidence level of the interval.

    Raises
    ------
    InputError
        If shapes or values make no sense, a compound has fewer than four concentrations, or there are too few wells.

    Examples
    --------
    >>> from hcskit.response import hill
    >>> c = np.geomspace(1, 1000, 8).repeat(2)
    >>> noise = np.random.default_rng(0).normal(0, 0.02, (2, 16))
    >>> found = compare_curves(c, hill(c, 0, 1, 100, 1) + noise[0], c, hill(c, 0, 1, 25, 1) + noise[1])
    >>> round(found.relative_potency, 1), found.low < 4 < found.high, found.different_p_value < 1e-6
    (4.3, True, True)
    """
    if not 0 < level < 1:
        raise InputError(f"confidence level {level:g}; expected a number between 0 and 1, such as 0.95")
    wells = [_known(concentration, response), _known(other_concentration, other_response)]
    pair = _Pair(*wells[0], *wells[1])
    free = len(wells[0][0]) + len(wells[1][0]) - 2 * _PARAMETERS
    if free < 1:
        raise InputError(f"{free + 2 * _PARAMETERS} wells cannot compare two curves of {_PARAMETERS} parameters")
    apart = sum(_least(*own)[0] for own in wells)
    ec50s = [_least(*own)[1] for own in wells]
    middle, least = pair.best(ec50s[0] - ec50s[1])
    together = pair.rss(0.0)
    limit = least * (1 + float(f_quantile(free + _PARAMETERS - 1, level)) / (free + _PARAMETERS - 1))
    low, high = (pair.end(middle, side, limit) for side in (-1, 1))
    return Comparison(
        relative_potency=float(10**middle),
        low=float(10**low),
        high=float(10**high),
        parallel_p_value=_nested(least, apart, _PARAMETERS - 1, free),
        different_p_value=_nested(together, apart, _PARAMETERS, free),
        level=level,
    )


def _known(concentration: ArrayLike, response: ArrayLike) -> tuple[Floats, Floats]:
    c, y = checked_wells(concentration, response)
    c, y = c[~np.isnan(y)], y[~np.isnan(y)]
    if len(np.unique(c[c > 0])) < _PARAMETERS:
        raise InputError(
            f"{len(np.unique(c[c > 0]))} concentration(s) cannot show a curve; expected at least {_PARAMETERS}"
        )
    return c, y


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """Wells of two compounds, to be fitted by one curve once those of the second are moved."""

    c1: Floats
    y1: Floats
    c2: Floats
    y2: Floats

    def rss(self, shift: float) -> float:
        """Return the sum of squares that is left after a move by decades."""
        return _least(np.concatenate([self.c1, self.c2 * 10**shift]), np.concatenate([self.y1, self.y2]))[0]

    def best(self, near: float) -> tuple[float, float]:
        """Return the best move and what it leaves."""
        nodes = near + np.linspace(-_REACH, _REACH, _STEPS)
        start = int(np.argmin([self.rss(own) for own in nodes]))
        around = nodes[max(start - 1, 0)], nodes[min(start + 1, _STEPS - 1)]
        found = minimize_scalar(self.rss, bounds=around, method="bounded", options={"xatol": 1e-6})
        return float(found.x), float(found.fun)

    def end(self, middle: float, side: int, limit: float) -> float:
        """Return where the sum of squares first exceeds a limit; infinite where it does not."""
        inside = middle
        for step in np.linspace(0, _REACH, _STEPS)[1:]:
            outside = middle + side * step
            if self.rss(outside) > limit:
                return float(brentq(lambda shift: self.rss(shift) - limit, inside, outside, xtol=1e-5))
            inside = outside
        return side * np.inf


def _least(c: Floats, y: Floats) -> tuple[float, float]:
    """Return the least sum of squares of a Hill curve, and its log10 EC50."""
    fitted = fit_model(Hill(), Design.of(c, weight=np.ones(len(c))), y[None], None, 0.95)
    return float(fitted.best.rss[0] * fitted.batch.scale[0] ** 2), float(fitted.best.shape[0, 0])


def _nested(small: float, large: float, more: int, free: int) -> float:
    """F-test of a model against one with more parameters, from their sums of squares."""
    if large <= 0:
        return 0.0 if small > 0 else 1.0
    return float(fdtrc(more, free, max(small - large, 0.0) / more / (large / free)))
