"""Wells that disagree with their replicates and with the neighbouring concentrations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import median_abs_deviation, norm

from hcskit.response._model import Floats

__all__ = ["deviating"]

_FAR = 6.0  # standard deviations outside all that the references say
_SHARE = 0.25  # of the span of the other wells: what deviates by less does no harm
_MINIMUM_CONTROLS = 4  # wells at zero concentration from which their own noise is estimated


def deviating(concentration: Floats, response: Floats) -> NDArray[np.int64]:
    """Return, for each curve, the well that disagrees most with what its surroundings say, or -1.

    A well has up to three references: the median of its replicates, and the medians of the next lower and the next
    higher concentration. It deviates if it lies outside the range of its references by six robust standard deviations
    and by a quarter of the other wells' span. A well on a slope lies between its neighbours, however noisy it is. A
    lone well at either end has one reference only and cannot be told from an effect that sets in there.

    Parameters
    ----------
    concentration : ndarray of float, shape (well,)
        Of one plate, or of plates whose differences are taken out.
    response : ndarray of float, shape (curve, well)
        No NaN.
    """
    values, level = np.unique(concentration, return_inverse=True)
    members = [np.flatnonzero(level == i) for i in range(len(values))]
    medians = np.stack([np.median(response[:, own], axis=1) for own in members], axis=1)
    low, high = np.full(response.shape, np.inf), np.full(response.shape, -np.inf)
    expected = np.empty(response.shape)
    references = np.zeros(response.shape[1])
    for i, own in enumerate(members):
        beside = medians[:, [j for j in (i - 1, i + 1) if 0 <= j < len(values)]]
        for well in own:
            others = own[own != well]
            near = np.median(response[:, others], axis=1)[:, None] if len(others) else beside[:, :0]
            known = np.concatenate([near, beside], axis=1)
            references[well] = known.shape[1]
            low[:, well], high[:, well] = known.min(axis=1), known.max(axis=1)
            expected[:, well] = near[:, 0] if len(others) else beside.mean(axis=1)
    outside = np.maximum(np.maximum(response - high, low - response), 0.0)
    noise = _noise(response - expected, response[:, concentration == 0])
    span = np.quantile(response, 0.9, axis=1) - np.quantile(response, 0.1, axis=1)
    limit = np.maximum(np.maximum(_FAR * noise, _SHARE * span), 1e-9 * np.abs(response).max(axis=1))
    outside = np.where(references >= 2, outside, 0.0)
    worst = outside.argmax(axis=1)
    return np.where(outside.max(axis=1) > limit, worst, -1)


def _noise(difference: Floats, untreated: Floats) -> Floats:
    """Robust standard deviation of a well: the larger of what neighbours and what untreated wells tell."""
    # The difference of a well from the mean of two others has 1.5 times its variance.
    noise = np.median(np.abs(difference), axis=1) / (norm.ppf(0.75) * np.sqrt(1.5))
    if untreated.shape[1] >= _MINIMUM_CONTROLS:
        noise = np.maximum(noise, median_abs_deviation(untreated, axis=1, scale="normal"))
    return np.asarray(noise)
