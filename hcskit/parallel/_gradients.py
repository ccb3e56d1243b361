"""Any Keras optimiser, on the gradient averaged over the ranks."""

from __future__ import annotations

from typing import Any, Literal

from hcskit.models.backend import keras, tf
from hcskit.parallel._ranks import horovod, ranks

__all__ = ["data_parallel"]


def data_parallel(optimizer: Any, *, compression: Literal["fp16"] | None = None) -> Any:
    """Make an optimiser average the gradient over the ranks before it clips and applies it.

    With gradient accumulation only the accumulated gradient is averaged. With loss scaling a step is skipped on all
    ranks or on none.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Changed in place. It keeps its class and configuration, so a model saved with it needs no Horovod.
    compression : {"fp16"}, optional
        Send gradients as 16-bit numbers: half the traffic, three significant digits.

    Returns
    -------
    keras.optimizers.Optimizer
        The same object, unchanged if there is only one rank.
    """
    if ranks().size == 1:
        return optimizer
    hvd = horovod()
    packing = hvd.Compression.fp16 if compression == "fp16" else hvd.Compression.none
    inner = optimizer
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        inner, finite_here = optimizer.inner_optimizer, optimizer.check_finite

        def finite_everywhere(gradients: list[Any]) -> Any:
            return hvd.allreduce(tf.cast(finite_here(gradients), tf.int32), op=hvd.Min) > 0

        optimizer.check_finite = finite_everywhere
    clip = inner._clip_gradients

    # Keras clips only where it applies a gradient, not where it adds up the gradients of several small batches.
    def clip_average(gradients: list[Any]) -> Any:
        return clip(hvd.grouped_allreduce(gradients, op=hvd.Average, compression=packing))

    inner._clip_gradients = clip_average
    return optimizer
