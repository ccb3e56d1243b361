"""One state on all ranks when training begins, and one report of each epoch."""

from __future__ import annotations

from typing import Any

from hcskit.models.backend import keras, tf
from hcskit.parallel._exchange import broadcast
from hcskit.parallel._ranks import horovod, ranks

__all__ = ["KeepTogether"]


class KeepTogether(keras.callbacks.Callback):  # type: ignore[misc]
    """Give all ranks the state of rank 0 before the first step, and average each epoch's metrics over the ranks.

    In the list of callbacks, put it before those that read the metrics. Only rank 0 must restore a checkpoint before
    the fit; all need the epoch to begin with, which `fit` needs too (see `share`).

    Parameters
    ----------
    samples, validation_samples : int
        How many of them this rank sees in an epoch.
    """

    def __init__(self, samples: int, validation_samples: int = 0) -> None:
        super().__init__()
        self.samples, self.validation_samples = samples, validation_samples

    def on_train_begin(self, logs: Any = None) -> None:
        """Build the optimiser, and take the state of network and optimiser from rank 0."""
        if ranks().size == 1:
            return
        model, optimizer = self.model, self.model.optimizer
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        broadcast([*model.variables, *optimizer.variables])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Replace each metric with its mean over the samples of all ranks."""
        if ranks().size == 1 or not logs:
            return
        counts = [self.validation_samples if name.startswith("val_") else self.samples for name in logs]
        sums = tf.constant([[count * logs[name], count] for count, name in zip(counts, logs, strict=True)], tf.float64)
        total = horovod().allreduce(sums, op=horovod().Sum).numpy()
        logs.update(zip(logs, (total[:, 0] / total[:, 1]).tolist(), strict=True))
