"""How much does fused batch normalisation save? Run as ``python benchmarks/normalisation.py``.

Prints the processor time of a training step of the networks that recipes name, with Keras's own normalisation and with
that of `hcskit.training`: the median of nine steps of each, by turns.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from hcskit.models import get_model
from hcskit.models.backend import keras
from hcskit.training._fused import fuse_normalisation

CASES = {  # what: network, options, shape, batch
    "M-CNN of controls.yaml": ("mcnn", {"head": "pool"}, (160, 160, 2), 2, 16),
    "residual M-CNN of mitocheck.yaml": ("mcnn_residual", {}, (64, 64, 1), 15, 32),
    "ResNet of mitocheck-resnet.yaml": ("resnet", {}, (64, 64, 1), 15, 32),
}


def network(kind: str, options: dict[str, Any], shape: tuple[int, int, int], classes: int, fused: bool) -> Any:
    """Build a network, ready to learn."""
    keras.utils.set_random_seed(0)
    model = get_model(kind, **options).build(shape, classes)
    model = fuse_normalisation(model) if fused else model
    model.compile(keras.optimizers.AdamW(), keras.losses.CategoricalCrossentropy(), jit_compile=False)
    return model


def main() -> None:
    """Print a table."""
    print("| network | Keras, ms a step | fused | saved |\n|---|---|---|---|")
    for name, (kind, options, shape, classes, batch) in CASES.items():
        models = [network(kind, options, shape, classes, fused) for fused in (False, True)]
        rng = np.random.default_rng(0)
        images = rng.standard_normal((batch, *shape), np.float32)
        truth = np.eye(classes, dtype=np.float32)[rng.integers(classes, size=batch)]
        taken: list[list[float]] = [[], []]
        for _ in range(10):
            for model, times in zip(models, taken, strict=True):
                start = time.process_time()
                model.train_on_batch(images, truth)
                times.append(1000 * (time.process_time() - start))
        plain, fused = (float(np.median(times[1:])) for times in taken)
        print(f"| {name} | {plain:.0f} | {fused:.0f} | {1 - fused / plain:.0%} |", flush=True)


if __name__ == "__main__":
    main()
