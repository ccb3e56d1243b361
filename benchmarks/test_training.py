"""Training as the recipe does it, against the same network fed one batch that is already in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hcskit.data import RandomCrops, TrainingFields
from hcskit.recipe import Recipe

ROUNDS = 7
FIELDS, SIDE, CHANNELS, CLASSES = 16, 320, 2, 3


@pytest.mark.parametrize("what", ["bare", "hcskit"])
@pytest.mark.benchmark(group="training")
def test_training(what: str, benchmark: Any) -> None:
    recipe = Recipe()
    rng = np.random.default_rng(0)
    images = rng.standard_normal((FIELDS, SIDE, SIDE, CHANNELS), dtype=np.float32)
    fields = TrainingFields.from_arrays(images, np.arange(FIELDS) % CLASSES, tuple("abc"))
    crops = RandomCrops(fields, (128, 128), per_field=4, batch=16, augmentation=recipe.augmentation, seed=0)
    model = recipe.model.build((128, 128, CHANNELS), CLASSES)
    model.compile(optimizer="adam", loss="categorical_crossentropy", jit_compile=False)
    x, y = crops[0]

    def run() -> None:
        if what == "bare":
            for _ in range(len(crops)):
                model.train_on_batch(x, y)
        else:
            model.fit(crops, verbose=0)

    benchmark.extra_info.update(what=what, amount=crops.size, unit="images")
    benchmark.pedantic(run, rounds=ROUNDS, warmup_rounds=2)
