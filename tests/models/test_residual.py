"""The residual networks: their shapes and sizes, and that they learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hcskit.errors import InputError
from hcskit.models import mcnn_residual, resnet, scales_that_fit
from hcskit.models.backend import keras

Build = Callable[..., keras.Model]
BOTH = pytest.mark.parametrize("build", [resnet, mcnn_residual])


def block_size(inward: int, outward: int) -> int:
    """Count the parameters of a block by hand: two 3×3 convolutions, their normalisations, and the way past."""
    past = 0 if inward == outward else inward * outward
    return 4 * inward + 9 * inward * outward + 4 * outward + 9 * outward**2 + past


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "classes", "features"), [(1, 15, 24), (3, 2, 8)])
def test_a_resnet_has_the_parameters_of_its_stages(channels: int, classes: int, features: int) -> None:
    f = features
    blocks = [(f, f), (f, 2 * f), (2 * f, 2 * f), (2 * f, 4 * f), (4 * f, 4 * f)]
    expected = 25 * channels * f + sum(block_size(*each) for each in blocks) + 16 * f + (4 * f + 1) * classes
    assert resnet((64, 64, channels), classes, features=features).count_params() == expected


@pytest.mark.slow
def test_an_mcnn_has_the_parameters_of_its_branches() -> None:
    branch = 25 * 2 * 4 + block_size(4, 8) + block_size(8, 12)
    join = 4 * 36 + 36 * 20 + 2 * block_size(20, 20) + 4 * 20 + 21 * 5
    assert mcnn_residual((64, 64, 2), 5, features=4, join=20).count_params() == 3 * branch + join


@pytest.mark.slow
@pytest.mark.parametrize(("side", "scales", "grid"), [(64, 3, 8), (128, 4, 8), (75, 3, 10), (256, 5, 8), (16, 1, 8)])
def test_the_branches_of_an_mcnn_meet_on_one_grid(side: int, scales: int, grid: int) -> None:
    model = mcnn_residual((side, side + side // 4, 1), 2, features=2, join=4)
    assert sum(layer.name.startswith("scale") and layer.name.endswith("_conv") for layer in model.layers) == scales
    assert model.get_layer("join").output.shape == (None, grid, -(-(side + side // 4) // (2**scales)), 4)


def test_a_branch_sees_nothing_finer_than_its_scale() -> None:
    # Two images with the same maximum in each 2×2 square differ to the finest branch alone.
    rng = np.random.default_rng(0)
    image = rng.random((1, 32, 32, 1), np.float32)
    squares = image.reshape(1, 16, 2, 16, 2, 1)[:, :, ::-1, :, ::-1].reshape(image.shape)
    model = mcnn_residual((32, 32, 1), 2, scales=2, features=4)
    branches = keras.Model(model.input, [model.get_layer(f"scale{scale}_block2_add").output for scale in (1, 2)])
    (fine, coarse), (fine_other, coarse_other) = branches(image), branches(squares)
    np.testing.assert_array_equal(coarse, coarse_other)
    assert np.abs(fine - fine_other).max() > 0


@pytest.mark.slow
@BOTH
def test_probabilities_add_up_at_any_size(build: Build) -> None:
    image = np.random.default_rng(0).random((2, 75, 101, 2), np.float32)
    probability = build((75, 101, 2), 3, features=4).predict_on_batch(image)
    assert probability.shape == (2, 3)
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.slow
def test_a_resnet_takes_images_of_any_size_with_the_same_weights() -> None:
    model, fixed = resnet((None, None, 1), 3, features=4), resnet((40, 24, 1), 3, features=4)
    fixed.set_weights(model.get_weights())
    image = np.random.default_rng(0).random((2, 40, 24, 1), np.float32)
    np.testing.assert_allclose(model(image), fixed(image), rtol=1e-5)
    assert model(image[:, :16, :16]).shape == (2, 3)


@pytest.mark.slow
@BOTH
def test_a_saved_network_gives_the_same_probabilities(build: Build, tmp_path: Path) -> None:
    model = build((32, 32, 1), 3, features=4)
    image = np.random.default_rng(0).random((2, 32, 32, 1), np.float32)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(image), model(image))


@BOTH
@pytest.mark.slow
def test_it_learns_which_way_stripes_run(build: Build) -> None:
    keras.utils.set_random_seed(0)
    x, y = stripes(128, np.random.default_rng(0))
    model = build((16, 16, 1), 2, features=4, dropout=0.0)
    model.compile(keras.optimizers.AdamW(1e-2), keras.losses.SparseCategoricalCrossentropy(), jit_compile=False)
    model.fit(x, y, batch_size=32, epochs=5, verbose=0)
    unseen, truth = stripes(64, np.random.default_rng(1))
    assert np.mean(np.argmax(model(unseen), axis=1) == truth) > 0.95


def stripes(count: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Make noisy stripes of any phase, along rows or along columns."""
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 1))
    along = np.broadcast_to(np.sin(np.arange(16) * np.pi / 3 + phase), (count, 16, 16))
    label = rng.integers(2, size=count)
    image = np.where(label[:, None, None] == 1, along, along.swapaxes(1, 2)) + rng.normal(0, 0.5, along.shape)
    return image[..., None].astype(np.float32), label


@BOTH
@pytest.mark.parametrize(
    ("arguments", "word"), [({"n_classes": 1}, "at least 2"), ({"input_shape": (64, 6, 1)}, "image 6 pixels")]
)
def test_impossible_networks_are_refused(build: Build, arguments: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        build(**({"input_shape": (64, 64, 1), "n_classes": 2, "features": 4} | arguments))


@pytest.mark.slow
def test_more_scales_than_fit_are_refused() -> None:
    assert scales_that_fit(32) == 4
    mcnn_residual((64, 64, 1), 2, scales=4, features=2, join=2)
    with pytest.raises(InputError, match="room for 4 scales"):
        mcnn_residual((64, 64, 1), 2, scales=5)
