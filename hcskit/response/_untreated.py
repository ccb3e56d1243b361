"""How noisy an untreated well is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcskit.response._model import Floats

__all__ = ["untreated_noise"]

_FEWEST = 3  # wells beyond one a plate
_NORMAL = 1.4826  # standard deviations in a median absolute deviation of gaussian noise


def untreated_noise(response: Floats, plate: NDArray[np.int64]) -> Floats | None:
    """Return the standard deviation of an untreated well around the level of its own plate.

    A plate's level is the median of its wells, which lies nearer to them than the true one does, and often on one of
    them. So as many deviations as there are plates, the smallest ones, do not count in the median of the absolute
    deviations (DuMouchel & O'Brien, Proc. 21st Symp. Interface, 297, 1989). Under gaussian noise the result is right
    to 7 % in the median; from two wells a plate it is too large by 20 %.

    Parameters
    ----------
    response : ndarray of float, shape (curve, well)
        Of wells without compound.
    plate : ndarray of int, shape (well,)

    Returns
    -------
    ndarray of float, shape (curve,), or None
        None where there are fewer than three wells beyond one a plate: they tell no noise.
    """
    plates = np.unique(plate)
    if len(plate) - len(plates) < _FEWEST:
        return None
    around = [response[:, plate == own] for own in plates]
    deviation = np.concatenate([np.abs(own - np.median(own, axis=1, keepdims=True)) for own in around], axis=1)
    return np.asarray(_NORMAL * np.median(np.sort(deviation, axis=1)[:, len(plates) :], axis=1))
