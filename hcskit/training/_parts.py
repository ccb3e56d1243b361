"""Batches that are made in parts, to save memory."""

from __future__ import annotations

from typing import Any

from hcskit.models.backend import keras, tf

__all__ = ["weigh_parts"]


def weigh_parts(model: keras.Model) -> keras.Model:
    """Let each part of a batch count as much as it has samples, where the batch is made in parts.

    Keras adds up the mean gradients of the parts as if they were equally large. Samples come with a weight, the same
    for all of a part (see `hcskit.data.RandomCrops`). The gradient is multiplied by it, and the reported loss is not.
    """
    compute_loss = model.compute_loss

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def weighted(loss: Any, weight: Any) -> Any:
        return tf.identity(loss), lambda upstream: (upstream * weight, None)

    def compute(
        x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        loss = compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=None, training=training)
        return loss if sample_weight is None else weighted(loss, sample_weight[0])

    model.compute_loss = compute
    return model
