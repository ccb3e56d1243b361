"""A plate of the same batch is seldom called different, and one that differs is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcskit.training import Spread

NOTHING = 1e-6  # of slack
ERROR = 0.002


def _plates(count: int, wells: int, features: int, between: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw wells that vary along some directions more than along others, on plates with an effect of their own."""
    scale = np.linspace(0.1, 1, features)
    return [
        scale * (between * rng.standard_normal(features) + rng.standard_normal((wells, features))) for _ in range(count)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("features", [1, 200])
@pytest.mark.parametrize("wells", [2, 4, 16])
def test_plates_of_the_same_batch_are_seldom_beyond_the_limit(features: int, wells: int) -> None:
    rng, beyond = np.random.default_rng(0), []
    for _ in range(300):
        known, *others = _plates(8, wells, features, 0.3, rng)
        spread = Spread.of(known, np.zeros(wells))
        found = [spread.compare(other, NOTHING) for other in others]
        beyond += [distance > limit for distance, limit in found]
    # Seven plates are compared with one: their errors come together.
    assert np.mean(beyond) < 5 * ERROR


def test_a_plate_that_differs_by_more_than_its_wells_do_is_beyond_the_limit() -> None:
    rng, beyond = np.random.default_rng(0), []
    for _ in range(100):
        known, other = _plates(2, 8, 200, 0.3, rng)
        distance, limit = Spread.of(known, np.zeros(8)).compare(other + 1.0, NOTHING)
        beyond.append(distance > limit)
    assert np.mean(beyond) > 0.95


def test_plates_that_are_known_to_differ_widen_the_limit() -> None:
    rng = np.random.default_rng(0)
    *known, other = _plates(9, 8, 5, 3.0, rng)
    several = Spread.of(np.concatenate(known), np.repeat(np.arange(8), 8))
    assert several.between == pytest.approx(9 * np.square(np.linspace(0.1, 1, 5)).sum(), rel=0.6)
    assert several.compare(other, NOTHING)[1] > 2 * Spread.of(known[0], np.zeros(8)).compare(other, NOTHING)[1]


@given(st.floats(0.01, 100), st.floats(-100, 100), st.integers(0, 99))
def test_units_do_not_matter(unit: float, zero: float, seed: int) -> None:
    known, other = _plates(2, 5, 3, 0.3, np.random.default_rng(seed))
    plain = Spread.of(known, np.zeros(5)).compare(other, 0.1)
    assert Spread.of(unit * known + zero, np.zeros(5)).compare(unit * other + zero, 0.1 * unit) == pytest.approx(
        (unit * plain[0], unit * plain[1]), rel=1e-2, abs=1e-4
    )


def test_one_well_on_one_plate_says_nothing_of_others() -> None:
    assert Spread.of(np.ones((1, 3)), np.zeros(1)).compare(np.ones((1, 3)), 0.1)[1] == np.inf
