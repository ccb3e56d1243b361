"""Optimisers against references in NumPy, written from the papers' equations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hcskit.models.backend import keras
from hcskit.optimisers import RateTable, get_optimiser

Arrays = list[npt.NDArray[np.float64]]
DECAY = 0.1
#: Rates that change at each step, as those of a warm-up and a decay do.
RATES = np.array([0.02, 0.04, 0.06, 0.05, 0.03, 0.02, 0.01, 0.01])
_RNG = np.random.default_rng(5)
NAMES = ("kernel", "bias", "gamma", "beta", "kernel")
SHAPES = ((5, 4), (4,), (4,), (4,), (4, 3))
START: Arrays = [_RNG.normal(size=shape) * (name != "bias") for name, shape in zip(NAMES, SHAPES, strict=True)]
GRADIENTS: list[Arrays] = [[_RNG.normal(size=shape) for shape in SHAPES] for _ in RATES]


def build(kind: str, rates: npt.NDArray[np.float64] = RATES, **options: Any) -> keras.optimizers.Optimizer:
    return get_optimiser(kind, **{"learning_rate": 0.1, "weight_decay": DECAY, **options}).build(rates)


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options", "step"),
    [("sgd", {}, sgd), ("adamw", {}, adamw), ("lars", {"trust": 0.01}, lars), ("lamb", {}, lamb)],
)
def test_the_steps_are_those_of_the_paper(kind: str, options: dict[str, Any], step: Callable[..., Any]) -> None:
    for ours, theirs in zip(run(build(kind, **options)), reference(step), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


def test_momentum_is_that_of_keras_where_the_rate_stays() -> None:
    ours = build("sgd", np.full(8, 0.05), weight_decay=0)
    for found, expected in zip(run(ours), run(keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_the_gradient_of_all_weights_is_shortened_together() -> None:
    lengths = [np.sqrt(sum((part**2).sum() for part in gradient)) for gradient in GRADIENTS]
    clipped = [[part * min(1, 6 / length) for part in parts] for parts, length in zip(GRADIENTS, lengths, strict=True)]
    assert min(lengths) < 6 < max(lengths)
    found = run(build("sgd", clip_norm=6.0))
    for ours, theirs in zip(found, reference(sgd, clipped), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sgd", "adamw", "lars", "lamb"])
def test_the_schedule_counts_updates_and_not_parts(kind: str) -> None:
    whole = run(build(kind))
    parts = [[(1 + sign * 0.5) * part for part in gradient] for gradient in GRADIENTS for sign in (1, -1)]
    halves = run(build(kind, parts=2), parts)
    for one, two in zip(whole, halves, strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-5, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sgd", "lars", "lamb"])
def test_a_compiled_model_can_be_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    options = {"trust": 0.01} if kind == "lars" else {}
    model.compile(build(kind, **options), "mse")
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
