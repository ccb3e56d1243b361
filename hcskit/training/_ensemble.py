"""What a trained network becomes before it is used: it looks in several ways, and its probabilities are calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from hcskit.data._batches import Tiles
from hcskit.models.backend import keras
from hcskit.parallel import add_up, device, ranks
from hcskit.recipe._recipe import PredictionSection

__all__ = ["calibration_error", "each_network", "each_reading", "finish", "read_tiles", "temperature"]

_NETWORKS = "networks"  # the layer that averages over them
_BINS = 15  # of Guo et al.
_RANGE = (0.1, 10.0)
_LEAST = float(np.finfo(np.float32).tiny)  # of a probability: smaller ones are lost in float32


def finish(
    networks: Sequence[keras.Model], section: PredictionSection, held_out: Tiles
) -> tuple[keras.Model, dict[str, float]]:
    """Make trained networks the model that a recipe says they are when they predict.

    Parameters
    ----------
    networks : sequence of keras.Model
        Each maps images (batch, y, x, channel) to probabilities (batch, class), and is left as it is. Probabilities of
        several are averaged (Huang et al., arXiv:1704.00109).
    section : PredictionSection
        The recipe's.
    held_out : Tiles
        Images and their classes, none of them learned from; the ranks share them. There may be none.

    Returns
    -------
    model : keras.Model
        Maps images to probabilities.
    metrics : dict of str to float
        On what was held out: ``accuracy`` and ``ece`` (expected calibration error), and the ``temperature`` of the
        calibration, 1 if there was none. Empty if nothing was held out.
    """
    metrics = _calibrate(networks, section, held_out) if held_out.size else {}
    image = keras.Input(networks[0].input_shape[1:], name="image")
    told = metrics.get("temperature", 1.0)
    read = [_average(network, image, section.views, told, f"views_{number}") for number, network in enumerate(networks)]
    output = keras.layers.Average(name=_NETWORKS, dtype="float32")(read) if len(read) > 1 else read[0]
    return keras.Model(image, output), metrics


def _calibrate(networks: Sequence[keras.Model], section: PredictionSection, held_out: Tiles) -> dict[str, float]:
    probabilities, truth = read_tiles(networks, held_out, section.views)
    divisor = temperature(probabilities, truth) if section.calibrate else 1.0
    averaged = _at(probabilities, divisor)
    right = averaged.argmax(axis=-1) == truth
    return {
        "accuracy": float(right.mean()),
        "ece": calibration_error(averaged.max(axis=-1), right),
        "temperature": divisor,
    }


def each_network(model: keras.Model) -> keras.Model:
    """Return what the networks of a model say, one by one: probabilities (batch, network, class)."""
    averaged = [layer for layer in model.layers if layer.name == _NETWORKS]
    outputs = averaged[0].input if averaged else model.outputs
    networks = keras.Model(model.inputs[0], keras.ops.stack(outputs, axis=1))
    networks.jit_compile = device().xla
    return networks


def each_reading(model: keras.Model, views: int, divisor: float) -> keras.Model:
    """Return what the networks of a model say, and the features that they say it from.

    The features are those that a network averages over the image: the last global average, or else what the output
    layer gets. An average over the cells grows with the share of them that respond; the layers after it saturate.

    Parameters
    ----------
    model : keras.Model
        As `finish` returns it.
    views : int
        How many views of the image it averages over; so are the features.
    divisor : float
        Temperature that it was calibrated with.

    Returns
    -------
    keras.Model
        Maps images to (batch, network, class and feature): the probabilities come first.
    """
    image = keras.Input(model.inputs[0].shape[1:], name="image")
    networks = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    wrapped = [(network, views, divisor) for network in networks] or [(model, 1, 1.0)]
    readings = keras.Model(image, keras.ops.stack([_with_features(image, *own) for own in wrapped], axis=1))
    readings.jit_compile = device().xla
    return readings


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


def calibration_error(sure: npt.NDArray[Any], right: npt.NDArray[np.bool_]) -> float:
    """Return the expected calibration error: by how much a network is surer than right, or less sure.

    The mean over images of ``|accuracy - confidence|`` of those whose highest probability is about the same, in 15
    bins; Guo et al., arXiv:1706.04599 (2017), equation 3.

    Parameters
    ----------
    sure : numpy.ndarray
        (image,), the highest probability.
    right : numpy.ndarray of bool
        (image,), whether it is that of the class.

    Examples
    --------
    >>> calibration_error(np.full(4, 0.95), np.array([True, True, True, False]))
    0.2
    """
    bins = np.ceil(sure * _BINS).astype(int)
    gaps = [abs(float((right[bins == one] - sure[bins == one].astype(float)).sum())) for one in np.unique(bins)]
    return round(sum(gaps) / len(right), 6)


def _at(probabilities: npt.NDArray[Any], divisor: float) -> npt.NDArray[np.float64]:
    """Bring probabilities (view, image, class) to a temperature, and average over the views."""
    logits = np.log(np.maximum(probabilities.astype(float), _LEAST)) / divisor
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    averaged: npt.NDArray[np.float64] = (powers / powers.sum(axis=-1, keepdims=True)).mean(axis=0)
    return averaged


def read_tiles(
    networks: Sequence[keras.Model], tiles: Tiles, views: int = 1
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the probabilities (network and view, image, class) of images, and their classes (image,).

    The ranks share the batches; all are given all of what they read.
    """
    place = ranks()
    classes = len(tiles.fields.classes)
    seen, truth = np.zeros((len(networks) * views, tiles.size, classes)), np.zeros(tiles.size, np.int64)
    for number in range(place.rank, len(tiles), place.size):
        images, labels = tiles[number]
        own = slice(number * tiles.batch, number * tiles.batch + len(images))
        turned = [_turned(images, view) for view in range(views)]
        seen[:, own] = [network.predict_on_batch(image) for network in networks for image in turned]
        truth[own] = labels.argmax(axis=-1)
    return add_up(seen), add_up(truth)


def _average(network: keras.Model, image: Any, views: int, divisor: float, name: str) -> Any:
    seen = [_temper(network(_turned(image, view)), divisor) for view in range(views)]
    return keras.layers.Average(name=name, dtype="float32")(seen) if views > 1 else seen[0]


def _with_features(image: Any, network: keras.Model, views: int, divisor: float) -> Any:
    pools = [layer for layer in network.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)]
    features = pools[-1].output if pools else network.layers[-1].input
    if not keras.utils.is_keras_tensor(features) or len(features.shape) != 2:
        features = network.outputs[0]
    both = keras.Model(network.inputs[0], [network.outputs[0], features])
    seen = [both(_turned(image, view)) for view in range(views)]
    said = [keras.ops.concatenate([_temper(own, divisor), keras.ops.cast(f, "float32")], axis=-1) for own, f in seen]
    return keras.ops.mean(keras.ops.stack(said), axis=0)


def _temper(probabilities: Any, divisor: float) -> Any:
    """Bring probabilities to a temperature: softmax(z/T) is in proportion to softmax(z)^(1/T), whatever made z."""
    if divisor == 1:
        return probabilities
    # Of Keras's own operations, so that a model file needs no class of ours. Sums of logarithms do not underflow.
    logits = keras.ops.log(keras.ops.maximum(probabilities, _LEAST)) / divisor
    return keras.ops.softmax(logits, axis=-1)


def _turned(images: Any, number: int) -> Any:
    """Return images (batch, y, x, channel) as one of their eight flips and quarter turns; the first four keep shape."""
    axes = [axis for axis, bit in ((1, 1), (2, 2)) if number & bit]
    images = keras.ops.flip(images, axis=axes) if axes else images
    return keras.ops.transpose(images, (0, 2, 1, 3)) if number & 4 else images
