"""What the tests of several ranks run in each of them: ``python in_rank.py OUT FUNCTION [ARGUMENT …]``."""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from hcskit import training
from hcskit.data import RandomCrops, TrainingFields, open_data
from hcskit.models import mcnn
from hcskit.models.backend import keras
from hcskit.parallel import KeepTogether, data_parallel, over_ranks, ranks
from hcskit.recipe import Recipe, learning_rates
from hcskit.training._parts import weigh_parts

#: Whether this is the process that knows nothing of ranks, with which the others are compared.
PLAIN = "HOROVOD_SIZE" not in os.environ
#: 29 crops make batches of 6, 6, 6, 6 and 5: 2 ranks share the last one unevenly, 4 ranks all of them. They are small:
#: of 10⁷ inputs of a rectifier, one is within rounding of zero, and may be cut off in one process and not in another.
_RNG = np.random.default_rng(0)
FIELDS = TrainingFields.from_arrays(_RNG.random((29, 12, 12, 2), np.float32), np.arange(29) % 2, ("a", "b"))
VALIDATION = _RNG.random((11, 8, 8, 2), np.float32), np.eye(2, dtype=np.float32)[np.arange(11) % 2]
EPOCHS = 4


def _adamw(**options: Any) -> Any:
    optimizer = keras.optimizers.AdamW(1e-3, weight_decay=1e-2, epsilon=1e-5, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _of_recipe(**section: Any) -> Any:
    recipe = Recipe.model_validate({"optimiser": {"epochs": EPOCHS, "batch": 7, **section}})
    return recipe.optimiser.build(learning_rates(recipe, len(FIELDS.labels)))


class Configuration(NamedTuple):
    optimizer: Callable[[], Any]
    compression: Any = None
    precision: str = "float32"
    parts: int = 1


CONFIGURATIONS = {
    "sgd": Configuration(lambda: keras.optimizers.SGD(1e-2, momentum=0.9)),
    "adamw": Configuration(lambda: _adamw(global_clipnorm=0.5)),
    "accumulated": Configuration(lambda: _adamw(clipnorm=0.5, gradient_accumulation_steps=2)),
    "lars": Configuration(lambda: _of_recipe(kind="lars", learning_rate=1.0, trust=0.01, clip_norm=1.0)),
    # Batches of 6 and 5 in two parts, which two ranks share: 2 + 1, and 1 + 1.
    "parts": Configuration(lambda: _of_recipe(kind="lamb", learning_rate=1e-2, parts=2), parts=2),
    "compressed": Configuration(lambda: keras.optimizers.SGD(1e-2, momentum=0.9), compression="fp16"),
    # Its first scale is too large: the first steps must be skipped, on all ranks or on none.
    "half": Configuration(
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-2), initial_scale=2.0**24),
        precision="mixed_float16",
    ),
}


def fit(folder: str, *names: str) -> dict[str, SimpleNamespace]:
    """Train 20 steps of each configuration; rank 0 saves the models."""
    Path(folder).mkdir(exist_ok=True)
    return {name: _fit(CONFIGURATIONS[name], Path(folder, f"{name}.keras")) for name in names}


def _fit(configuration: Configuration, path: Path) -> SimpleNamespace:
    place = ranks()
    keras.utils.set_random_seed(1 + place.rank)  # ranks start from other weights, and take those of rank 0
    keras.config.set_dtype_policy(configuration.precision)
    model = mcnn((8, 8, 2), 2, head="pool", scales=1, features=8, hidden=8, batch_norm=True, dropout=0.25)
    keras.config.set_dtype_policy("float32")
    share = {"parts": configuration.parts, "rank": place.rank, "ranks": place.size}
    batches = RandomCrops(FIELDS, (8, 8), 1, 7, Recipe().augmentation, 3, **share)
    optimizer, callbacks = configuration.optimizer(), []
    model = weigh_parts(model)
    x, y = (values[place.rank :: place.size] for values in VALIDATION)
    if not PLAIN:
        model = over_ranks(model)
        optimizer = data_parallel(optimizer, compression=configuration.compression)
        callbacks = [KeepTogether(batches.own_size, len(x))]
    model.compile(
        optimizer=optimizer,
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=[],
        jit_compile=False,
    )
    log = model.fit(
        batches, epochs=EPOCHS, shuffle=False, validation_data=(x, y), callbacks=callbacks, verbose=0
    ).history
    if place.rank == 0:
        model.save(path)
    weights, state = ([value.numpy() for value in values] for values in (model.weights, optimizer.variables))
    return SimpleNamespace(weights=weights, optimizer=state, history=log)


def train_plate(run: str, out: str) -> Any:
    """Train on the plates of a run."""
    recipe = Recipe.from_yaml(Path(run, "recipe.yaml"))
    result = training.fit(open_data(run), recipe, out, progress=False)
    return result.history.drop(columns=["seconds", "images_per_second"]), result.model.get_weights()


def train_and_die(run: str, out: str) -> None:
    """Train on the plates of a run, and be gone after the first epoch, as if the power had failed."""

    def watch() -> None:
        while not Path(out, "history.csv").exists():
            time.sleep(0.001)
        os._exit(9)

    Thread(target=watch, daemon=True).start()
    train_plate(run, out)


def fail(folder: str) -> None:
    """Raise on rank 1, while rank 0 waits for it."""
    if ranks().rank == 1:
        raise ValueError("the microscope is on fire")
    fit(folder, "sgd")


if __name__ == "__main__":
    out, function, *arguments = sys.argv[1:]
    try:
        answer, status = globals()[function](*arguments), 0
    except Exception as error:  # noqa: BLE001
        answer, status = error, 1
    Path(out).write_bytes(pickle.dumps(answer))
    if status:
        os._exit(status)  # before Horovod tells the others, which would fail too, and perhaps sooner
