"""Profiles of wells: the numbers from which a network's last layer reads its probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hcskit import training
from hcskit.actions import embed, predict
from hcskit.cli import main
from hcskit.data import Normalisation, ScreenData, Tiles, TrainingFields
from hcskit.errors import InputError
from hcskit.inference import feature_network
from hcskit.models import mcnn
from hcskit.models.backend import keras
from hcskit.recipe import Recipe
from hcskit.results import FIELD_PROFILES, PROFILES, QUALITY, read_illumination, read_table
from hcskit.store import open_plates
from hcskit.training import save_model
from hcskit.training._ensemble import finish
from tests.untrained import card_of

CLASSES = ("negative_control", "active", "other")
HIDDEN = 8


def _network(name: str, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    one = mcnn((32, 32, 2), 3, head="pool", scales=2, features=8, hidden=HIDDEN, batch_norm=False, dropout=0.25)
    return keras.Model(one.input, one.output, name=name)


def _save(folder: Path, networks: list[keras.Model], views: int = 1) -> Path:
    recipe = Recipe.model_validate({"prediction": {"views": views}})
    fields = TrainingFields.from_arrays(np.zeros((1, 32, 32, 2)), np.zeros(1, int), CLASSES)
    model, _ = finish(networks, recipe.prediction, Tiles(fields, (32, 32), 1))
    light = Normalisation(centre=(100.0, 100.0), scale=(50.0, 50.0))
    card = card_of(("DNA", "GFP"), (32, 32), recipe, classes=CLASSES, normalisation=light)
    return save_model(folder, model, card)


@pytest.mark.slow
def test_the_last_layers_read_the_probabilities_from_the_features(tmp_path: Path) -> None:
    networks = [_network(f"network_{number}", number) for number in range(2)]
    model = training.load_model(_save(tmp_path, networks))[0]
    images = np.random.default_rng(0).normal(size=(5, 32, 32, 2)).astype(np.float32)
    features = np.asarray(feature_network(model).predict_on_batch(images))
    assert features.shape == (5, 2 * HIDDEN)
    read = []
    for number, network in enumerate(networks):
        weights, bias = network.get_layer("phenotype").get_weights()
        logits = features[:, number * HIDDEN : (number + 1) * HIDDEN] @ weights + bias
        read.append(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(np.mean(read, axis=0), model.predict_on_batch(images), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_features_do_not_depend_on_how_a_field_lies_if_the_model_turns_it(count: int, tmp_path: Path) -> None:
    networks = [_network(f"network_{number}", number) for number in range(count)]
    cut = feature_network(training.load_model(_save(tmp_path, networks, views=8))[0])
    image = np.random.default_rng(0).normal(size=(1, 32, 32, 2)).astype(np.float32)
    features = np.asarray(cut.predict_on_batch(image))
    assert features.shape == (1, count * HIDDEN)
    turned = np.rot90(image, axes=(1, 2))
    np.testing.assert_allclose(cut.predict_on_batch(turned), features, rtol=1e-3, atol=1e-5)
    plain = [keras.Model(one.input, one.get_layer("hidden").output).predict_on_batch(turned) for one in networks]
    assert not np.allclose(np.hstack(plain), features, rtol=1e-3)


def test_a_network_without_a_vector_before_its_output_is_refused() -> None:
    convolve = keras.layers.Conv2D(2, 8, activation="softmax")
    with pytest.raises(InputError, match=r"before the output of the network .* features are \(batch, feature\)"):
        feature_network(keras.Sequential([keras.Input((8, 8, 1)), convolve]))


@pytest.mark.slow
def test_the_command_writes_a_profile_of_every_well_that_is_used(screen: Path, tmp_path: Path) -> None:
    model = _save(tmp_path / "model", [_network("network_0", 0)])
    done = CliRunner().invoke(main, ["embed", str(model), str(screen)])
    assert done.exit_code == 0, done.output
    assert f"wrote {screen / 'results' / 'profiles.parquet'}" in done.stdout.splitlines()
    table = read_table(screen, PROFILES)
    assert list(table.columns) == [f"feature_{number}" for number in range(1, HIDDEN + 1)]
    data = ScreenData(open_plates(screen), read_illumination(screen))
    assert table.index.tolist() == predict(data, model, progress=False).wells.index.droplevel(2).unique().tolist()
    fields = read_table(screen, FIELD_PROFILES)
    assert not fields.index.duplicated().any()
    assert len(fields) > len(table)
    pd.testing.assert_frame_equal(fields.groupby(["plate", "well"]).mean(), table)
    # A field that was left out has no part in its well's profile.
    pd.testing.assert_frame_equal(embed(data, model, progress=False), table)
    everything = {name: plate.drop_vars("excluded") for name, plate in data.plates.items()}
    other = embed(ScreenData(everything, data.illumination), model, progress=False)
    differs = ~np.isclose(other, table.reindex(other.index)).all(axis=1)
    quality = read_table(screen, QUALITY)
    left_out = quality[quality["excluded"]].index.unique("well")
    assert len(left_out) > 0
    assert other.index[differs].get_level_values("well").tolist() == left_out.tolist()
