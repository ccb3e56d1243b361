"""Keras and TensorFlow, loaded in one place, when they are first used.

They take seconds to load, and reading a recipe or opening a plate must not need them. Modules that define
Keras classes import ``keras`` and ``tf`` from here; all others import this module and write ``backend.keras``.

TensorFlow's start-up notices stay off the screen: they are written to the process's standard error before any log level
applies, and would open every notebook's output. An import that fails still raises.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import keras  # noqa: TC004 - `__getattr__` hands it on
    import tensorflow as tf

__all__ = ["computing_in", "import_quietly", "keras", "tf"]


def __getattr__(name: str) -> Any:
    if name not in ("keras", "tf"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _load()
    return globals()[name]


def import_quietly() -> None:
    """Import Keras and TensorFlow and initialise neither, so that the process can still be forked."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # By default TensorFlow reserves nearly all of a GPU's memory when it initialises it.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with _quiet():
        import keras  # noqa: F401
        import tensorflow as tf  # noqa: F401


def _load() -> None:
    import_quietly()
    with _quiet():
        import keras
        import tensorflow as tf

        keras.ops.zeros(1)  # devices are found, and reported, at first use
        tf.get_logger().setLevel("ERROR")  # it warns that each new network is a function compiled again
    globals().update(keras=keras, tf=tf)


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


@contextmanager
def computing_in(precision: Literal["float32", "bfloat16", "float16"]) -> Iterator[None]:
    """Set the precision of layers made in this context; their weights are always float32.

    With bfloat16 a processor that has it (AVX-512 BF16, AMX) is about twice as fast (docs/performance.md). With float16
    the loss must be scaled. `hcskit.parallel.device` returns what suits this machine.
    """
    if "keras" not in globals():
        _load()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
