"""What is done to a trained network before it is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hcskit.models import mcnn
from hcskit.models.backend import keras
from hcskit.training import Recipe
from hcskit.training._finish import calibration_error, finish, temperature

SECTION = type(Recipe().prediction)


def _network(side: tuple[int, int] = (16, 16)) -> keras.Model:
    keras.utils.set_random_seed(0)
    network = mcnn((*side, 2), 3, head="flatten", scales=2, features=8, hidden=8)
    dense = network.get_layer("phenotype")
    dense.set_weights([weight + 0.3 * np.arange(weight.shape[-1]) for weight in dense.get_weights()])
    return network


def _batches(side: tuple[int, int] = (16, 16)) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [(rng.standard_normal((8, *side, 2), np.float32), np.eye(3)[rng.integers(3, size=8)]) for _ in range(3)]


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(true: float) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (20_000, 5))
    right = np.exp(logits / true) / np.exp(logits / true).sum(axis=1, keepdims=True)
    truth = (right.cumsum(axis=1) > rng.random((len(right), 1))).argmax(axis=1)
    said = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert temperature(said[np.newaxis], truth) == pytest.approx(true, rel=0.05)
    assert calibration_error(right, truth) < 0.015
    if true != 1:
        assert calibration_error(said, truth) > 0.05


@pytest.mark.parametrize(("side", "views"), [((16, 16), 8), ((16, 24), 4)])
def test_an_image_is_told_the_same_whichever_way_it_lies(tmp_path: Path, side: tuple[int, int], views: int) -> None:
    network, batches = _network(side), _batches(side)
    image = batches[0][0]
    ways = [image[:, ::up, ::left] for up in (1, -1) for left in (1, -1)]
    ways += [way.swapaxes(1, 2) for way in ways] if views == 8 else []
    each = np.stack([network.predict_on_batch(np.ascontiguousarray(way)) for way in ways])
    assert np.ptp(each, axis=0).max() > 0.01
    model, _ = finish(network, SECTION(views=views), batches)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    for way in ways:
        found = loaded.predict_on_batch(np.ascontiguousarray(way))
        np.testing.assert_allclose(found, each.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("views", [1, 8])
def test_the_model_is_at_the_temperature_that_the_card_names(views: int) -> None:
    batches = _batches()
    plain, before = finish(_network(), SECTION(views=views), batches)
    model, after = finish(_network(), SECTION(views=views, calibrate=True), batches)
    truth = np.concatenate([labels.argmax(axis=1) for _, labels in batches])

    def told(network: keras.Model) -> np.ndarray:
        return np.concatenate([network.predict_on_batch(images) for images, _ in batches])

    def surprise(network: keras.Model) -> float:
        return float(-np.log(told(network)[np.arange(len(truth)), truth]).mean())

    assert before["temperature"] == 1 != after["temperature"]
    assert surprise(model) < surprise(plain)
    for network, metrics in ((plain, before), (model, after)):
        assert metrics["ece"] == pytest.approx(calibration_error(told(network), truth), abs=1e-5)
        assert metrics["accuracy"] == (told(network).argmax(axis=1) == truth).mean()
