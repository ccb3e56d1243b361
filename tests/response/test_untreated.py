"""The noise of untreated wells, whose standard deviation is known."""

from __future__ import annotations

import numpy as np
import pytest

from hcskit.response import fit_hill, hill
from hcskit.response._untreated import untreated_noise

DOSES = np.geomspace(1, 3000, 8)


@pytest.mark.parametrize(("plates", "wells"), [(1, 4), (1, 8), (1, 32), (2, 4), (4, 3), (4, 4), (8, 4), (10, 2)])
def test_the_noise_is_that_of_a_well_however_many_plates_share_the_wells(plates: int, wells: int) -> None:
    plate = np.repeat(np.arange(plates), wells)
    response = np.random.default_rng(0).normal(0, 2, (4000, len(plate))) + 100.0 * plate

    found = untreated_noise(response, plate)

    assert found is not None
    assert np.median(found) / 2 == pytest.approx(1.2 if wells == 2 else 1.0, abs=0.08)


def test_a_far_well_says_nothing_of_the_noise_and_too_few_wells_say_nothing_at_all() -> None:
    response = np.random.default_rng(1).normal(size=(200, 16))
    with_edge = response.copy()
    with_edge[:, 3] = 1000.0
    one = np.zeros(16, dtype=np.int64)

    near, far = untreated_noise(response, one), untreated_noise(with_edge, one)

    assert near is not None
    assert far is not None
    assert np.median(far / near) < 1.2
    assert untreated_noise(response[:, :4], np.array([0, 0, 1, 1])) is None
    assert untreated_noise(response[:, :8], np.arange(8)) is None


def test_a_small_effect_is_within_the_noise_where_each_plate_has_one_control() -> None:
    """On eight plates an effect of 1.5 SD is sure, yet less than three SD of a well."""
    rng = np.random.default_rng(0)
    c, plate = np.tile(np.append(0.0, DOSES), 8), np.repeat(np.arange(8), 9)
    truth = hill(c, 0, 1.5, 50, 1.5)

    fits = [fit_hill(c, truth + rng.normal(size=len(c)), plate=plate) for _ in range(20)]

    assert sum(fit.p_value < 0.05 for fit in fits) >= 19
    assert sum(fit.code == "within_noise" for fit in fits) >= 16
