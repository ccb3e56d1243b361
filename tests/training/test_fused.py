"""Fused batch normalisation learns what Keras's does, and leaves the layer as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hcskit.models.backend import computing_in, keras, tf
from hcskit.training._fused import fuse_normalisation
from hcskit.training._statistics import measure_statistics


def _images() -> np.ndarray:
    return (3 + 2 * np.random.default_rng(0).standard_normal((6, 16, 16, 2))).astype(np.float32)


def _network(precision: str = "float32") -> keras.Model:
    keras.utils.set_random_seed(0)
    layers, image = keras.layers, keras.Input((16, 16, 2))
    with computing_in(precision):  # type: ignore[arg-type]
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layers.Conv2D(4, 3, use_bias=False)(image)))
        x = layers.GlobalAveragePooling2D()(
            layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3, use_bias=False)(x)))
        )
        return keras.Model(image, layers.Dense(2, activation="softmax", dtype="float32")(x))


def _learned(network: keras.Model) -> list[np.ndarray]:
    """Return loss and gradients of a batch, and the weights and statistics that a step leaves."""
    images, truth = _images(), np.eye(2, dtype=np.float32)[[0, 1] * 3]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.categorical_crossentropy(truth, network(images, training=True)))
    gradients = tape.gradient(loss, network.trainable_variables)
    return [np.asarray(value) for value in (loss, *gradients, *network.get_weights())]


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.1)])
def test_loss_gradients_and_statistics_are_those_of_keras(precision: str, tolerance: float) -> None:
    plain, fused = _learned(_network(precision)), _learned(fuse_normalisation(_network(precision)))
    for one, other in zip(plain, fused, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=tolerance * max(np.abs(one).max(), 1e-2))


def test_one_operation_computes_it() -> None:
    network = fuse_normalisation(_network())
    graph = tf.function(lambda images: network(images, training=True)).get_concrete_function(tf.constant(_images()))
    kinds = [operation.type for operation in graph.graph.get_operations()]
    assert kinds.count("FusedBatchNormV3") == 2


def test_a_frozen_layer_and_reading_use_the_statistics_that_are_there() -> None:
    network, images = fuse_normalisation(_network()), _images()
    before = network.get_weights()
    read = np.asarray(network(images, training=False))
    network.trainable = False
    np.testing.assert_array_equal(np.asarray(network(images, training=True)), read)
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_statistics_are_measured_and_saved_as_without(tmp_path: Path) -> None:
    networks = [_network(), fuse_normalisation(_network())]
    for network in networks:
        measure_statistics(network, [_images()])
        network.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    said = [np.asarray(network(_images(), training=False)) for network in (*networks, again)]
    np.testing.assert_allclose(said[1], said[0], atol=1e-5)
    np.testing.assert_array_equal(said[2], said[1])


def test_layers_of_other_shapes_and_kinds_stay_as_they_are() -> None:
    image = keras.Input((4, 4, 3))
    first = keras.layers.BatchNormalization(scale=False)
    other = keras.layers.BatchNormalization(axis=1)
    flat = keras.layers.BatchNormalization()
    network = keras.Model(image, flat(keras.layers.Flatten()(other(first(image)))))
    before = [layer.call for layer in (first, other, flat)]
    fuse_normalisation(network)
    assert [layer.call for layer in (first, other, flat)] == before
