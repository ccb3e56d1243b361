"""A trained network applied to images: its probabilities, or its features."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from hcskit import training
from hcskit.data import Source, cut_tiles, open_field, tile_corners
from hcskit.errors import InputError
from hcskit.models import backend
from hcskit.training import ModelCard

__all__ = ["apply_network", "class_network", "feature_network", "reading_network"]

_PIXELS = 32 * 256 * 256  # of the crops that are computed at a time


def apply_network(
    source: Source, network: Any, card: ModelCard, *, turn: AbstractContextManager[Any] | None = None
) -> list[npt.NDArray[np.float32]]:
    """Apply a network to every image of a source, cut into the fewest crops of the size that it was trained on.

    Parameters
    ----------
    source : Source
        The images.
    network : keras.Model
        As `class_network` or `feature_network` returns it.
    card : ModelCard
        Card of the model.
    turn : context manager, optional
        Entered while computing, not while reading: a lock, for threads that share the cores.

    Returns
    -------
    list of numpy.ndarray
        Output of the network for the crops of each image, (crop, …).
    """
    networks = sum(isinstance(layer, backend.keras.Model) for layer in network.layers)
    looks = card.recipe.prediction.views * max(1, networks)
    pixels = len(tile_corners(source.shape, card.crop)) * math.prod(card.crop) * looks
    at_once = max(1, _PIXELS // pixels)
    found: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(source.table), at_once):
        rows = range(start, min(start + at_once, len(source.table)))
        crops = np.concatenate([cut_tiles(open_field(source, row, card.normalisation), card.crop) for row in rows])
        with turn or nullcontext():
            found += np.split(np.asarray(network.predict_on_batch(crops), np.float32), len(rows))
    return found


def class_network(model: Any) -> Any:
    """Return the networks of a model side by side: a `keras.Model` of probabilities (batch, network, class)."""
    return training.each_network(model)


def reading_network(model: Any, card: ModelCard) -> Any:
    """Return the networks of a model side by side, with what they say it from: see `hcskit.training.each_reading`.

    The output is (batch, network, class and feature), the classes of the card first.
    """
    return training.each_reading(model, card.recipe.prediction.views, card.metrics.get("held_out_temperature", 1.0))


def feature_network(model: Any) -> Any:
    """Return a model without its output layer: a `keras.Model` of features (batch, feature).

    Where the model averages over flips and turns of the image, so do the features. The features of an ensemble
    are concatenated, not averaged: a unit means something different in each network.

    Raises
    ------
    InputError
        If the layer before the output has more axes than (batch, feature).
    """
    keras = backend.keras
    networks = sum(isinstance(layer, keras.Model) for layer in model.layers)
    if networks == 0:
        return _without_output(model)

    def cut(layer: Any) -> Any:
        if isinstance(layer, keras.Model):
            return _without_output(layer)
        # The average over several networks comes last; any other is over views.
        if networks > 1 and layer is model.layers[-1]:
            return keras.layers.Concatenate(name=layer.name, dtype="float32")
        return type(layer).from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=cut)


def _without_output(network: Any) -> Any:
    features = network.layers[-1].input
    if len(features.shape) != 2:
        raise InputError(
            f"the layer before the output of the network {network.name} has the shape {features.shape}; features are "
            "(batch, feature): end the network in a pooled or dense layer and then the output"
        )
    return backend.keras.Model(network.input, features, name=network.name)
