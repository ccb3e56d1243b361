"""What test_parallel.py measures in each rank: ``python in_rank.py OUT FUNCTION ROUNDS``; rank 0 writes the result."""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hcskit.data import RandomCrops, TrainingFields
from hcskit.models import mcnn
from hcskit.models.backend import keras
from hcskit.parallel import KeepTogether, Ranks, _gradients, data_parallel, over_ranks, ranks
from hcskit.recipe import Recipe

FIELDS, SIDE, CHANNELS, CLASSES, CROP, BATCH = 16, 320, 2, 3, 128, 16


def _epoch(*, plain: bool) -> Callable[[], Any]:
    """Return a function that trains one epoch and returns what an image took: seconds, and processor's seconds."""
    recipe, place = Recipe(), ranks()
    images = np.random.default_rng(0).standard_normal((FIELDS, SIDE, SIDE, CHANNELS), np.float32)
    fields = TrainingFields.from_arrays(images, np.arange(FIELDS) % CLASSES, tuple("abc"))
    crops = RandomCrops(fields, (CROP, CROP), 4, BATCH, recipe.augmentation, 0, rank=place.rank, ranks=place.size)
    model = recipe.model.build((CROP, CROP, CHANNELS), CLASSES)
    optimizer, callbacks = keras.optimizers.AdamW(), []
    if not plain:
        model, optimizer, callbacks = over_ranks(model), data_parallel(optimizer), [KeepTogether(crops.own_size)]
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", jit_compile=False)

    def run() -> Any:
        start = np.array([time.perf_counter(), time.process_time()])
        model.fit(crops, shuffle=False, callbacks=callbacks, verbose=0)
        return (np.array([time.perf_counter(), time.process_time()]) - start) / crops.size

    run()  # compiles
    return run


def speed(rounds: int) -> list[float]:
    """Images per second of all ranks together, of each round."""
    run = _epoch(plain=False)
    return [1 / run()[0] for _ in range(rounds)]


def overhead(rounds: int) -> list[list[Any]]:
    """Times without our pieces, with them, and with Horovod made to average over one rank; by turns."""
    plain, one = _epoch(plain=True), _epoch(plain=False)
    _gradients.ranks = lambda: Ranks(size=2)  # type: ignore[attr-defined]  # or it would not call Horovod at all
    runs = (plain, one, _epoch(plain=False))
    return [[run() for run in runs] for _ in range(rounds)]


def exchange(rounds: int) -> list[list[float]]:
    """Seconds to average the gradients of the published network, in 32 and in 16 bits, by turns."""
    import horovod.tensorflow as hvd

    ranks()  # connects
    network = mcnn((1024, 1280, 3), 13, head="flatten")
    gradients = [tf.ones(variable.shape) for variable in network.trainable_variables]

    def averaging(packing: Any) -> Callable[[], float]:
        average = tf.function(lambda values: hvd.grouped_allreduce(values, op=hvd.Average, compression=packing))

        def run() -> float:
            start = time.perf_counter()
            average(gradients)[0].numpy()
            return time.perf_counter() - start

        run()  # compiles
        return run

    runs = averaging(hvd.Compression.none), averaging(hvd.Compression.fp16)
    return [[run() for run in runs] for _ in range(rounds)]


if __name__ == "__main__":
    out, function, rounds = sys.argv[1:]
    result = globals()[function](int(rounds))
    if ranks().rank == 0:
        Path(out).write_bytes(pickle.dumps(result))
