"""What the curves leave over: an outlier by how far it was moved, all else next to nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hcskit.response import fit_responses, residuals
from tests.response.test_effective import wells


def test_a_well_that_was_moved_is_off_by_as_much_as_it_was_moved() -> None:
    fits = fit_responses(wells(40.0))
    moved = fits.points["well"] == "A09"
    points = fits.points.assign(value=fits.points["value"] + 0.3 * moved)
    treated = points["role"] == "treatment"
    exact = fits.points["value"][treated] - fits.fits[("one", "dead")].curve(points["concentration"][treated])
    found = residuals(points, fits.curves)
    assert found[treated].to_numpy() == pytest.approx((exact + 0.3 * moved[treated]).to_numpy(), abs=1e-3)
    assert found[~treated].mean() == pytest.approx(0.0)
    assert found[~treated].abs().max() > 0


def test_curves_of_several_experiments_are_told_apart() -> None:
    both = pd.concat([wells(40.0).assign(line="a"), wells(400.0).assign(line="b", plate="P2")])
    fits = fit_responses(both, by=["line"])
    assert residuals(fits.points, fits.curves).abs().max() < 0.05


def test_a_well_without_a_curve_has_no_residual() -> None:
    fits = fit_responses(wells(40.0))
    found = residuals(fits.points, fits.curves.iloc[:0])
    assert np.isnan(found[fits.points["role"] == "treatment"]).all()
