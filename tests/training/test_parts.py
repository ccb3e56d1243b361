"""A batch that is made in parts is the same batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hcskit.data import RandomCrops, TrainingFields
from hcskit.models import mcnn
from hcskit.models.backend import keras
from hcskit.optimisers import get_optimiser
from hcskit.recipe import Recipe
from hcskit.training._parts import weigh_parts


def _fit(parts: int) -> tuple[list[npt.NDArray[np.float32]], dict[str, Any]]:
    rng = np.random.default_rng(0)
    fields = TrainingFields.from_arrays(rng.random((13, 12, 12, 2), np.float32), np.arange(13) % 3, ("a", "b", "c"))
    keras.utils.set_random_seed(1)
    model = weigh_parts(mcnn((8, 8, 2), 3, head="pool", scales=1, features=8, hidden=8))
    batches = RandomCrops(fields, (8, 8), 1, 7, Recipe().augmentation, 3, parts=parts)
    optimiser = get_optimiser("sgd", parts=parts, weight_decay=0.1).build(np.full(4, 0.1))
    model.compile(optimiser, "categorical_crossentropy", metrics=["accuracy"], weighted_metrics=[], jit_compile=False)
    history = model.fit(batches, epochs=2, shuffle=False, verbose=0).history
    return [weight.numpy() for weight in model.weights], history


@pytest.mark.slow
def test_a_batch_in_uneven_parts_is_the_same_batch() -> None:
    # 13 crops make batches of 7 and 6, and these parts of 2, 2, 2, 1 and of 2, 2, 1, 1.
    (whole, one), (parts, four) = _fit(1), _fit(4)
    assert one.keys() == four.keys()
    for name in one:
        # The loss of a later part is that of the same weights: they change once in a batch.
        np.testing.assert_allclose(one[name], four[name], rtol=1e-5)
    for ours, theirs in zip(whole, parts, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
