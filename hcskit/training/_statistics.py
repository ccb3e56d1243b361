"""The statistics that batch normalisation predicts with, measured once the weights are final."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from hcskit.models.backend import keras

__all__ = ["measure_statistics"]


def measure_statistics(model: keras.Model, batches: Iterable[npt.NDArray[np.float32]]) -> None:
    """Replace a network's moving means and variances by those over given images.

    While it learns, a network normalises by the moments of each batch, and predicts with a moving average of them. That
    average remembers its initial values, 0 and 1, for hundreds of steps, and weights that have changed since: after a
    short training a network that tells all classes apart may read every image alike. Here the moments are averaged
    over the images with the weights as they are (Wu & Johnson, arXiv:2105.07576 (2021), section 3: "precise"
    statistics). The variance is that of all images together, of the means of batches too.

    Parameters
    ----------
    model : keras.Model
        Changed in place; one without batch normalisation stays as it is.
    batches : iterable of numpy.ndarray
        Images (batch, y, x, channel), as the network will read them.
    """
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    if not layers:
        return
    recorders = [_Recorder(layer) for layer in layers]
    try:
        for images in batches:
            for recorder in recorders:
                recorder.samples = len(images)
            model(images, training=True)
    finally:
        for recorder in recorders:
            recorder.detach()
    for recorder in recorders:
        recorder.store()


class _Recorder:
    """Adds up the moments that a layer takes of each batch."""

    def __init__(self, layer: Any) -> None:
        self.layer, self.plain, self.samples = layer, layer._moments, 0
        self.count = 0.0
        self.sums = np.zeros((2, *layer.moving_mean.shape))
        self.kept = layer.moving_mean.numpy(), layer.moving_variance.numpy()
        layer._moments = self

    def __call__(self, inputs: Any, mask: Any = None) -> Any:
        mean, variance = self.plain(inputs, mask)
        here = np.asarray(mean, float)
        self.sums += self.samples * np.stack([here, np.asarray(variance, float) + here**2])
        self.count += self.samples
        return mean, variance

    def detach(self) -> None:
        self.layer._moments = self.plain
        self.layer.moving_mean.assign(self.kept[0])
        self.layer.moving_variance.assign(self.kept[1])

    def store(self) -> None:
        mean, square = self.sums / self.count
        self.layer.moving_mean.assign(mean)
        self.layer.moving_variance.assign(square - mean**2)
