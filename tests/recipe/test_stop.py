"""A training stops once its loss no longer falls, and not before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcskit.recipe import Recipe, flat_after, last_steps, learning_rates, stages

SNAPSHOTS = {"schedule": {"kind": "snapshots", "cycles": 6}, "optimiser": {"epochs": 30, "warmup_epochs": 0}}


@given(st.integers(0, 2**16), st.floats(0.001, 0.3), st.sampled_from([{}, SNAPSHOTS]))
def test_as_long_as_the_loss_falls_it_is_learned_on(seed: int, noise: float, sections: dict[str, object]) -> None:
    rng = np.random.default_rng(seed)
    falling = 3 - 2 * noise * np.arange(30) + noise * rng.uniform(-1, 1, 30)
    assert flat_after(falling.tolist(), Recipe.model_validate(sections)) is None


@pytest.mark.parametrize(("sections", "after"), [({}, {12, 18}), (SNAPSHOTS, {20, 25})])
def test_a_loss_that_is_flat_ends_it_at_the_end_of_a_block(sections: dict[str, object], after: set[int]) -> None:
    recipe = Recipe.model_validate(sections)
    ends = []
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(0, 0.05, 30)
        losses = (0.2 + np.exp(-np.arange(30.0)) + noise).tolist()
        found = [flat_after(losses[:epochs], recipe) for epochs in range(31)]
        # It is known when its epoch is done, and is not taken back: a training that resumes decides alike.
        end = next((own for own in found if own is not None), 31)
        assert found == [None] * end + [end] * (31 - end)
        ends.append(end)
    assert np.isin(ends, list(after)).mean() > 0.9


def test_the_end_of_the_schedule_follows() -> None:
    recipe = Recipe.model_validate({"stop": {"window": 4}, "optimiser": {"epochs": 20}})
    assert [tuple(own) for own in stages(recipe, 8)] == [(0, 12, 16)]
    rates = learning_rates(recipe, 48)
    assert last_steps(recipe, 48) == 16 * 3
    assert 0 < rates[last_steps(recipe, 48)] < 0.15 * rates.max()
    growing = {"kind": "batch_growth", "largest_batch": 64, "factor": 4, "milestones": [0.7]}
    recipe = Recipe.model_validate({"schedule": growing, "stop": {"window": 4}, "optimiser": {"epochs": 20}})
    assert [tuple(own) for own in stages(recipe, 8)] == [(0, 8, 16), (8, 12, 64)]


def test_whoever_wants_all_epochs_gets_them() -> None:
    assert flat_after([1.0] * 30, Recipe.model_validate({"stop": {"window": None}})) is None
    assert flat_after([1.0] * 30, Recipe()) == 12
