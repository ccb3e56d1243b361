"""How noisy the wells are where the EC50 is decided, and so how much worse than the best a curve may fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import expit
from scipy.stats import f as f_distribution

from hcskit.response._hill import LN10, Floats, Wells

__all__ = ["PARAMETERS", "SLOPE_LIMITS", "Point", "f_quantile", "slack"]

#: Parameters of the curve.
PARAMETERS = 4
#: Slopes a fit may have; an interval may go on to a step (no upper limit).
SLOPE_LIMITS = (0.2, 20.0)
_CONFIDENCE = 0.95
_LEAST_NOISE = 0.01  # of the effect: no well is believed to be more exact than this
_CELLS = 400  # cells a well's readout is taken to be counted on, where its replicates cannot tell its noise
_LEAST_FREEDOM = 0.05  # of a residual: a curve that goes through a lone well leaves no residual to learn from
_FEWEST = 4.0  # degrees of freedom; with fewer one pair of replicates could void the interval
_DEPENDENT = 1e-9  # relative singular value below which a direction is rounding


@dataclass(frozen=True, slots=True)
class Point:
    """One curve: EC50 (log10), slope, residual sum of squares, effect and bottom as in `Surface`."""

    log_ec50: float
    slope: float
    rss: float
    effect: float
    bottom: float


def slack(wells: Wells, best: Point) -> float:
    """How much the sum of squares may grow: the variance of a well times the quantile of F.

    The residual variance assumes equal noise everywhere. A class probability is nearly exact at its asymptotes and
    noisy between them, where the EC50 is decided. So the variance is also taken as the mean squared residual weighted
    by each well's pull on the EC50 (the sandwich estimate, White, Econometrica 48:817, 1980, with the HC3 correction
    of MacKinnon & White, J. Econometrics 29:305, 1985; it rescales the likelihood ratio as in Pace, Salvan & Sartori,
    Statistica Sinica 21:129, 2011), with the degrees of freedom that these weights leave (Satterthwaite, Biometrics
    2:110, 1946). The larger of the two counts.
    """
    free = wells.total - PARAMETERS
    plain = max(best.rss / free, (_LEAST_NOISE * best.effect) ** 2) * f_quantile(free)
    fraction = expit(LN10 * best.slope * (wells.log_c - best.log_ec50))
    pull, leverage = _influence(wells, best, fraction)
    weights = wells.well_weight * (pull**2 / wells.weight)[wells.level]
    if not weights.any():
        return plain
    residual = wells.response - (best.bottom + best.effect * fraction / fraction[-1])[wells.level]
    own = wells.well_weight * (leverage / wells.weight)[wells.level]
    counting = leverage * best.effect**2 * fraction * (1 - fraction) / _CELLS
    squared = np.maximum((residual / np.maximum(1 - own, _LEAST_FREEDOM)) ** 2, counting[wells.level])
    variance = (wells.well_weight * weights) @ squared / weights.sum()
    pulling = max(weights.sum() ** 2 / (weights @ weights), _FEWEST)
    return max(plain, float(variance) * f_quantile(min(free, pulling)))


def _influence(wells: Wells, best: Point, fraction: Floats) -> tuple[Floats, Floats]:
    """Return the pull of each concentration on the EC50, for a given slope, and its leverage on the whole curve."""
    distance = wells.log_c - best.log_ec50
    steepness = fraction * (1 - fraction)
    slope = steepness * np.where(np.isfinite(distance), distance, 0.0)
    jacobian = np.stack([steepness, np.ones_like(fraction), fraction, slope], axis=1)
    jacobian *= np.sqrt(wells.weight)[:, None]
    jacobian /= np.maximum(np.linalg.norm(jacobian, axis=0), np.finfo(float).tiny)
    asymptotes = np.linalg.qr(jacobian[:, 1:3])[0]
    pull = jacobian[:, 0] - asymptotes @ (asymptotes.T @ jacobian[:, 0])
    left, singular, _ = np.linalg.svd(jacobian, full_matrices=False)
    return pull, (left[:, singular > _DEPENDENT * singular[0]] ** 2).sum(axis=1)


@lru_cache(maxsize=1000)
def f_quantile(free: float) -> float:
    """Quantile of F(1, `free`) for 95 % confidence."""
    return float(f_distribution.ppf(_CONFIDENCE, 1, free))
