"""Keras and TensorFlow, imported in one place so that TensorFlow's start-up notices stay off the screen.

They are written to the process's standard error before any log level applies, and would open every notebook's output.
An import that fails still raises.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

__all__ = ["computing_in", "keras", "tf"]


@contextmanager
def _quiet() -> Iterator[None]:
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
with _quiet():
    import keras
    import tensorflow as tf

    keras.ops.zeros(1)  # the devices are looked for, and reported on, at first use


@contextmanager
def computing_in(precision: Literal["float32", "bfloat16"]) -> Iterator[None]:
    """Give the layers that are made meanwhile a precision of computation; their weights are float32 in any case.

    With bfloat16 a processor that has it (AVX-512 BF16, AMX) is about twice as fast (docs/performance.md).
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy({"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
