"""The statistics that batch normalisation predicts with, measured once the weights are final."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from hcskit.models.backend import keras, tf
from hcskit.parallel import ranks

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
        Changed in place; one without batch normalisation stays as it is, and so does a layer that is not trainable.
        Where there are several ranks, it is what `hcskit.parallel.over_ranks` returned.
    batches : iterable of numpy.ndarray
        Images (batch, y, x, channel), as the network will read them. All ranks give the same ones; each takes its share
        of a batch, as in training, so that it needs no more memory.
    """
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    if not layers:
        return
    recorders = [_Recorder(layer) for layer in layers]
    # As a graph, TensorFlow drops what a layer has made once the next ones have used it; step by step Keras keeps all.
    # Of one graph for all sizes of batch: Horovod finds what belongs together by its name, and the names in a graph
    # depend on whether the size is known. Ranks whose shares differ would wait for one another for ever.
    batch = tf.TensorSpec((None, *model.input_shape[1:]), "float32")
    forward = tf.function(lambda images: model(images, training=True), input_signature=[batch])
    try:
        for images in batches:
            for recorder in recorders:
                recorder.samples.assign(len(images))
            forward(tf.constant(_own_share(images)))
    finally:
        for recorder in recorders:
            recorder.detach()
    for recorder in recorders:
        recorder.store()


def _own_share(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return what this rank takes of a batch; all of one that is too small to be shared."""
    place = ranks()
    return images[place.rank :: place.size] if len(images) >= place.size else images


class _Recorder:
    """Adds up the moments that a layer takes of each batch."""

    def __init__(self, layer: Any) -> None:
        self.layer, self.plain = layer, layer._moments
        self.samples, self.count = tf.Variable(0.0, dtype="float64"), tf.Variable(0.0, dtype="float64")
        self.sums = tf.Variable(np.zeros((2, *layer.moving_mean.shape)))
        self.kept = layer.moving_mean.numpy(), layer.moving_variance.numpy()
        layer._moments = self

    def __call__(self, inputs: Any, mask: Any = None) -> Any:
        mean, variance = self.plain(inputs, mask)
        here = tf.cast(mean, "float64")
        self.sums.assign_add(self.samples * tf.stack([here, tf.cast(variance, "float64") + here**2]))
        self.count.assign_add(self.samples)
        return mean, variance

    def detach(self) -> None:
        self.layer._moments = self.plain
        self.layer.moving_mean.assign(self.kept[0])
        self.layer.moving_variance.assign(self.kept[1])

    def store(self) -> None:
        if not self.count.numpy():  # it is frozen, and normalises by what it has
            return
        mean, square = self.sums.numpy() / self.count.numpy()
        self.layer.moving_mean.assign(mean)
        self.layer.moving_variance.assign(np.maximum(square - mean**2, 0))  # rounding may leave less than none
