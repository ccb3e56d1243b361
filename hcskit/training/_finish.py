"""What a trained network becomes before it is used: it looks in several ways, and its probabilities are calibrated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from hcskit.models.backend import keras
from hcskit.training._recipe import PredictionSection

__all__ = ["calibration_error", "finish", "temperature"]

_BINS = 15  # of Guo et al.
_RANGE = (0.1, 10.0)


def finish(
    network: keras.Model, section: PredictionSection, held_out: Iterable[tuple[npt.NDArray[Any], ...]]
) -> tuple[keras.Model, dict[str, float]]:
    """Make a trained network what a recipe says it is when it predicts.

    Parameters
    ----------
    network : keras.Model
        Maps images (batch, y, x, channel) to probabilities; its last layer, ``phenotype``, is changed in place.
    section : PredictionSection
        The recipe's.
    held_out : iterable
        Batches of images and their classes (batch, class), none of them learned from.

    Returns
    -------
    model : keras.Model
        Maps images to probabilities.
    metrics : dict of str to float
        On what was held out: ``accuracy`` and ``ece`` (expected calibration error), and the ``temperature`` of the
        calibration, 1 if there was none.
    """
    numbers = range(section.views)
    seen, classes = [], []
    for images, labels, *_ in held_out:
        seen.append(np.stack([network.predict_on_batch(_turned(images, number)) for number in numbers]))
        classes.append(labels.argmax(axis=-1))
    probabilities, truth = np.concatenate(seen, axis=1), np.concatenate(classes)
    kelvin = temperature(probabilities, truth) if section.calibrate else 1.0
    _cool(network.get_layer("phenotype"), kelvin)
    averaged = _at(probabilities, kelvin)
    metrics = {
        "accuracy": float((averaged.argmax(axis=-1) == truth).mean()),
        "ece": calibration_error(averaged, truth),
        "temperature": kelvin,
    }
    if section.views == 1:
        return network, metrics
    image = keras.Input(network.input_shape[1:], name="image")
    average = keras.layers.Average(name="views", dtype="float32")
    return keras.Model(image, average([network(_turned(image, number)) for number in numbers])), metrics


def temperature(probabilities: npt.NDArray[Any], truth: npt.NDArray[np.int64]) -> float:
    """Find the temperature that makes what was observed most likely; Guo et al., arXiv:1706.04599 (2017), section 4.2.

    Parameters
    ----------
    probabilities : numpy.ndarray
        (view, image, class); those of an image are averaged over the views after they are brought to the temperature.
    truth : numpy.ndarray of int
        (image,), the classes.

    Returns
    -------
    float
        Above 1: the network is too sure. From 0.1 to 10.

    Examples
    --------
    A network that says 99 % and is right in three of four cases:

    >>> said = np.tile([[0.99, 0.01]], (4, 1))[np.newaxis]
    >>> found = temperature(said, np.array([0, 0, 0, 1]))
    >>> float(_at(said, found)[0, 0].round(3))
    0.75
    """

    def surprise(logarithm: float) -> float:
        own = _at(probabilities, float(np.exp(logarithm)))[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(own, 1e-12)).mean())

    found = minimize_scalar(surprise, bounds=np.log(_RANGE), method="bounded")
    return float(np.exp(found.x))


def calibration_error(probabilities: npt.NDArray[Any], truth: npt.NDArray[np.int64]) -> float:
    """Return the expected calibration error: by how much a network is surer than right, or less sure.

    The mean over images of ``|accuracy - confidence|`` of those whose highest probability is about the same, in 15
    bins; Guo et al., arXiv:1706.04599 (2017), equation 3.

    Examples
    --------
    >>> calibration_error(np.tile([[0.95, 0.05]], (4, 1)), np.array([0, 0, 0, 1]))
    0.2
    """
    sure, right = probabilities.max(axis=-1), probabilities.argmax(axis=-1) == truth
    bins = np.ceil(sure * _BINS).astype(int)
    gaps = [abs(float((right[bins == one] - sure[bins == one].astype(float)).sum())) for one in np.unique(bins)]
    return round(sum(gaps) / len(truth), 6)


def _at(probabilities: npt.NDArray[Any], kelvin: float) -> npt.NDArray[np.float64]:
    """Bring probabilities (view, image, class) to a temperature, and average over the views."""
    logits = np.log(np.maximum(probabilities.astype(float), 1e-30)) / kelvin
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    averaged: npt.NDArray[np.float64] = (powers / powers.sum(axis=-1, keepdims=True)).mean(axis=0)
    return averaged


def _cool(dense: Any, kelvin: float) -> None:
    """Divide what a layer puts into its softmax."""
    dense.set_weights([weight / kelvin for weight in dense.get_weights()])


def _turned(images: Any, number: int) -> Any:
    """Return images (batch, y, x, channel) as one of their eight flips and quarter turns; the first four keep shape."""
    axes = [axis for axis, bit in ((1, 1), (2, 2)) if number & bit]
    images = keras.ops.flip(images, axis=axes) if axes else images
    return keras.ops.transpose(images, (0, 2, 1, 3)) if number & 4 else images
