"""What is done to a trained network before it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from hcskit.data import Tiles, TrainingFields
from hcskit.models import mcnn
from hcskit.models.backend import keras
from hcskit.recipe import Recipe
from hcskit.training._ensemble import calibration_error, each_network, each_reading, finish, temperature

SECTION = type(Recipe().prediction)


def _network(
    side: tuple[int, int] = (16, 16), seed: int = 0, head: Literal["flatten", "pool"] = "flatten"
) -> keras.Model:
    keras.utils.set_random_seed(seed)
    network = mcnn((*side, 2), 3, head=head, scales=2, features=8, hidden=8)
    dense = network.get_layer("phenotype")
    dense.set_weights([weight + 0.3 * np.arange(weight.shape[-1]) for weight in dense.get_weights()])
    return network


def _held_out(side: tuple[int, int] = (16, 16)) -> Tiles:
    rng = np.random.default_rng(0)
    images = rng.standard_normal((22, *side, 2), np.float32)
    return Tiles(TrainingFields.from_arrays(images, rng.integers(3, size=22), ("a", "b", "c")), side, 8)


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(true: float) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (20_000, 5))
    right = np.exp(logits / true) / np.exp(logits / true).sum(axis=1, keepdims=True)
    truth = (right.cumsum(axis=1) > rng.random((len(right), 1))).argmax(axis=1)
    said = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert temperature(said[np.newaxis], truth) == pytest.approx(true, rel=0.05)
    assert calibration_error(right.max(axis=1), right.argmax(axis=1) == truth) < 0.015
    if true != 1:
        assert calibration_error(said.max(axis=1), said.argmax(axis=1) == truth) > 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("side", "views"), [((16, 16), 8), ((16, 24), 4)])
def test_an_image_is_told_the_same_whichever_way_it_lies(tmp_path: Path, side: tuple[int, int], views: int) -> None:
    network, held_out = _network(side), _held_out(side)
    image = held_out[0][0]
    ways = [image[:, ::up, ::left] for up in (1, -1) for left in (1, -1)]
    ways += [way.swapaxes(1, 2) for way in ways] if views == 8 else []
    each = np.stack([network.predict_on_batch(np.ascontiguousarray(way)) for way in ways])
    assert np.ptp(each, axis=0).max() > 0.01
    model, _ = finish([network], SECTION(views=views), held_out)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    for way in ways:
        found = loaded.predict_on_batch(np.ascontiguousarray(way))
        np.testing.assert_allclose(found, each.mean(axis=0), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("views", [1, 8])
def test_the_model_is_at_the_temperature_that_the_card_names(views: int) -> None:
    held_out = _held_out()
    batches = [held_out[number] for number in range(len(held_out))]
    plain, before = finish([_network()], SECTION(views=views), held_out)
    model, after = finish([_network()], SECTION(views=views, calibrate=True), held_out)
    truth = np.concatenate([labels.argmax(axis=1) for _, labels in batches])

    def told(network: keras.Model) -> np.ndarray:
        return np.concatenate([network.predict_on_batch(images) for images, _ in batches])

    def surprise(network: keras.Model) -> float:
        return float(-np.log(told(network)[np.arange(len(truth)), truth]).mean())

    assert before["temperature"] == 1 != after["temperature"]
    assert surprise(model) < surprise(plain)
    for network, metrics in ((plain, before), (model, after)):
        sure, right = told(network).max(axis=1), told(network).argmax(axis=1) == truth
        assert metrics["ece"] == pytest.approx(calibration_error(sure, right), abs=1e-5)
        assert metrics["accuracy"] == right.mean()


@pytest.mark.slow
@pytest.mark.parametrize("sharper", [1.0, 60.0])
def test_calibration_is_the_division_of_the_logits(tmp_path: Path, sharper: float) -> None:
    # The oracle divides the weights of the last layer; the sharper network is sure to one in 10^20 and beyond.
    network, held_out = _network(), _held_out()
    dense = network.get_layer("phenotype")
    weights = [weight * sharper for weight in dense.get_weights()]
    dense.set_weights(weights)
    images = held_out[0][0]
    sure = network.predict_on_batch(images)
    assert (sure.min() < 1e-20) == (sharper > 1)
    model, metrics = finish([network], SECTION(calibrate=True), held_out)
    np.testing.assert_array_equal(network.predict_on_batch(images), sure)
    model.save(tmp_path / "model.keras")
    found = keras.models.load_model(tmp_path / "model.keras", safe_mode=True).predict_on_batch(images)
    dense.set_weights([weight / metrics["temperature"] for weight in weights])
    np.testing.assert_allclose(found, network.predict_on_batch(images), rtol=2e-5)
    assert abs(np.log(metrics["temperature"])) > 0.1


@pytest.mark.slow
def test_any_last_layer_can_be_calibrated() -> None:
    keras.utils.set_random_seed(0)
    held_out, image = _held_out(), keras.Input((16, 16, 2))
    sure = {"activation": "softmax", "kernel_initializer": keras.initializers.RandomNormal(stddev=0.2)}
    two = [keras.layers.Dense(3, **sure)(keras.layers.Flatten()(image)) for _ in range(2)]
    network = keras.Model(image, keras.layers.Average(name="whatever")(two))
    truth = held_out.fields.labels
    told = []
    for calibrate in (False, True):
        model, _ = finish([network], SECTION(calibrate=calibrate), held_out)
        each = np.concatenate([model.predict_on_batch(held_out[number][0]) for number in range(len(held_out))])
        np.testing.assert_allclose(each.sum(axis=1), 1, rtol=1e-5)
        told.append(-np.log(each[np.arange(len(truth)), truth]).mean())
    assert told[1] < told[0] - 0.01


@pytest.mark.slow
@pytest.mark.parametrize("views", [1, 4])
def test_several_networks_are_averaged_and_can_be_asked_one_by_one(tmp_path: Path, views: int) -> None:
    held_out = _held_out()
    image = held_out[0][0]
    alone = [finish([_network(seed=seed)], SECTION(views=views), held_out)[0] for seed in range(3)]
    networks = [_network(seed=seed) for seed in range(3)]
    each = np.stack([model.predict_on_batch(image) for model in alone], axis=1)
    assert each.std(axis=1).max() > 0.01
    model, metrics = finish(
        [keras.Model(one.input, one.output, name=f"network_{number}") for number, one in enumerate(networks)],
        SECTION(views=views),
        held_out,
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(loaded.predict_on_batch(image), each.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(each_network(loaded).predict_on_batch(image), each, atol=1e-6)
    np.testing.assert_allclose(each_network(alone[1]).predict_on_batch(image), each[:, [1]], atol=1e-6)
    told = np.concatenate([loaded.predict_on_batch(held_out[number][0]) for number in range(len(held_out))])
    assert metrics["accuracy"] == (told.argmax(axis=1) == held_out.fields.labels).mean()


@pytest.mark.slow
@pytest.mark.parametrize(("head", "layer", "views"), [("pool", "pool", 4), ("flatten", "hidden", 1)])
def test_networks_are_read_with_the_features_that_they_average(
    head: Literal["flatten", "pool"], layer: str, views: int
) -> None:
    held_out = _held_out()
    image = held_out[0][0]
    networks = [_network(seed=seed, head=head) for seed in range(2)]
    named = [keras.Model(one.input, one.output, name=f"network_{number}") for number, one in enumerate(networks)]
    model, metrics = finish(named, SECTION(views=views, calibrate=True), held_out)
    assert metrics["temperature"] != 1
    found = np.asarray(each_reading(model, views, metrics["temperature"]).predict_on_batch(image))
    assert found.shape[:2] == (len(image), 2)
    np.testing.assert_allclose(found[..., :3], each_network(model).predict_on_batch(image), atol=1e-5)
    ways = [image[:, ::up, ::left] for up in (1, -1) for left in (1, -1)][:views]
    for number, network in enumerate(networks):
        features = keras.Model(network.input, network.get_layer(layer).output)
        own = np.mean([features.predict_on_batch(np.ascontiguousarray(way)) for way in ways], axis=0)
        np.testing.assert_allclose(found[:, number, 3:], own, rtol=1e-4, atol=1e-5)
