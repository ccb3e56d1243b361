"""The four-parameter Hill curve, and its sum of squares over a grid of EC50 and slope at once.

For a given EC50 and slope the curve is a straight line in its two asymptotes, so these have a closed solution
(variable projection; Golub & Pereyra, SIAM J. Numer. Anal. 10:413, 1973). What remains is a plane of two parameters
that can be looked at as a whole: no starting values, no local minima.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

__all__ = ["LN10", "STEP", "Floats", "Surface", "Wells", "gather", "hill", "rise", "surface"]

Floats = NDArray[np.float64]

#: A slope so steep that the curve is a step: what the Hill curve becomes as its slope grows without bound.
STEP = 1e4
LN10 = float(np.log(10.0))
_NO_CHANGE = 1e-16  # mean square change of the curve over the wells below which it explains nothing
_POWER = -30.0  # exponent below which expit(x) is exp(x) to rounding


@dataclass(frozen=True, slots=True)
class Wells:
    """Wells of one compound and readout, gathered by concentration.

    Attributes
    ----------
    log_c, weight, mean : ndarray of float, shape (level,)
        Distinct concentrations in rising order (log10; -inf is zero), their weights in wells, their mean responses.
    level : ndarray of int, shape (well,)
        Which concentration each well has.
    response, well_weight : ndarray of float, shape (well,)
        The wells themselves.
    within : float
        Weighted sum of squares of the wells around their concentration's mean.
    """

    log_c: Floats
    weight: Floats
    mean: Floats
    level: NDArray[np.int64]
    response: Floats
    well_weight: Floats
    within: float

    @property
    def has_zero(self) -> bool:
        """Whether there are wells at zero concentration."""
        return bool(np.isneginf(self.log_c[0]))

    @property
    def tested(self) -> Floats:
        """Concentrations above zero, log10."""
        return self.log_c[1:] if self.has_zero else self.log_c

    @property
    def total(self) -> float:
        """Sum of the weights: how many wells the data are worth."""
        return float(self.weight.sum())

    @property
    def average(self) -> float:
        """Weighted mean response of all wells."""
        return float(self.weight @ self.mean / self.total)

    @property
    def between(self) -> float:
        """Weighted sum of squares of the concentrations' means around the average."""
        return float(self.weight @ (self.mean - self.average) ** 2)


@dataclass(frozen=True, slots=True)
class Surface:
    """Best straight line ``response = bottom + effect * rise`` for every pair of EC50 and slope.

    Attributes
    ----------
    rss : ndarray
        Weighted residual sum of squares.
    effect : ndarray
        Change of the response from zero to the highest tested concentration.
    bottom : ndarray
        Response at zero concentration.
    centre, spread : ndarray
        Weighted mean of the rise over the wells, and its weighted sum of squares around that.
    """

    rss: Floats
    effect: Floats
    bottom: Floats
    centre: Floats
    spread: Floats


def hill(concentration: ArrayLike, bottom: ArrayLike, top: ArrayLike, ec50: ArrayLike, hill_slope: ArrayLike) -> Floats:
    """Four-parameter Hill curve (Hill, J. Physiol. 40:iv, 1910).

    ``bottom + (top - bottom) * c**h / (c**h + ec50**h)``, without overflow for any finite slope.

    Parameters
    ----------
    concentration : array-like
        Zero gives `bottom`, infinity gives `top`.
    bottom, top : array-like
        Response at zero and at infinite concentration; `top` may be the lower one.
    ec50 : array-like
        Concentration of the half-way response, above zero, in the unit of `concentration`.
    hill_slope : array-like
        Steepness, above zero.

    Returns
    -------
    ndarray of float
        Shape of the broadcast arguments.

    Examples
    --------
    >>> hill([0.0, 10.0, float("inf")], bottom=1.0, top=3.0, ec50=10.0, hill_slope=2.0)
    array([1., 2., 3.])
    """
    c, low, high, half, slope = (
        np.asarray(value, dtype=float) for value in (concentration, bottom, top, ec50, hill_slope)
    )
    with np.errstate(divide="ignore"):
        steps = slope * (np.log(c) - np.log(half))
    return np.asarray(low + (high - low) * expit(steps))


def gather(concentration: Floats, response: Floats) -> Wells:
    """Gather wells by concentration; all wells at zero together weigh as much as one tested concentration.

    A plate often has more control wells than wells of any one compound. Counted one by one they would set the noise
    and the bottom alone, and an offset of the control columns (an edge effect) would bend the curve.
    """
    treated = concentration > 0
    replicates = treated.sum() / len(np.unique(concentration[treated]))
    well_weight = np.where(treated, 1.0, min(1.0, replicates / max((~treated).sum(), 1)))
    values, level = np.unique(concentration, return_inverse=True)
    weight = np.bincount(level, well_weight).astype(float)
    mean = np.bincount(level, well_weight * response) / weight
    within = float(well_weight @ (response - mean[level]) ** 2)
    with np.errstate(divide="ignore"):
        return Wells(np.log10(values), weight, mean, level, response, well_weight, within)


def rise(log_c: Floats, log_max: float | np.float64, log_ec50: Floats, slope: Floats) -> Floats:
    """Hill curve between 0 (no compound) and 1 (at the highest tested concentration).

    Scaled to the highest tested concentration rather than to infinity, it stays well defined where the EC50 lies far
    above the tested range: there it becomes a power of the concentration.
    """
    last = LN10 * slope * (log_max - log_ec50)
    # Far below its EC50 the curve is a power: moved up by a constant factor it has the same shape, and no underflow.
    shift = np.maximum(_POWER - last, 0.0)
    return np.asarray(expit(LN10 * slope * (log_c - log_ec50) + shift) / expit(last + shift))


def surface(wells: Wells, log_ec50: Floats, slope: Floats) -> Surface:
    """Fit the asymptotes for every pair of `log_ec50` and `slope`, arrays that broadcast to the surface's shape."""
    rises = rise(wells.log_c, wells.log_c[-1], log_ec50[..., None], slope[..., None])
    centre = rises @ wells.weight / wells.total
    rises -= centre[..., None]
    spread = rises**2 @ wells.weight
    covariance = rises @ (wells.weight * (wells.mean - wells.average))
    changes = spread > _NO_CHANGE * wells.total
    effect = np.where(changes, covariance / np.where(changes, spread, 1.0), 0.0)
    rss = wells.within + np.maximum(wells.between - effect * covariance, 0.0)
    return Surface(rss, effect, wells.average - effect * centre, centre, np.where(changes, spread, np.inf))
