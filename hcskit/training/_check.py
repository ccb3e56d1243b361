"""Whether a trained network tells apart the wells that it learned from: if not, its readings mean nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

__all__ = ["LEAST_AUC", "area_under_curve", "check_learned"]

#: Below it, classes that were learned from count as not told apart; 0.5 is chance, 1 is perfect.
LEAST_AUC = 0.9


def check_learned(said: npt.NDArray[Any], truth: npt.NDArray[np.int64]) -> dict[str, float]:
    """Judge how a network reads the images that it learned from, as it will read others.

    Parameters
    ----------
    said : numpy.ndarray
        (image, class), probabilities.
    truth : numpy.ndarray of int
        (image,), the classes.

    Returns
    -------
    dict of str to float
        ``learned_accuracy``, the mean over the classes of the share that is read as what it is; ``learned_auc``, the
        area under the ROC curve of a class's probability, of the class that is told worst (1: apart, 0.5: alike).

    Examples
    --------
    >>> check_learned(np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]]), np.array([0, 0, 1]))
    {'learned_accuracy': 0.5, 'learned_auc': 0.5}
    """
    classes = np.unique(truth)
    right = [float((said[truth == one].argmax(axis=-1) == one).mean()) for one in classes]
    areas = [area_under_curve(said[truth == one, one], said[truth != one, one]) for one in classes]
    return {"learned_accuracy": float(np.mean(right)), "learned_auc": min(areas)}


def area_under_curve(own: npt.NDArray[Any], others: npt.NDArray[Any]) -> float:
    """Return how probable it is that one of the class has a higher value than one of the others; ties count half.

    The area under the ROC curve, from the rank sum (Hanley & McNeil, Radiology 143:29, 1982).

    Examples
    --------
    >>> area_under_curve(np.array([0.9, 0.6]), np.array([0.1, 0.6]))
    0.875
    """
    ranks = scipy.stats.rankdata(np.concatenate([own, others]))[: len(own)]
    return float((ranks.sum() - len(own) * (len(own) + 1) / 2) / (len(own) * len(others)))
