"""How well two groups of wells separate, and which well of a group does not belong to it: arrays in, numbers out."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from hcskit.errors import InputError

__all__ = ["auroc", "outliers", "robust_ssmd", "robust_z_prime", "signal_window", "ssmd", "v_factor", "z_prime"]

Floats = NDArray[np.float64]
_MOST_OUTLIERS = 0.2  # of a group
_FEWEST = 4  # wells of which one can be told to be an outlier


def z_prime(positive: ArrayLike, negative: ArrayLike) -> float:
    """Z′-factor, ``1 - 3 (s_p + s_n) / |m_p - m_n|`` (Zhang et al., J. Biomol. Screen. 4:67, 1999).

    Sample standard deviations; NaN with fewer than two wells of either control.

    Examples
    --------
    >>> round(z_prime([10, 10.2, 9.8], [0, 0.1, -0.1]), 2)
    0.91
    """
    p, n = _known(positive), _known(negative)
    if min(len(p), len(n)) < 2 or p.mean() == n.mean():
        return float("nan")
    return float(1 - 3 * (p.std(ddof=1) + n.std(ddof=1)) / abs(p.mean() - n.mean()))


def robust_z_prime(positive: ArrayLike, negative: ArrayLike) -> float:
    """Z′-factor of medians and scaled median absolute deviations (Birmingham et al., Nat. Methods 6:569, 2009).

    ``1 - 3 (d_p + d_n) / |M_p - M_n|`` with ``d = 1.4826 × median |x - M|``. A single well hardly moves it; with fewer
    than two wells of either control it is NaN.

    Examples
    --------
    >>> round(robust_z_prime([10, 10.2, 9.8, 0], [0, 0.1, -0.1, 0]), 2)
    0.89
    """
    p, n = _known(positive), _known(negative)
    if min(len(p), len(n)) < 2 or np.median(p) == np.median(n):
        return float("nan")
    return float(1 - 3 * (_mad(p) + _mad(n)) / abs(np.median(p) - np.median(n)))


def ssmd(positive: ArrayLike, negative: ArrayLike) -> float:
    """Strictly standardised mean difference, ``(m_p - m_n) / sqrt(s_p² + s_n²)`` (Zhang, Genomics 89:552, 2007).

    Examples
    --------
    >>> round(ssmd([10, 10.2, 9.8], [0, 0.1, -0.1]), 1)
    44.7
    """
    p, n = _known(positive), _known(negative)
    if min(len(p), len(n)) < 2:
        return float("nan")
    noise = float(np.hypot(p.std(ddof=1), n.std(ddof=1)))
    return float((p.mean() - n.mean()) / noise) if noise > 0 else float("nan")


def robust_ssmd(positive: ArrayLike, negative: ArrayLike) -> float:
    """SSMD of medians and scaled median absolute deviations, ``(M_p - M_n) / sqrt(d_p² + d_n²)``.

    Source: Zhang, J. Biomol. Screen. 12:645 (2007), "SSMD*".

    Examples
    --------
    >>> round(robust_ssmd([10, 10.2, 9.8, 0], [0, 0.1, -0.1, 0]), 1)
    32.4
    """
    p, n = _known(positive), _known(negative)
    if min(len(p), len(n)) < 2:
        return float("nan")
    noise = float(np.hypot(_mad(p), _mad(n)))
    return float((np.median(p) - np.median(n)) / noise) if noise > 0 else float("nan")


def signal_window(positive: ArrayLike, negative: ArrayLike) -> float:
    """Signal window, ``(|m_p - m_n| - 3 (s_p + s_n)) / s`` (Sittampalam et al., J. Biomol. Screen. 2:159, 1997).

    The room between the controls in units of s, the sample standard deviation of the control of the larger mean: how
    many steps can be told apart. At least 2 is recommended.

    Examples
    --------
    >>> round(signal_window([10, 10.2, 9.8], [0, 0.1, -0.1]), 1)
    45.5
    """
    p, n = _known(positive), _known(negative)
    if min(len(p), len(n)) < 2:
        return float("nan")
    noise = float((p if p.mean() > n.mean() else n).std(ddof=1))
    room = abs(p.mean() - n.mean()) - 3 * (p.std(ddof=1) + n.std(ddof=1))
    return float(room / noise) if noise > 0 else float("nan")


def v_factor(concentration: ArrayLike, response: ArrayLike) -> float:
    """V-factor of a titrated compound, ``1 - 6 s / |m_max - m_min|`` (Ravkin, poster P12024, SBS 2004).

    The Z′-factor of a whole curve: s is the mean over the concentrations of the sample standard deviation of the
    replicates; m_max and m_min are the highest and the lowest mean of a concentration. With the two controls alone it
    is Z′.

    Parameters
    ----------
    concentration, response : array-like, shape (well,)
        Replicates have the same concentration; a response may be NaN.

    Returns
    -------
    float
        NaN if fewer than two concentrations have replicates, or all means are equal.

    Examples
    --------
    >>> round(v_factor([1, 1, 10, 10, 100, 100], [0, 0.1, 0.5, 0.6, 1, 1.1]), 2)
    0.58
    """
    c, y = np.asarray(concentration, dtype=float), np.asarray(response, dtype=float)
    if c.shape != y.shape or c.ndim != 1:
        raise InputError(f"concentration has shape {c.shape} and response {y.shape}; expected one value a well in each")
    groups = [y[(c == own) & np.isfinite(y)] for own in np.unique(c)]
    groups = [own for own in groups if len(own) > 1]
    means = [own.mean() for own in groups]
    if len(groups) < 2 or np.ptp(means) == 0:
        return float("nan")
    return float(1 - 6 * np.mean([own.std(ddof=1) for own in groups]) / np.ptp(means))


def auroc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Area under the ROC curve: how probable it is that a positive control reads above a negative one; ties are half.

    1 and 0 are complete separation, 0.5 is none. It is U / (n_p n_n) of Mann and Whitney (Bamber, J. Math. Psychol.
    12:387, 1975).

    Examples
    --------
    >>> auroc([3, 4], [1, 2]), auroc([1, 2], [3, 4]), auroc([1, 2], [2, 1])
    (1.0, 0.0, 0.5)
    """
    p, n = _known(positive), _known(negative)
    if not min(len(p), len(n)):
        return float("nan")
    return float(scipy.stats.mannwhitneyu(p, n, method="asymptotic").statistic / (len(p) * len(n)))


def outliers(values: ArrayLike, significance: float = 0.001) -> NDArray[np.bool_]:
    """Tell which wells of a group do not belong to it: the generalised extreme Studentised deviate test.

    The wells are taken away one after the other, the most extreme first, up to a fifth of them; all up to the last
    whose deviation exceeds its critical value are outliers. So one does not hide another (Rosner, Technometrics 25:165,
    1983; it is Grubbs' test where one well can be taken away).

    Parameters
    ----------
    values : array-like, shape (well,)
        NaN is no outlier; of fewer than four known values none is.
    significance : float
        Which share of groups of normally distributed wells may have an outlier by chance.

    Returns
    -------
    ndarray of bool, shape (well,)

    Examples
    --------
    >>> outliers([1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 9.0]).nonzero()[0].tolist()
    [6]
    """
    x = np.asarray(values, dtype=float)
    found = np.zeros(len(x), dtype=bool)
    rest = np.flatnonzero(np.isfinite(x))
    if len(rest) < _FEWEST:
        return found
    taken: list[int] = []
    last = 0
    for _ in range(max(1, int(_MOST_OUTLIERS * len(rest)))):
        own = x[rest]
        spread = own.std(ddof=1)
        worst = int(np.abs(own - own.mean()).argmax())
        if spread <= np.finfo(float).eps * np.abs(own).max():
            break
        taken.append(int(rest[worst]))
        if abs(own[worst] - own.mean()) / spread > _critical(len(own), significance):
            last = len(taken)
        rest = np.delete(rest, worst)
    found[taken[:last]] = True
    return found


def _critical(count: int, significance: float) -> float:
    """Return the deviation, in standard deviations, that the most extreme of normal values rarely exceeds."""
    quantile = scipy.stats.t.isf(significance / (2 * count), count - 2)
    return float((count - 1) * quantile / np.sqrt((count - 2 + quantile**2) * count))


def _known(values: ArrayLike) -> Floats:
    found = np.asarray(values, dtype=float)
    return np.asarray(found[~np.isnan(found)])


def _mad(values: Floats) -> float:
    return float(scipy.stats.median_abs_deviation(values, scale="normal"))
