"""One compound, one readout: from wells to an effective concentration with its interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hcskit.errors import InputError
from hcskit.response._category import LEAST_EFFECT
from hcskit.response._many import Task, fit_many
from hcskit.response._model import Floats
from hcskit.response._result import HillFit

__all__ = ["checked_wells", "fit_hill", "readout_limits"]

_NEARLY_ONE = 0.9


def fit_hill(
    concentration: ArrayLike,
    response: ArrayLike,
    *,
    full_scale: float | None = None,
    networks: ArrayLike | None = None,
    plate: ArrayLike | None = None,
    limits: tuple[float, float] | None = None,
    least_effect: float = LEAST_EFFECT,
    level: float = 0.95,
) -> HillFit:
    """Fit a four-parameter Hill curve by least squares; a bell where the wells return at higher concentrations.

    Wells at zero concentration (the negative controls) anchor the bottom; together they weigh as much as one tested
    concentration. A well that disagrees with its replicates and with both neighbouring concentrations is left out and
    named. The interval rests on these wells alone; of many compounds `fit_responses` tells narrower ones.

    Parameters
    ----------
    concentration : array-like, shape (well,)
        Zero or above, in one unit.
    response : array-like, shape (well,)
        The readout of each well; NaN is left out and counted.
    full_scale : float, optional
        Change of the response in the positive controls (sign ignored), to tell a partial effect from a complete one.
    networks : array-like, shape (network, well), optional
        What each network of an ensemble reads, where the response is their average. The interval of the EC50 then
        covers what they differ by: networks are to an average what imputations are (Rubin 1987, rules 3.1.5 and 3.1.6).
        If one of them has not read a well that is fitted, it does not, and the note says so.
    plate : array-like, shape (well,), optional
        Which plate each well is on. Each plate then has its own untreated level.
    limits : tuple of float, optional
        Lowest and highest response that the readout can have; asymptotes keep to them, and infinite ends are none. By
        default those of `readout_limits`.
    least_effect : float
        Share of the full scale that an effect has to exceed, or it is called inactive.
    level : float
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    HillFit
        Always; what cannot be fitted says so in its category and note.

    Raises
    ------
    InputError
        If they differ in shape, a concentration is negative or not finite, a response is infinite, or limits or level
        make no sense.

    Examples
    --------
    >>> from hcskit.response import hill
    >>> concentration = np.geomspace(1, 1000, 10).repeat(2)
    >>> fit = fit_hill(concentration, hill(concentration, bottom=0, top=1, ec50=30, hill_slope=1.5))
    >>> fit.category, round(fit.ec50, 3), round(fit.hill_slope, 3)
    ('active', 30.0, 1.5)
    """
    c, y = checked_wells(concentration, response)
    each = np.empty((0, len(y))) if networks is None else np.atleast_2d(np.asarray(networks, dtype=float))
    if each.shape[1:] != y.shape:
        raise InputError(f"the networks' readings have shape {each.shape} for {len(y)} wells; expected (network, well)")
    if not 0 < level < 1:
        raise InputError(f"confidence level {level:g}; expected a number between 0 and 1, such as 0.95")
    ends = readout_limits(y) if limits is None else _checked_limits(limits)
    plates = np.zeros(len(y), dtype=np.int64)
    if plate is not None:
        labels = np.asarray(plate)
        if labels.shape != y.shape:
            raise InputError(f"plate has shape {labels.shape} for {len(y)} wells; expected one label a well")
        plates = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return fit_many([Task(c, y, plates, each, full_scale, ends, least_effect)], level)[0]


def readout_limits(response: Floats) -> tuple[float, float]:
    """Return the range of a readout as its values suggest it.

    Values of which none is negative are taken for counts, intensities or viabilities, which have no upper end. Where
    the largest lies between 0.9 and 1 they are taken for probabilities or shares.

    Examples
    --------
    >>> readout_limits(np.array([0.0, 0.4, 0.98])), readout_limits(np.array([0.1, 1.1]))
    ((0.0, 1.0), (0.0, inf))
    >>> readout_limits(np.array([-0.1, 1.1]))
    (-inf, inf)
    """
    known = response[np.isfinite(response)]
    if not len(known) or known.min() < 0:
        return -np.inf, np.inf
    return 0.0, 1.0 if _NEARLY_ONE <= known.max() <= 1 else np.inf


def _checked_limits(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = (float(end) for end in limits)
    if not low < high:
        raise InputError(f"limits of the readout {low:g} to {high:g}; expected the lower one first")
    return low, high


def checked_wells(concentration: ArrayLike, response: ArrayLike) -> tuple[Floats, Floats]:
    """Return concentrations and responses as numbers, or say what is wrong with them."""
    c, y = np.asarray(concentration, dtype=float), np.asarray(response, dtype=float)
    if c.ndim != 1 or c.shape != y.shape:
        raise InputError(f"concentration has shape {c.shape} and response {y.shape}; expected one value a well in each")
    wrong = c[~(np.isfinite(c) & (c >= 0))]
    if len(wrong):
        raise InputError(f"concentration {wrong[0]:g} of a well; expected a finite number, zero or above")
    if np.isinf(y).any():
        raise InputError(f"the response at concentration {c[np.isinf(y)][0]:g} is infinite; expected a number or NaN")
    return c, y
