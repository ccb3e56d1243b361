"""The statistics that a trained network predicts with are those of its images, however short the training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from hcskit.data import Tiles, TrainingFields, open_data
from hcskit.models import mcnn, resnet
from hcskit.models.backend import keras, tf
from hcskit.recipe import Recipe
from hcskit.training import fit, load_model
from hcskit.training._check import area_under_curve
from hcskit.training._statistics import measure_statistics


def _images(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (3 + 2 * rng.standard_normal((count, 16, 16, 2))).astype(np.float32)


def _networks() -> list[keras.Model]:
    keras.utils.set_random_seed(0)
    plain = mcnn((16, 16, 2), 2, head="pool", scales=2, features=8, hidden=8, batch_norm=True)
    return [plain, resnet((16, 16, 2), 2, features=4, dropout=0.0)]


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_measured_on_one_batch_both_modes_say_the_same(number: int) -> None:
    network, images = _networks()[number], _images(12)
    learning = np.asarray(network(images, training=True))
    assert np.abs(network.predict_on_batch(images) - learning).max() > 1e-3
    measure_statistics(network, [images])
    np.testing.assert_allclose(network.predict_on_batch(images), learning, atol=1e-4)


def test_batches_are_pooled_to_the_moments_of_all_images() -> None:
    image = keras.Input((16, 16, 2))
    network = keras.Model(image, keras.layers.BatchNormalization(name="norm")(image))
    images = np.concatenate([_images(5), 10 + _images(7, seed=1)])
    measure_statistics(network, [images[:5], images[5:]])
    norm = network.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean.numpy(), images.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), images.var((0, 1, 2)), rtol=1e-4)


@pytest.mark.slow
def test_what_is_measured_does_not_depend_on_what_was_there_before() -> None:
    network, images = _networks()[0], _images(12)
    weights = network.get_weights()
    measure_statistics(network, [images])
    first = network.get_weights()
    network.set_weights(weights)
    network(10 * images, training=True)
    measure_statistics(network, [images])
    for one, other in zip(first, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_frozen_layer_keeps_its_statistics() -> None:
    image = keras.Input((16, 16, 2))
    frozen = keras.layers.BatchNormalization(name="frozen", trainable=False)
    network = keras.Model(image, keras.layers.BatchNormalization(name="norm")(frozen(image)))
    measure_statistics(network, [_images(5)])
    np.testing.assert_array_equal(network.get_layer("frozen").moving_mean.numpy(), [0, 0])
    np.testing.assert_array_equal(network.get_layer("frozen").moving_variance.numpy(), [1, 1])
    assert network.get_layer("norm").moving_mean.numpy().min() > 2


def test_layers_of_a_network_within_a_network_are_measured_and_in_16_bits_as_well() -> None:
    policy = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    inner = keras.Sequential([keras.Input((16, 16, 2)), keras.layers.BatchNormalization(dtype=policy)])
    image = keras.Input((16, 16, 2))
    images = _images(12)
    measure_statistics(keras.Model(image, inner(image)), [images[:7], images[7:]])
    norm = inner.layers[-1]
    np.testing.assert_allclose(norm.moving_mean.numpy(), images.mean((0, 1, 2)), rtol=1e-2)
    np.testing.assert_allclose(norm.moving_variance.numpy(), images.var((0, 1, 2)), rtol=1e-2)


class _Compiled(keras.layers.Layer):
    """A layer of another package, which compiles what it does."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = keras.layers.BatchNormalization()
        self.run = tf.function(lambda values, training: self.norm(values, training=training))

    def call(self, values: object, training: bool = False) -> object:
        return self.run(values, training)


def test_layers_in_a_graph_of_their_own_are_measured() -> None:
    image, layer, images = keras.Input((16, 16, 2)), _Compiled(), _images(6)
    measure_statistics(keras.Model(image, layer(image)), [images])
    np.testing.assert_allclose(layer.norm.moving_mean.numpy(), images.mean((0, 1, 2)), rtol=1e-5)


def _folder_of_classes(folder: Path, counts: dict[str, int], size: int) -> Path:
    """Write images of classes that differ in brightness."""
    rng = np.random.default_rng(3)
    for level, (label, count) in enumerate(counts.items(), start=1):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            tifffile.imwrite(folder / label / f"{number}.tif", rng.poisson(40 * level, (size, size)).astype(np.uint8))
    return folder


@pytest.mark.slow
def test_a_field_of_more_tiles_than_are_measured_does_not_leave_one_class_alone(tmp_path: Path) -> None:
    images = _folder_of_classes(tmp_path / "images", {"bright": 5, "dim": 2, "rare": 1}, 264)  # 33² crops of 8 each
    recipe = Recipe.model_validate(
        {
            "data": {"crop": 8, "crops_per_field": 2},
            "split": {"validation": 0},
            "model": {"features": 2, "hidden": 2, "scales": 1},
            "optimiser": {"epochs": 1, "batch": 8, "warmup_epochs": 0},
            "prediction": {"weights": "last"},
        }
    )
    card = fit(open_data(images), recipe, tmp_path / "model", progress=False).card
    assert 0 <= card.metrics["learned_auc"] <= 1


def test_statistics_are_measured_on_batches_of_all_classes() -> None:
    fields = TrainingFields.from_arrays(np.zeros((40, 8, 8, 1)), np.arange(40) // 20, ("a", "b"))
    mixed, again = (Tiles(fields, (8, 8), 10, seed=5) for _ in range(2))
    labels = [mixed[number][1] for number in range(len(mixed))]
    assert all(0 < batch.mean(axis=0)[0] < 1 for batch in labels)
    np.testing.assert_array_equal(np.concatenate(labels).sum(axis=0), [20, 20])
    np.testing.assert_array_equal(labels[0], again[0][1])


@pytest.mark.slow
def test_after_twenty_steps_a_training_image_reads_the_same_in_both_modes(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for number in range(20):
        label, level = [("dim", 40), ("bright", 90)][number % 2]
        (tmp_path / "crops" / label).mkdir(parents=True, exist_ok=True)
        image = rng.poisson(level, (24, 24)).astype(np.uint8)
        tifffile.imwrite(tmp_path / "crops" / label / f"{number}.tif", image)
    recipe = Recipe.model_validate(
        {
            "data": {"crop": None, "crops_per_field": 4},
            "split": {"validation": 0},
            "model": {"features": 16, "hidden": 16, "dropout": 0, "scales": 2},
            "augmentation": {"mixup": 0, "gain": 0, "offset": 0},
            "optimiser": {"epochs": 4, "batch": 16, "warmup_epochs": 0, "learning_rate": 3e-3},
            "prediction": {"weights": "last"},
        }
    )
    data = open_data(tmp_path / "crops")
    trained = fit(data, recipe, tmp_path / "model", progress=False)  # 5 steps in each of 4 epochs
    network, card = load_model(tmp_path / "model")
    source = data.source(trained.fields, card.channels, card.binning)
    centre, scale = np.array(card.normalisation.centre), np.array(card.normalisation.scale)
    images = np.stack([(source.read(row) - centre) / scale for row in range(20)]).astype(np.float32)
    reads, learns = network.predict_on_batch(images), np.asarray(network(images, training=True))
    np.testing.assert_allclose(reads, learns, atol=0.03)
    bright = card.classes.index("bright")
    is_bright = (trained.fields["label"] == "bright").to_numpy()
    assert reads[is_bright, bright].min() > 0.5 > reads[~is_bright, bright].max()
    assert (card.metrics["learned_auc"], card.metrics["learned_accuracy"]) == (1.0, 1.0)
    assert card.doubts == ()
    blind = card.model_copy(update={"metrics": card.metrics | {"learned_auc": 0.61}})
    assert "0.61" in blind.doubts[0]


@pytest.mark.parametrize(("own", "others"), [([0.9, 0.8, 0.3], [0.2, 0.3, 0.1, 0.85]), ([0.5], [0.5]), ([0.1], [0.9])])
def test_the_area_is_the_share_of_pairs_in_order(own: list[float], others: list[float]) -> None:
    pairs = [1.0 if one > other else 0.5 if one == other else 0.0 for one in own for other in others]
    assert area_under_curve(np.array(own), np.array(others)) == pytest.approx(np.mean(pairs))
