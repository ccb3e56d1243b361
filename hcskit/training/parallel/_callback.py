"""One state on all ranks when training begins, and one report of each epoch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from hcskit.models.backend import keras, tf
from hcskit.training.parallel._ranks import horovod, ranks

__all__ = ["KeepTogether", "add_up", "broadcast", "share"]


class KeepTogether(keras.callbacks.Callback):  # type: ignore[misc]
    """Give all ranks the state of rank 0 before the first step, and average each epoch's metrics over the ranks.

    In the list of callbacks it comes before those that read the metrics. Only rank 0 need restore a checkpoint before
    the fit; all must be told the epoch to begin with, as `fit` itself must (see `share`).

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


def broadcast(variables: Iterable[Any]) -> None:
    """Give Keras variables the values they have on rank 0."""
    if ranks().size == 1:
        return
    for variable in variables:
        value = variable.numpy()
        variable.assign(np.frombuffer(_send(value.tobytes()), value.dtype).reshape(value.shape))


def share(text: str) -> str:
    """Return the text that rank 0 has."""
    if ranks().size == 1:
        return text
    content = text.encode()
    size = np.frombuffer(_send(np.int64(len(content)).tobytes()), np.int64)[0]
    return _send(content.ljust(size)[:size]).decode()


def add_up(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the sum over the ranks of arrays of one shape and type."""
    if ranks().size == 1:
        return values
    total: npt.NDArray[Any] = horovod().allreduce(tf.constant(values), op=horovod().Sum, name="add_up").numpy()
    return total


def _send(content: bytes) -> bytes:
    """Send bytes from rank 0 to all, who know how many: numbers and text, not objects that could do anything."""
    sent = horovod().broadcast(tf.constant(np.frombuffer(content, np.uint8)), root_rank=0, name="share")
    return bytes(sent.numpy().tobytes())
