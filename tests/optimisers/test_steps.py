"""Optimisers against references in NumPy, written from the papers' equations; batches made in parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hcskit.training._optimisers import RateTable, make_optimiser, weigh_parts
from pydantic import TypeAdapter

from hcskit.data import RandomCrops, TrainingFields
from hcskit.models import mcnn
from hcskit.models.backend import keras
from hcskit.recipe import Recipe
from hcskit.recipe._recipe import Optimiser

Arrays = list[npt.NDArray[np.float64]]
DECAY = 0.1
#: Rates that change at each step, as those of a warm-up and a decay do.
RATES = np.array([0.02, 0.04, 0.06, 0.05, 0.03, 0.02, 0.01, 0.01])
_RNG = np.random.default_rng(5)
NAMES = ("kernel", "bias", "gamma", "beta", "kernel")
SHAPES = ((5, 4), (4,), (4,), (4,), (4, 3))
START: Arrays = [_RNG.normal(size=shape) * (name != "bias") for name, shape in zip(NAMES, SHAPES, strict=True)]
GRADIENTS: list[Arrays] = [[_RNG.normal(size=shape) for shape in SHAPES] for _ in RATES]


def section(**options: Any) -> Any:
    return TypeAdapter(Optimiser).validate_python({"learning_rate": 0.1, "weight_decay": DECAY, **options})


def run(optimiser: Any, gradients: list[Arrays] = GRADIENTS) -> Arrays:
    variables = [keras.Variable(value, dtype="float32", name=name) for name, value in zip(NAMES, START, strict=True)]
    for gradient in gradients:
        optimiser.apply([keras.ops.cast(part, "float32") for part in gradient], variables)
    return [variable.numpy() for variable in variables]


def reference(step: Callable[..., Any], gradients: list[Arrays] = GRADIENTS) -> Arrays:
    """Run a step of an optimiser, ``step(w, g, rate, decay, state, number) -> w``, on each variable."""
    found = []
    for index, name in enumerate(NAMES):
        w, state, decay = START[index], {}, DECAY * (name == "kernel")
        for number, (rate, gradient) in enumerate(zip(RATES, gradients, strict=True), start=1):
            w = step(w, gradient[index], rate, decay, state, number)
        found.append(w)
    return found


def adam(g: Any, state: dict[str, Any], number: int, epsilon: float) -> Any:
    state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
    state["v"] = 0.999 * state.get("v", 0) + 0.001 * g**2
    return state["m"] / (1 - 0.9**number) / (np.sqrt(state["v"] / (1 - 0.999**number)) + epsilon)


def sgd(w: Any, g: Any, rate: float, decay: float, state: dict[str, Any], number: int) -> Any:
    # Goyal et al., equation 10, with the correction; Nesterov's step looks one momentum ahead.
    corrected = state.get("v", 0 * g) * rate / state.get("rate", rate)
    state["v"] = 0.9 * corrected + rate * (g + decay * w)
    state["rate"] = rate
    return w - (0.9 * state["v"] + rate * (g + decay * w))


def lars(w: Any, g: Any, rate: float, decay: float, state: dict[str, Any], number: int) -> Any:
    # You, Gitman & Ginsburg 2017, algorithm 1; variables without decay are not adapted.
    norm = np.linalg.norm
    local = 0.01 * norm(w) / (norm(g) + decay * norm(w)) if decay else 1
    state["v"] = 0.9 * state.get("v", 0) + rate * local * (g + decay * w)
    return w - state["v"]


def lamb(w: Any, g: Any, rate: float, decay: float, state: dict[str, Any], number: int) -> Any:
    # You et al. 2020, algorithm 2.
    update = adam(g, state, number, 1e-6) + decay * w
    return w - rate * (np.linalg.norm(w) / np.linalg.norm(update) if decay else 1) * update


def adamw(w: Any, g: Any, rate: float, decay: float, state: dict[str, Any], number: int) -> Any:
    # Loshchilov & Hutter 2019, algorithm 2, with the rate in the decay, as all libraries have it.
    return w - rate * decay * w - rate * adam(g, state, number, 1e-7)


@pytest.mark.parametrize(
    ("options", "step"),
    [
        ({"kind": "sgd"}, sgd),
        ({"kind": "adamw"}, adamw),
        ({"kind": "lars", "trust": 0.01}, lars),
        ({"kind": "lamb"}, lamb),
    ],
    ids=["sgd", "adamw", "lars", "lamb"],
)
def test_the_steps_are_those_of_the_paper(options: dict[str, Any], step: Callable[..., Any]) -> None:
    for ours, theirs in zip(run(make_optimiser(section(**options), RATES)), reference(step), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


def test_momentum_is_that_of_keras_where_the_rate_stays() -> None:
    ours = make_optimiser(section(kind="sgd", weight_decay=0), np.full(8, 0.05))
    for found, expected in zip(run(ours), run(keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_the_gradient_of_all_weights_is_shortened_together() -> None:
    lengths = [np.sqrt(sum((part**2).sum() for part in gradient)) for gradient in GRADIENTS]
    clipped = [[part * min(1, 6 / length) for part in parts] for parts, length in zip(GRADIENTS, lengths, strict=True)]
    assert min(lengths) < 6 < max(lengths)
    found = run(make_optimiser(section(kind="sgd", clip_norm=6.0), RATES))
    for ours, theirs in zip(found, reference(sgd, clipped), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("kind", ["sgd", "adamw", "lars", "lamb"])
def test_the_schedule_counts_updates_and_not_parts(kind: str) -> None:
    whole = run(make_optimiser(section(kind=kind), RATES))
    parts = [[(1 + sign * 0.5) * part for part in gradient] for gradient in GRADIENTS for sign in (1, -1)]
    halves = run(make_optimiser(section(kind=kind, parts=2), RATES), parts)
    for one, two in zip(whole, halves, strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-5, atol=2e-6)


def _fit(parts: int) -> tuple[Arrays, dict[str, Any]]:
    rng = np.random.default_rng(0)
    fields = TrainingFields.from_arrays(rng.random((13, 12, 12, 2), np.float32), np.arange(13) % 3, ("a", "b", "c"))
    keras.utils.set_random_seed(1)
    model = weigh_parts(mcnn((8, 8, 2), 3, head="pool", scales=1, features=8, hidden=8))
    batches = RandomCrops(fields, (8, 8), 1, 7, Recipe().augmentation, 3, parts=parts)
    optimiser = make_optimiser(section(kind="sgd", parts=parts), np.full(4, 0.1))
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


@pytest.mark.parametrize("kind", ["sgd", "lars", "lamb"])
def test_a_compiled_model_can_be_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    options = {"trust": 0.01} if kind == "lars" else {}
    model.compile(make_optimiser(section(kind=kind, **options), RATES), "mse")
    x, y = np.ones((4, 3)), np.ones((4, 2))
    model.fit(x, y, epochs=3, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is type(model.optimizer)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert float(loaded.optimizer.learning_rate) == pytest.approx(RATES[3])


def test_the_last_rate_holds_from_then_on() -> None:
    table = RateTable(RATES.tolist())
    np.testing.assert_allclose([float(table(step)) for step in (0, 2, 7, 8, 100)], RATES[[0, 2, 7, 7, 7]], rtol=1e-6)
