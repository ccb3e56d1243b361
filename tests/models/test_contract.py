"""What a network must be is checked when it is built; a model file runs no code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from hcskit.errors import InputError
from hcskit.models import Network, get_model
from hcskit.models.backend import keras
from hcskit.training import load_model, save_model
from tests.untrained import card_of

layers = keras.layers
SHAPE = (12, 10, 2)


class Plain(keras.layers.Layer):
    """Not registered."""

    def call(self, images: Any) -> Any:
        return images


@keras.saving.register_keras_serializable("tests")
class Forgetful(keras.layers.Layer):
    """Registered; its configuration lacks an argument."""

    def __init__(self, power: float, **options: Any) -> None:
        super().__init__(**options)
        self.power = power

    def call(self, images: Any) -> Any:
        return images**self.power

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


@keras.saving.register_keras_serializable("tests")
class Whole(Forgetful):
    """Registered, with its whole configuration."""

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "power": self.power}


def network(make: Callable[[Any], Any], modules: tuple[str, ...] = ()) -> Network:
    """Return a network whose output, of the image, is what a function makes; or another model altogether."""

    class Foreign(Network):
        layer_modules = modules
        kind: Literal["foreign"] = "foreign"

        def make_network(self, image_shape: tuple[int, int, int], n_classes: int) -> Any:
            image = keras.Input(image_shape)
            made = make(image)
            return made if isinstance(made, keras.Model | str) else keras.Model(image, made)

    return Foreign()


def head(x: Any, units: int = 3, **options: Any) -> Any:
    return layers.Dense(units, **{"activation": "softmax", **options})(layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda image: "a network", "is a str; expected a keras.Model"),
        (
            lambda image: keras.Sequential([layers.Dense(3)]),
            "without symbolic inputs and outputs",
        ),
        (lambda image: [head(image), head(image)], "has 1 inputs and 2 outputs; expected one of each"),
        (lambda image: keras.Sequential([keras.Input((10, 12, 2)), layers.Flatten()]), r"takes \(None, 10, 12, 2\)"),
        (lambda image: head(image, 4), r"gives float32 of shape \(None, 4\); expected float32 of shape \(None, 3\)"),
        (lambda image: head(image, dtype="mixed_bfloat16"), "gives bfloat16 .*; expected float32"),
        (lambda image: layers.Dense(3, "softmax")(image), r"of shape \(None, 12, 10, 3\)"),
        (lambda image: head(image, activation=None), "for an image; expected probabilities, which add up to 1"),
        (lambda image: head(image, activation="sigmoid"), "for an image; expected probabilities, which add up to 1"),
        (lambda image: keras.ops.log(head(image) - 2), r"gives \[nan nan nan\] for an image"),
        (lambda image: head(layers.Lambda(lambda x: x * 2)(image)), "the part __lambda__ .* cannot be loaded"),
        (lambda image: head(Plain()(image)), "the part Plain .* cannot be loaded .*register_keras_serializable"),
        (lambda image: head(Forgetful(2)(image)), "the part Forgetful .* cannot be loaded .* get_config"),
        (lambda image: head(Whole(2)(image)), r"registered by \S+, and layer_modules names \[\]; add it"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_when_it_is_built(make: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        network(make).build(SHAPE, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda image: head(image, 2),
        lambda image: layers.Softmax()(head(image, 2, activation=None)),
        lambda image: layers.Average()([head(image, 2), head(image, 2)]),
        lambda image: keras.ops.softmax(head(image, 2, activation=None) * 2),
        lambda image: keras.Sequential([keras.Input((None, None, 2)), layers.GlobalMaxPooling2D(), layers.Softmax()]),
        lambda image: keras.Model([image], [head(image, 2)]),
        lambda image: head(Whole(2)(image), 2),
    ],
    ids=["dense", "softmax", "average", "operations", "sequential", "lists", "own"],
)
def test_whatever_gives_probabilities_is_a_network(make: Callable[[Any], Any]) -> None:
    built = network(make, (__name__,)).build(SHAPE, 2)
    images = np.random.default_rng(0).standard_normal((3, *SHAPE), np.float32)
    found = built(built.input).shape, built.output.shape, np.shape(built.predict_on_batch(images))
    assert found == ((None, 2), (None, 2), (3, 2))


def test_a_network_is_made_by_name_with_options_that_are_checked() -> None:
    assert get_model("mcnn", features=4, precision="bfloat16").own_options()["features"] == 4
    with pytest.raises(InputError, match="the network 'mcnn' does not take these options: features: Input should be"):
        get_model("mcnn", features=0)
    with pytest.raises(InputError, match="there is no network 'cnn'; known: mcnn, mcnn_residual, resnet"):
        get_model("cnn")


def test_a_model_file_runs_no_code(tmp_path: Path) -> None:
    image, trace = keras.Input(SHAPE), str(tmp_path / "trace")
    run = layers.Lambda(lambda x: (x, open(trace, "w"))[0], output_shape=SHAPE)  # noqa: PTH123, SIM115
    card = card_of(("x", "y"), SHAPE[:2], classes=("a", "b", "c"), negative_class=None)
    save_model(tmp_path / "model", keras.Model(image, head(run(image))), card)
    (tmp_path / "trace").unlink(missing_ok=True)
    with pytest.raises(InputError, match="a layer Lambda, which would run code"):
        load_model(tmp_path / "model")
    assert not (tmp_path / "trace").exists()


@pytest.mark.slow
def test_the_published_network_is_built_as_before() -> None:
    # The check must not draw from the generators that weights, dropout and crops are drawn from.
    weights = []
    for check in (True, False):
        keras.utils.set_random_seed(3)
        section = get_model("mcnn", head="flatten", batch_norm=False, features=8, hidden=8, scales=2)
        (section.build if check else section.make_network)((32, 32, 2), 3)
        after = section.make_network((32, 32, 2), 3)
        weights.append(after.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
