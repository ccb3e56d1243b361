"""Batch normalisation in one operation, where Keras takes a dozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hcskit.models.backend import keras, tf
from hcskit.parallel import device

__all__ = ["fuse_normalisation"]


def fuse_normalisation(model: keras.Model) -> keras.Model:
    """Make a network's batch normalisation learn in one operation; what it computes stays the same.

    Keras takes moments, differences and products one by one, and each reads and writes all activations: on a processor
    they take as long as the convolutions (docs/performance.md). TensorFlow's own operation passes over them twice. XLA
    fuses them anyway.

    Parameters
    ----------
    model : keras.Model
        Changed in place, for training. Only methods are replaced: layers keep class, configuration and variables, so
        that a model file is the same. A layer whose moments are taken in another way, over all ranks (see
        `hcskit.parallel.over_ranks`) or to be recorded, computes as Keras does.

    Returns
    -------
    keras.Model
        The same object.
    """
    if not device().xla:
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization) and _is_plain(layer):
                layer.call = _fused(layer)
    return model


def _is_plain(layer: Any) -> bool:
    """Tell whether a layer normalises images by channel, as the operation does."""
    images = layer.input_spec is not None and layer.input_spec.ndim == 4 and layer.axis in (-1, 3)
    return images and layer.scale and layer.center and not layer.renorm and layer.compute_dtype != "float64"


def _fused(layer: Any) -> Callable[..., Any]:
    plain, moments = layer.call, layer._moments

    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not (training and layer.trainable) or mask is not None or layer._moments != moments:
            return plain(inputs, training=training, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, layer.gamma, layer.beta, epsilon=layer.epsilon, is_training=True
        )
        pixels = tf.cast(tf.size(inputs) / tf.shape(inputs)[-1], variance.dtype)
        variance *= 1 - 1 / pixels  # the operation gives that of the sample, and Keras keeps that of the batch
        for moving, now in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(moving * layer.momentum + now * (1 - layer.momentum))
        return outputs

    return call
