"""The network against the publication's table (Godinez et al. 2017)."""

from __future__ import annotations

import numpy as np
import pytest

from hcskit.errors import InputError
from hcskit.models import PooledConvolutions, computing_in, mcnn
from hcskit.models.backend import keras


@pytest.mark.slow
def test_the_published_network_has_its_published_size() -> None:
    model = mcnn((1024, 1280, 3), 13)
    assert model.count_params() == 42_577_261
    assert model.get_layer("scales").output.shape == (None, 16, 20, 208)
    assert model.output_shape == (None, 13)


def test_a_pooled_head_does_not_depend_on_image_size() -> None:
    sizes = {mcnn((side, side, 2), 3, head="pool", scales=5).count_params() for side in (64, 96, 128)}
    assert len(sizes) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("side", "scales"), [(64, 5), (128, 6), (256, 7), (2048, 7), (4, 1)])
def test_as_many_scales_as_fit(side: int, scales: int) -> None:
    model = mcnn((side, side, 1), 2, head="pool", features=4, hidden=4)
    assert sum(isinstance(layer, PooledConvolutions) for layer in model.layers) == scales


def test_any_image_size_joins_on_one_grid() -> None:
    model = mcnn((75, 101, 2), 3, head="pool", features=4, hidden=4)
    probability = model.predict_on_batch(np.random.default_rng(0).random((2, 75, 101, 2), dtype=np.float32))
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"n_classes": 1}, "at least 2"),
        ({"head": "dense"}, "head"),
        ({"scales": 9}, "room for"),
        ({"input_shape": (3, 3, 1)}, "room for"),
    ],
)
def test_impossible_networks_are_refused(arguments: dict[str, object], word: str) -> None:
    with pytest.raises(InputError, match=word):
        mcnn(**({"input_shape": (64, 64, 1), "n_classes": 2} | arguments))  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", [False, True])
def test_lower_precision_is_nearly_the_same_network_with_the_same_weights(batch_norm: bool) -> None:
    options = {"head": "pool", "features": 8, "hidden": 8, "batch_norm": batch_norm}
    full = mcnn((64, 64, 2), 3, **options)  # type: ignore[arg-type]
    with computing_in("bfloat16"):
        low = mcnn((64, 64, 2), 3, **options)  # type: ignore[arg-type]
    assert {weight.dtype for weight in low.weights} == {"float32"}
    assert low.get_layer("scales").output.dtype == "bfloat16"
    assert low.output.dtype == full.get_layer("scales").output.dtype == "float32"
    full.set_weights(low.get_weights())
    images = np.random.default_rng(0).random((3, 64, 64, 2), np.float32)
    np.testing.assert_allclose(low.predict_on_batch(images), full.predict_on_batch(images), atol=0.02)
    assert keras.config.dtype_policy().name == "float32"
