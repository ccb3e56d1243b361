"""What a rank does while `tune_ranks` measures it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from hcskit.data import RandomCrops, open_data
from hcskit.models.backend import keras
from hcskit.parallel import KeepTogether, broadcast, ranks
from hcskit.recipe import Recipe
from hcskit.training import network_and_batches

__all__ = ["measure"]

_WARM_UP = 3  # steps: the first is compiled, the next find memory as they leave it
_ENDLESS = 10**9  # epochs: the clock ends the training


def measure(data: str, recipe: dict[str, object], seconds: float, out: str) -> None:
    """Train in one rank for a given time, and write the number and the rate of its steps into a folder."""
    model, batches = network_and_batches(open_data(data), Recipe.model_validate(recipe))
    watch = _Stopwatch(batches, seconds)
    together = KeepTogether(batches.own_size)
    model.fit(batches, epochs=_ENDLESS, shuffle=False, callbacks=[together, watch], verbose=0)
    result = {
        "failure": "",
        "threads_per_rank": int(os.environ["TF_NUM_INTRAOP_THREADS"]),
        "steps": watch.steps - _WARM_UP,
        "images_per_second": (watch.steps - _WARM_UP) * batches.size / len(batches) / watch.seconds,
    }
    Path(out, f"rank-{ranks().rank}.json").write_text(json.dumps(result), encoding="utf-8")


class _Stopwatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a fit when the time is over, after the same step on all ranks: rank 0 says how many more they take."""

    def __init__(self, batches: RandomCrops, limit: float) -> None:
        super().__init__()
        self.batches, self.limit = batches, limit
        self.steps, self.until = 0, _WARM_UP
        self.started = self.seconds = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
        self.batches.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
        self.steps += 1
        if self.steps < self.until:
            return
        now = time.perf_counter()
        done, more = self.steps - _WARM_UP, 1
        if done == 0:
            self.started = now
        else:
            self.seconds = now - self.started
            # Never more than were timed: one slow step must not stand for all.
            more = min(done, round((self.limit / self.seconds - 1) * done))
        agreed = keras.Variable(max(0, more), dtype="int32", trainable=False)
        broadcast([agreed])
        self.until += int(agreed.numpy())
        self.model.stop_training = self.until == self.steps
