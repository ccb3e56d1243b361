"""What ranks exchange: the values of variables, text, and sums."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from hcskit.models import backend
from hcskit.parallel._ranks import horovod, ranks

__all__ = ["add_up", "broadcast", "share"]


def broadcast(variables: Iterable[Any]) -> None:
    """Set Keras variables to their values on rank 0."""
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
    total: npt.NDArray[Any] = horovod().allreduce(backend.tf.constant(values), op=horovod().Sum, name="add_up").numpy()
    return total


def _send(content: bytes) -> bytes:
    """Send a known number of bytes from rank 0 to all: numbers and text, not objects that could run code."""
    sent = horovod().broadcast(backend.tf.constant(np.frombuffer(content, np.uint8)), root_rank=0, name="share")
    return bytes(sent.numpy().tobytes())
