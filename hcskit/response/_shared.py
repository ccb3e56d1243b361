"""What curves of the same plates tell of each other's noise: variances moderated by those of all (empirical Bayes).

A curve of ten concentrations tells its own noise from a few degrees of freedom. Curves of one readout on the same
plates have been measured alike, so their variances scatter around a common one: sampled from s0² d0 / chi²(d0), where
d0 tells how alike they are. Source: Smyth, Stat. Appl. Genet. Mol. Biol. 3:3 (2004), sections 4 and 6.2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, fdtrc, polygamma

from hcskit.response._model import Floats

__all__ = ["NOTHING", "SharedNoise", "moderated", "shared_noise"]

_MOST = 1e6  # degrees of freedom that are as good as infinitely many
_LEAST = 1e-9  # and that are as good as none
_UNLIKE = 0.01  # share of curves like the others that are as noisy as one that is called unlike them


class SharedNoise(NamedTuple):
    """A common standard deviation of a well, in units of the readout, and how many degrees of freedom it is worth."""

    deviation: float
    freedom: float


#: What a curve without peers knows.
NOTHING = SharedNoise(np.nan, 0.0)


def shared_noise(deviation: Floats, freedom: Floats) -> SharedNoise:
    """Estimate the common noise of curves, and its degrees of freedom.

    Moments of the logarithm of the variances. The common variance is worth at most what the other curves are
    together, on the average of the curves: a few that happen to agree do not prove that all are alike.

    Parameters
    ----------
    deviation, freedom : ndarray of float, shape (curve,)
        Standard deviation of a well of each curve, and its degrees of freedom. Curves without noise are left out.

    Returns
    -------
    SharedNoise
        `NOTHING` of fewer than two curves.

    Examples
    --------
    >>> shared_noise(np.array([2.0, 2.0, 2.0]), np.array([6.0, 6.0, 6.0])).freedom  # these agree, but are only three
    12.0
    """
    usable = deviation > 0
    deviation, freedom = deviation[usable], freedom[usable]
    count = len(deviation)
    if count < 2:
        return NOTHING
    logarithm = 2 * np.log(deviation) - _bias(freedom)
    excess = float(logarithm.var(ddof=1) - polygamma(1, freedom / 2).mean())
    own = _MOST
    if excess > polygamma(1, _MOST / 2):
        own = 2 * brentq(lambda half: polygamma(1, half) - excess, 0.5 / excess, _MOST)
    common = np.exp((logarithm.mean() + _bias(np.array(own))) / 2)
    return SharedNoise(float(common), float(min(own, freedom.sum() * (count - 1) / count)))


def moderated(variance: Floats, freedom: Floats, shared: list[SharedNoise], unit: Floats) -> tuple[Floats, Floats]:
    """Return the average of each curve's own variance and of the shared one, and the degrees of freedom of both.

    A curve that is far noisier than its peers is not like them, whatever the reason, and keeps its own variance: the
    quiet many would make its interval too narrow. Under the model its variance / common has an F-distribution.

    Parameters
    ----------
    variance, freedom : ndarray of float, shape (curve,)
        Of each curve, in units of its own.
    shared : list of SharedNoise
        What each curve knows of its peers.
    unit : ndarray of float, shape (curve,)
        Unit of each curve's responses, in units of the readout.
    """
    common, more = np.array(shared).T
    known = (np.where(more > 0, common, 0.0) / unit) ** 2
    likely = fdtrc(freedom, np.maximum(more, _LEAST), variance / np.where(known > 0, known, np.inf)) >= _UNLIKE
    more = np.where(likely, more, 0.0)
    return (more * known + freedom * variance) / (more + freedom), freedom + more


def _bias(freedom: Floats) -> Floats:
    """Return the mean of the logarithm of a variance estimate, less that of the variance."""
    return np.asarray(digamma(freedom / 2) - np.log(freedom / 2))
