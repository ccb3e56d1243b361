"""What test_mcnn_step.py measures, each in a process of its own: ``python mcnn_step.py OUT FUNCTION ARGUMENT``."""

from __future__ import annotations

import pickle
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hcskit.models import computing_in, mcnn
from hcskit.models.backend import keras

SHAPE, CLASSES, BATCH = (1024, 1280, 3), 13, 8
FILTERS = (16, 16, 16, 32, 32, 32, 64)
MATRIX = 3072


def plain() -> keras.Model:
    """Build the published table of layers, from the framework's own."""
    layers = keras.layers
    image, branches = keras.Input(SHAPE), []
    for level, filters in enumerate(FILTERS):
        x = layers.MaxPooling2D(2**level)(image) if level else image
        for _ in range(3):
            x = layers.Conv2D(filters, 5, padding="same", activation="relu")(x)
        pool = 2 ** (len(FILTERS) - 1 - level)
        branches.append(layers.MaxPooling2D(pool)(x) if pool > 1 else x)
    x = layers.Conv2D(1024, 1, activation="relu")(layers.Concatenate()(branches))
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    x = layers.Dense(512, activation="relu")(x)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax", dtype="float32")(x))


def _model(what: str) -> keras.Model:
    with computing_in("bfloat16" if what.endswith("bfloat16") else "float32"):
        model = plain() if what.startswith("plain") else mcnn(SHAPE, CLASSES)
    assert model.count_params() == 42_577_261
    model.compile(optimizer="adam", loss="categorical_crossentropy")
    return model


def _batch() -> tuple[Any, Any]:
    images = np.random.default_rng(0).random((BATCH, *SHAPE), np.float32)
    return images, np.eye(CLASSES, dtype=np.float32)[np.arange(BATCH)]


def _timed(run: Callable[[], Any]) -> tuple[float, float]:
    """Seconds, and processor's seconds, that a run takes."""
    start = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def speed(rounds: str) -> dict[str, list[tuple[float, float]]]:
    """Time a training step and a prediction of each network, and a matrix product, by turns."""
    images, labels = _batch()
    runs: dict[str, Callable[[], Any]] = {}
    for what in ("plain", "hcskit", "hcskit bfloat16"):
        model = _model(what)
        runs[f"{what} step"] = lambda model=model: model.fit(images, labels, batch_size=BATCH, verbose=0)
        runs[f"{what} prediction"] = lambda model=model: model.predict(images, batch_size=BATCH, verbose=0)
    matrix = tf.random.normal((MATRIX, MATRIX))
    for dtype in (tf.float32, tf.bfloat16):
        product = tf.function(lambda matrix: tf.reduce_sum(matrix @ matrix))
        cast = tf.cast(matrix, dtype)
        runs[f"{dtype.name} product"] = lambda p=product, m=cast: p(m).numpy()
    for run in runs.values():
        run()  # compiles
    times: dict[str, list[tuple[float, float]]] = {what: [] for what in runs}
    for _ in range(int(rounds)):
        for what, run in runs.items():
            times[what].append(_timed(run))
    return times


def memory(what: str) -> float:
    """Peak of a process that trains for three steps, in gigabytes."""
    model = _model(what)
    for _ in range(3):
        model.fit(*_batch(), batch_size=BATCH, verbose=0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def torch_speed(rounds: str) -> list[tuple[float, float]]:
    """Time a training step of the same network in PyTorch."""
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branches = nn.ModuleList()
            for level, filters in enumerate(FILTERS):
                parts: list[nn.Module] = [nn.MaxPool2d(2**level)]
                for channels in (SHAPE[2], filters, filters):
                    parts += [nn.Conv2d(channels, filters, 5, padding=2), nn.ReLU()]
                self.branches.append(nn.Sequential(*parts, nn.MaxPool2d(2 ** (len(FILTERS) - 1 - level))))
            join = [nn.Conv2d(sum(FILTERS), 1024, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
            self.head = nn.Sequential(*join, nn.LazyLinear(512), nn.ReLU(), nn.Linear(512, CLASSES))

        def forward(self, x: Any) -> Any:
            return self.head(torch.cat([branch(x) for branch in self.branches], 1))

    images = torch.rand(BATCH, SHAPE[2], *SHAPE[:2]).to(memory_format=torch.channels_last)
    labels, network = torch.arange(BATCH), Network().to(memory_format=torch.channels_last)
    network(images[:1])  # gives the lazy layer its shape
    optimizer = torch.optim.Adam(network.parameters())

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    step()
    return [_timed(step) for _ in range(int(rounds))]


if __name__ == "__main__":
    out, function, argument = sys.argv[1:]
    Path(out).write_bytes(pickle.dumps(globals()[function](argument)))
