"""Learning rates: against the framework's own schedules, the authors' published numbers, and piecewise references."""

from __future__ import annotations

import math
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hcskit.models.backend import keras
from hcskit.recipe import Recipe, learning_rates, stages
from hcskit.schedules import rates

schedules = keras.optimizers.schedules
STEPS = np.arange(101)

#: One of each kind; all fit into 10 epochs with a warm-up of 1, but for the snapshots.
KINDS: dict[str, dict[str, Any]] = {
    "cosine": {},
    "exponential": {"collapse_epochs": 2.0},
    "polynomial": {"collapse_epochs": 0.0},
    "triangular": {},
    "triangular2": {"half_cycle_epochs": 1.5},
    "exp_range": {"gamma": 0.99},
    "snapshots": {"cycles": 3},
    "batch_growth": {"largest_batch": 100},
}


def recipe(kind: str, **optimiser: Any) -> Recipe:
    return Recipe.model_validate(
        {"schedule": {"kind": kind, **KINDS[kind]}, "optimiser": {"epochs": 10, "batch": 16, **optimiser}}
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "keras_schedule"),
    [
        (rates.cosine(STEPS, 80, 0.3), schedules.CosineDecay(0.3, 80)),
        (rates.exponential(STEPS, 20, 0.3, 0.94), schedules.ExponentialDecay(0.3, 20, 0.94)),
        (rates.polynomial(STEPS, 100, 0.3, 2), schedules.PolynomialDecay(0.3, 100, 0.0, power=2)),
        (
            rates.snapshot_cosine(STEPS, 100, 0.3, 4),
            schedules.CosineDecayRestarts(0.3, 25, t_mul=1.0, m_mul=1.0),
        ),
    ],
    ids=["cosine", "exponential", "polynomial", "snapshots"],
)
def test_the_framework_has_the_same(ours: Any, keras_schedule: Any) -> None:
    theirs = np.array([float(keras_schedule(step)) for step in STEPS])
    shown = slice(81) if isinstance(keras_schedule, schedules.CosineDecay) else slice(None)
    np.testing.assert_allclose(ours[shown], theirs[shown], rtol=1e-4, atol=1e-6)


def test_cycles_are_straight_lines_between_their_corners() -> None:
    corners = np.arange(0, 101, 10)
    peaks = np.arange(11) % 2
    wave = np.interp(STEPS, corners, 0.1 + 0.4 * peaks)
    np.testing.assert_allclose(rates.triangular(STEPS, 10, 0.1, 0.5), wave, atol=1e-12)
    heights = peaks * 0.4 / 2 ** (corners // 20)
    np.testing.assert_allclose(
        rates.triangular2(STEPS, 10, 0.1, 0.5), np.interp(STEPS, corners, 0.1 + heights), atol=1e-12
    )
    np.testing.assert_allclose(rates.exp_range(STEPS, 10, 0.1, 0.5, 0.99), wave * 0.99**STEPS, atol=1e-12)


def test_the_collapse_is_that_of_the_published_settings() -> None:
    # sara-nl/caffe, resnet50_448nodes: solver.prototxt, and solver_collapse.prototxt, which begins at 0.254.
    steps, total, last = np.arange(8041 - 446), 8040 - 446, 402

    def before(step: Any) -> Any:
        return rates.polynomial(step, total, 4.8, 1)

    found = rates.collapse(steps, before, total - last, total, 2)
    np.testing.assert_array_equal(found[: total - last], before(steps)[: total - last])
    assert found[total - last] == pytest.approx(0.254, abs=5e-4)
    np.testing.assert_allclose(found[-last - 1 :], found[-last - 1] * (1 - np.arange(last + 1) / last) ** 2, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("epochs", "crops", "batch"), [(30, 192, 8), (25, 100, 16), (4, 40, 7), (1, 50, 16)])
def test_the_default_is_the_schedule_of_earlier_recipes(epochs: int, crops: int, batch: int) -> None:
    """Linear warm-up in one epoch and half a cosine, as Keras computes them."""
    warm = math.ceil(crops / batch)
    before = schedules.CosineDecay(1e-3 / warm, max(1, (epochs - 1) * warm), warmup_target=1e-3, warmup_steps=warm)
    now = learning_rates(Recipe.model_validate({"optimiser": {"epochs": epochs, "batch": batch}}), crops)
    assert len(now) == epochs * warm + 1
    np.testing.assert_allclose(now, [float(before(step)) for step in range(len(now))], rtol=1e-5, atol=1e-9)


def test_a_large_batch_is_warmed_up_from_the_rate_of_the_reference_batch() -> None:
    # Goyal et al.: 0.1 for 256; 8192 crops are 32 times as many.
    how = Recipe.model_validate({"optimiser": {"kind": "sgd", "batch": 8192, "epochs": 90}})
    found = learning_rates(how, 8192 * 100)
    np.testing.assert_allclose(found[:501:250], [0.1, 1.65, 3.2])
    assert found.argmax() == 500


def test_a_larger_batch_or_a_lower_rate_make_the_noise_less_by_the_same() -> None:
    how = Recipe.model_validate(
        {
            "schedule": {"kind": "batch_growth", "largest_batch": 300, "milestones": [0.25, 0.5, 0.75], "factor": 4},
            "optimiser": {"epochs": 8, "batch": 20, "warmup_epochs": 0, "learning_rate": 0.1},
        }
    )
    assert [tuple(stage) for stage in stages(how)] == [(0, 2, 20), (2, 4, 80), (4, 8, 300)]
    steps = [50, 50, 13, 13, 4, 4, 4, 4]
    found = learning_rates(how, 1000)
    assert len(found) == sum(steps) + 1
    batches = np.repeat([20, 20, 80, 80, 300, 300, 300, 300], steps)
    wanted = np.repeat([1, 1, 4, 4, 16, 16, 64, 64], steps)
    np.testing.assert_allclose(found[:-1] / batches, 0.1 / 20 / wanted)


def test_without_room_to_grow_the_rate_falls_in_steps() -> None:
    how = Recipe.model_validate(
        {
            "schedule": {"kind": "batch_growth", "largest_batch": 1},
            "optimiser": {"epochs": 10, "batch": 10, "warmup_epochs": 0},
        }
    )
    np.testing.assert_allclose(learning_rates(how, 10)[:-1], np.repeat(1e-3 / 5.0 ** np.arange(4), [3, 3, 2, 2]))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@given(crops=st.integers(1, 200), batch=st.integers(1, 64), peak=st.floats(1e-5, 10))
def test_every_rate_lies_between_zero_and_the_peak(kind: str, crops: int, batch: int, peak: float) -> None:
    how = recipe(kind, batch=batch, learning_rate=peak)
    found = learning_rates(how, crops)
    assert len(found) == 1 + sum((end - begin) * math.ceil(crops / size) for begin, end, size in stages(how))
    # What a batch has grown beyond its limit by rounding, the rate makes good.
    assert np.all((found >= 0) & (found <= peak * 1.5))
    assert found.max() == pytest.approx(peak, rel=1e-3) or kind in ("triangular", "triangular2", "exp_range")


def test_snapshots_are_taken_where_the_rate_is_about_to_rise() -> None:
    how = recipe("snapshots")
    found = learning_rates(how, 160)
    ends = how.schedule.snapshots(how.optimiser.warmup_epochs, how.optimiser.epochs)
    assert ends == [4, 7, 10]
    assert [epoch for epoch in range(2, 11) if found[epoch * 10] > found[epoch * 10 - 1]] == ends


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"kind": "snapshots", "cycles": 5}, "5 cycles of whole epochs do not fit into 30 epochs less 1"),
        ({"kind": "polynomial", "collapse_epochs": 29.5}, "a warm-up of 1 and a collapse of 29.5 epochs"),
        ({"kind": "batch_growth"}, "largest_batch"),
        ({"kind": "cosine", "power": 2}, "power"),
        ({"kind": "step"}, "there is no schedule 'step'; known: batch_growth, cosine"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(section: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Recipe.model_validate({"schedule": section})


def test_the_plot_in_the_documentation_is_of_these_schedules() -> None:
    docs = Path(__file__).parents[2] / "docs"
    drawn = runpy.run_path(str(docs / "plot_schedules.py"))["draw"]()
    assert drawn == (docs / "schedules.svg").read_text(encoding="utf-8"), "run docs/plot_schedules.py"
