"""Batch statistics, dropout and loss of a network over the batch of all ranks.

Only methods of the given objects are replaced: they keep class, configuration and variables, so that a model file is
the same, and needs no Horovod, whatever the number of ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hcskit.models.backend import keras, tf
from hcskit.parallel._ranks import horovod, ranks

__all__ = ["over_ranks"]


def over_ranks(model: keras.Model) -> keras.Model:
    """Make a network train on its share of a batch as it would in one process on the whole batch.

    Batch normalisation takes its moments over all ranks, so that moving statistics agree as well. Dropout draws for the
    whole batch and takes its own rows. A rank's gradient counts as much as its share of the batch, which may be
    uneven but not empty.

    Parameters
    ----------
    model : keras.Model
        Changed in place, for training; what it predicts and how it is saved stay as they are.

    Returns
    -------
    keras.Model
        The same object, unchanged if there is only one rank.
    """
    if ranks().size == 1:
        return model
    model.compute_loss = _weighted_by_share(model.compute_loss)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer._moments = _global_moments(layer)
        elif isinstance(layer, keras.layers.Dropout):
            layer.call = _global_dropout(layer)
    return model


def _gather(value: Any) -> Any:
    """Collect the value of each rank: (rank, …); its gradient comes back from all of them."""
    # Not by Horovod's allgather, whose gradient is the mean over the ranks.
    place = ranks()
    mine = tf.one_hot(place.rank, place.size, dtype=value.dtype)
    return horovod().allreduce(tf.tensordot(mine, value, 0), op=horovod().Sum)


def _global_moments(layer: Any) -> Callable[..., Any]:
    moments_here = layer._moments

    def moments(inputs: Any, mask: Any = None) -> Any:
        samples = tf.cast(tf.shape(inputs)[:1], inputs.dtype)
        everywhere = _gather(tf.concat([samples, *moments_here(inputs, mask)], 0))
        share = everywhere[:, :1] / tf.reduce_sum(everywhere[:, :1])
        means, variances = tf.split(everywhere[:, 1:], 2, axis=1)
        # Sums of squares would be one exchange as well, but lose the digits that a mean far from zero takes up.
        mean = tf.reduce_sum(share * means, 0)
        return mean, tf.reduce_sum(share * (variances + tf.square(means - mean)), 0)

    return moments


def _global_dropout(layer: Any) -> Callable[..., Any]:
    rank = ranks().rank
    drop = layer.call

    def call(inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        own = tf.shape(inputs)[0]
        samples = _gather(own)
        everywhere = tf.ones(tf.concat([[tf.reduce_sum(samples)], tf.shape(inputs)[1:]], 0), inputs.dtype)
        start = tf.reduce_sum(samples[:rank])
        return inputs * drop(everywhere, training=True)[start : start + own]

    return call


def _weighted_by_share(compute_loss: Callable[..., Any]) -> Callable[..., Any]:
    hvd = horovod()

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def weighted(loss: Any, samples: Any) -> Any:
        def gradient(upstream: Any) -> Any:
            share = tf.cast(samples, upstream.dtype)
            return upstream * share / hvd.allreduce(share, op=hvd.Average), None

        # The loss itself stays that of the rank's own samples, so that it can be reported.
        return tf.identity(loss), gradient

    def compute(
        x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        loss = compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        return weighted(loss, tf.shape(y_pred)[0])

    return compute
