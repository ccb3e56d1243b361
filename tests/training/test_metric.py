"""Wells are placed such that what the crops of one well differ by anyway counts little."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import mahalanobis

from hcskit.training import Metric, Spread, gather_unevenness, shrunk


def _crops(features: int, seed: int = 0) -> np.ndarray:
    """Draw 600 crops of wells that differ by five causes, and by noise: (crop, network, feature)."""
    plate, rng = np.random.default_rng(99), np.random.default_rng(seed)
    causes = plate.standard_normal((5, features)) * plate.uniform(0.5, 2, features)
    return np.asarray(rng.standard_normal((600, 2, 5)) @ causes + 0.5 * rng.standard_normal((600, 2, features)))


def _unevenness(crops: np.ndarray) -> np.ndarray:
    fields = pd.DataFrame({"plate": "P1", "well": ["A01"], "field": [1]})
    return gather_unevenness(fields, [crops])["P1"].to_numpy().astype(float)


@pytest.mark.parametrize(("features", "tolerance"), [(6, 0.002), (60, 0.05)])
def test_distances_are_those_of_mahalanobis(features: int, tolerance: float) -> None:
    unevenness = _unevenness(_crops(features))
    metric = Metric.model_validate_json(Metric.of(unevenness).model_dump_json())
    wells = np.random.default_rng(1).standard_normal((9, 2, features))

    placed = metric.whitened(wells)

    inverse = np.linalg.inv(shrunk(unevenness))
    for one, other in pairwise(wells):
        parts = [mahalanobis(one[k], other[k], inverse[k]) for k in (0, 1)]
        found = np.linalg.norm(metric.whitened(one[np.newaxis]) - metric.whitened(other[np.newaxis]))
        assert found == pytest.approx(np.hypot(*parts), rel=tolerance)
    assert placed.shape == (9, 2 * features)


def test_where_each_well_has_one_crop_the_distance_is_plain() -> None:
    wells = np.random.default_rng(1).standard_normal((4, 2, 7))
    placed = Metric.of(np.zeros((2, 7, 7))).whitened(wells)
    np.testing.assert_allclose(np.linalg.norm(placed[0] - placed[1]), np.linalg.norm(wells[0] - wells[1]), rtol=1e-3)


@pytest.mark.slow
def test_a_shift_that_crops_never_show_is_seen_among_what_they_show() -> None:
    # Each well is the mean of four crops. The shift is small beside them, and along none of their causes.
    crops = _crops(60)
    metric, shift = Metric.of(_unevenness(crops)), np.linalg.svd(crops[:, 0], full_matrices=False)[2][-1]
    known, other = (_crops(60, seed)[:48].reshape(12, 4, 2, 60).mean(axis=1) for seed in (1, 2))
    plain, placed = (lambda wells: wells.reshape(12, -1)), metric.whitened

    def beyond(wells: np.ndarray, place: Callable[[np.ndarray], np.ndarray]) -> bool:
        distance, limit = Spread.of(place(known), np.zeros(12)).compare(place(wells), 1e-6)
        return distance > limit

    assert beyond(other + 2 * shift, placed)
    assert not beyond(other + 2 * shift, plain)
    assert not beyond(other, placed)
