"""What test_gpu.py measures, each in a process of its own: ``python gpu_step.py OUT NETWORK PRECISION XLA``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from mcnn_step import BATCH, CLASSES, SHAPE, plain

from hcskit.models import computing_in, mcnn
from hcskit.models.backend import keras
from hcskit.parallel import device

WARM_UP, STEPS, ROUNDS = 3, 10, 5


def measure(network: str, precision: Any, xla: bool) -> dict[str, Any]:
    """Time steps and predictions of the published network on the GPU, and see how much of its memory they take.

    Returns
    -------
    dict
        ``device``; images a second of each round, ``step`` and ``prediction``; ``peak``: bytes that TensorFlow held in
        the GPU's memory at most.
    """
    with computing_in(precision):
        model = plain() if network == "plain" else mcnn(SHAPE, CLASSES)
    optimizer = keras.optimizers.Adam()
    if precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", jit_compile=xla)
    with tf.device("GPU:0"):  # the batch is there: what is measured is the network, not the bus
        images = tf.constant(np.random.default_rng(0).random((BATCH, *SHAPE), np.float32))
        labels = tf.one_hot(tf.range(BATCH) % CLASSES, CLASSES)
    runs = {
        "step": lambda: model.train_on_batch(images, labels),
        "prediction": lambda: model.predict_on_batch(images),
    }
    found: dict[str, Any] = {"device": device().name}
    for name, run in runs.items():
        for _ in range(WARM_UP):
            run()  # compiles, and tries the algorithms of cuDNN
        tf.config.experimental.reset_memory_stats("GPU:0")
        found[name] = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            for _ in range(STEPS):
                run()  # returns numbers, so that the GPU is done
            found[name].append(STEPS * BATCH / (time.perf_counter() - start))
        found.setdefault("peak", tf.config.experimental.get_memory_info("GPU:0")["peak"])
    return found


if __name__ == "__main__":
    out, network, precision, xla = sys.argv[1:]
    Path(out).write_text(json.dumps(measure(network, precision, xla == "xla")), encoding="utf-8")
