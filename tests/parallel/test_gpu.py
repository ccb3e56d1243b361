"""On a GPU: what was decided for it holds, and networks compute what they compute on a processor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hcskit.data import open_data
from hcskit.models import PooledConvolutions
from hcskit.models.backend import keras, tf
from hcskit.parallel import device
from hcskit.recipe import Recipe
from hcskit.training import fit, load_model

pytestmark = pytest.mark.gpu
MEMORY = """
import subprocess
from hcskit.models.backend import tf
tf.reduce_sum(tf.ones((256, 256)) @ tf.ones((256, 256))).numpy()
asked = ["nvidia-smi", "--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits"]
print(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()[0])
"""


def test_a_process_takes_no_more_memory_than_it_needs() -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    used, total = map(int, done.stdout.split(","))
    assert used < total / 2  # without growth TensorFlow takes nearly all of it


@pytest.mark.parametrize("pool", [1, 16, 64])
def test_the_gradient_of_the_branches_is_that_of_the_processor(pool: int) -> None:
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        rng = np.random.default_rng(pool)
        x = rng.normal(size=(2, 128, 128, 3)).astype(np.float32)
        layer = PooledConvolutions(8, 5, pool)
        layer.build(x.shape)
        for weight in layer.weights:
            weight.assign(rng.normal(0, 0.1, weight.shape))
        found = []
        for place in ("CPU:0", "GPU:0"):
            with tf.device(place), tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(layer(tf.constant(x))))
            found.append([loss, *tape.gradient(loss, layer.trainable_variables)])
        for ours, theirs in zip(*found, strict=True):
            scale = float(tf.reduce_max(tf.abs(theirs)))
            np.testing.assert_allclose(ours, theirs, atol=1e-4 * scale)
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(True)


@pytest.mark.parametrize("model", [{}, {"batch_norm": False, "head": "flatten"}], ids=["pool", "published"])
def test_a_training_by_default_learns_and_is_read_by_a_processor(model: dict[str, object], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label, level in (("dark", 60), ("bright", 180)):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(16):
            image = rng.normal(level, 20, (64, 64)).clip(0, 255).astype(np.uint8)
            Image.fromarray(image).save(tmp_path / "images" / label / f"{number}.png")
    recipe = Recipe.model_validate(
        {
            "data": {"crop": None},
            "model": {"features": 8, "hidden": 8, **model},
            "optimiser": {"epochs": 20, "batch": 8, "learning_rate": 0.01},
            "augmentation": {"mixup": 0.0, "gain": 0.0},
        }
    )
    result = fit(open_data(tmp_path / "images"), recipe, tmp_path / "model", progress=False)
    assert result.card.recipe.model.precision == device().precision
    assert result.history["accuracy"].iloc[-1] > 0.9
    code = """
import sys, numpy as np
from hcskit.parallel import device
from hcskit.training import load_model
model, _ = load_model(sys.argv[1])
assert not device().is_gpu
np.save(sys.argv[3], model.predict_on_batch(np.load(sys.argv[2])))
"""
    x = rng.normal(size=(4, 64, 64, 1)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    places = [str(tmp_path / name) for name in ("model", "x.npy", "y.npy")]
    environment = {"CUDA_VISIBLE_DEVICES": "-1", "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code, *places], env=environment, check=True)
    # Eight bits in each layer of bfloat16.
    np.testing.assert_allclose(load_model(tmp_path / "model")[0].predict_on_batch(x), np.load(places[2]), atol=0.1)


def test_steps_are_compiled_as_was_decided(tmp_path: Path) -> None:
    assert device().xla
    assert keras.config.dtype_policy().name == "float32"  # of layers that nobody asked to be otherwise
