"""What curves tell of each other's noise: the estimator against its own model, and what it does to intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hcskit.response import HillFit, fit_compounds, fit_hill, fit_responses, hill
from hcskit.response._many import Task, fit_many
from hcskit.response._shared import NOTHING, SharedNoise, moderated, shared_noise

DOSES = np.geomspace(1.0, 3.0**9, 10).repeat(2)


def variances(common: float, prior: float, own: float, count: int) -> np.ndarray:
    """Draw variances of curves as the model has it."""
    rng = np.random.default_rng(0)
    return np.asarray(common * prior / rng.chisquare(prior, count) * rng.chisquare(own, count) / own)


@pytest.mark.parametrize(("prior", "own"), [(1.0, 6.0), (4.0, 6.0), (10.0, 12.0)])
def test_the_estimator_finds_what_its_model_has_and_agrees_with_the_likelihood(prior: float, own: float) -> None:
    """Under the model variance / common has an F-distribution, whose likelihood scipy maximises."""
    drawn = variances(9.0, prior, own, 4000)
    found = shared_noise(np.sqrt(drawn), np.full(4000, own))
    _, likeliest, _, common = stats.f.fit(drawn, f0=own, floc=0)
    assert found.deviation == pytest.approx(3.0, rel=0.05)
    assert found.freedom == pytest.approx(prior, rel=0.25)
    assert found.deviation == pytest.approx(np.sqrt(common), rel=0.05)
    assert found.freedom == pytest.approx(likeliest, rel=0.25)


def test_curves_that_agree_are_worth_no_more_than_the_others_together() -> None:
    assert shared_noise(np.array([2.0, 2.0, 2.0]), np.array([6.0, 6.0, 6.0])).freedom == 12
    assert shared_noise(np.array([1e-4, 2.0, 300.0]), np.full(3, 6.0)).freedom < 0.5
    assert shared_noise(np.array([4.0]), np.array([6.0])) == NOTHING
    assert shared_noise(np.array([0.0, 4.0]), np.array([6.0, 6.0])) == NOTHING


def test_the_average_is_weighted_by_degrees_of_freedom_in_the_units_of_each_curve() -> None:
    own, freedom, unit = np.array([1.0, 1.0]), np.array([4.0, 4.0]), np.array([1.0, 2.0])
    variance, more = moderated(own, freedom, [SharedNoise(3.0, 12.0), NOTHING], unit)
    assert variance == pytest.approx([(12 * 9 + 4 * 1) / 16, 1.0])
    assert more.tolist() == [16.0, 4.0]
    assert moderated(own, freedom, [NOTHING, SharedNoise(3.0, 12.0)], unit)[0] == pytest.approx(
        [1.0, (12 * 9 / 4 + 4) / 16]
    )


def test_a_curve_that_is_far_noisier_than_its_peers_keeps_its_own_noise() -> None:
    shared = [SharedNoise(1.0, 12.0)] * 3
    at_limit = stats.f.isf(0.01, 4, 12)
    variance, freedom = moderated(np.array([0.98, 1.02, 1e-6]) * at_limit, np.full(3, 4.0), shared, np.ones(3))
    assert variance == pytest.approx([(12 + 4 * 0.98 * at_limit) / 16, 1.02 * at_limit, 12 / 16], rel=1e-3)
    assert freedom.tolist() == [16.0, 4.0, 16.0]  # a quiet curve is believed less than its peers


def test_a_noisy_curve_among_quiet_ones_has_an_interval_that_holds_the_truth() -> None:
    rng = np.random.default_rng(0)
    c = np.concatenate([np.zeros(16), np.geomspace(1, 1e4, 8).repeat(2)])
    flat, none = np.zeros(len(c), dtype=np.int64), np.empty((0, len(c)))
    tasks, truth = [], []
    for plate in range(60):
        for noise in [0.02] * 11 + [0.06]:
            truth.append(10 ** rng.uniform(1.5, 2.5))
            response = hill(c, 0, 1, truth[-1], 1.5) + rng.normal(0, noise, len(c))
            tasks.append(Task(c, response, flat, none, None, (-np.inf, np.inf), peers=plate))
    held = [fit.ec50_low < ec50 < fit.ec50_high for fit, ec50 in zip(fit_many(tasks, 0.95), truth, strict=True)]
    assert np.mean(held[11::12]) >= 0.92
    assert np.mean(held) >= 0.95


def screen(plates: int, compounds: int, noise: float = 0.06) -> tuple[pd.DataFrame, dict[str, float]]:
    """Wells of compounds that are on one plate each, and their EC50s."""
    rng = np.random.default_rng(3)
    truth, parts = {}, []
    for plate in range(plates):
        for number in range(compounds):
            name = f"C{plate}-{number}"
            truth[name] = float(10 ** rng.uniform(1, 3.3))
            parts.append(pd.DataFrame({"plate": f"P{plate}", "compound": name, "concentration": DOSES}))
        parts.append(pd.DataFrame({"plate": [f"P{plate}"] * 16, "compound": "", "concentration": 0.0}))
    table = pd.concat(parts, ignore_index=True)
    treated = table["concentration"] > 0
    value = np.where(treated, hill(table["concentration"], 0, 1, table["compound"].map(truth).fillna(1.0), 1.2), 0.0)
    table["value"] = value + rng.normal(0, noise, len(table))
    role = np.where(treated, "treatment", "negative_control")
    wells = [f"W{number:04d}" for number in range(len(table))]
    return table.assign(well=wells, role=role, concentration_unit="nM", readout="dead"), truth


def _alone(table: pd.DataFrame, name: str) -> HillFit:
    own = table[(table["compound"] == name) | (table["role"] == "negative_control")]
    return fit_hill(own["concentration"], own["value"])


def test_curves_of_a_plate_have_narrower_intervals_that_hold_the_truth() -> None:
    table, truth = screen(10, 8)
    fits = fit_responses(table).responses.droplevel("readout")
    ec50 = pd.Series(truth)
    width = np.log(fits["ec50_high"] / fits["ec50_low"])
    by_itself = [
        _alone(table[table["plate"] == plate], name) for name, plate in ((name, f"P{name[1]}") for name in fits.index)
    ]
    alone = np.array([np.log(fit.ec50_high / fit.ec50_low) for fit in by_itself])
    held = (fits["ec50_low"] <= ec50) & (ec50 <= fits["ec50_high"])
    assert held.mean() >= 0.93
    assert np.median(width) < 0.95 * np.median(alone)
    assert width.std() < 0.8 * alone.std()
    assert fits["ec50"].to_numpy() == pytest.approx([fit.ec50 for fit in by_itself], rel=1e-4)


def test_a_noisy_plate_says_nothing_of_another() -> None:
    quiet, _ = screen(1, 4, noise=0.02)
    noisy, _ = screen(2, 4, noise=0.2)
    together = pd.concat([quiet, noisy[noisy["plate"] == "P1"]], ignore_index=True)
    together["well"] = [f"W{number:04d}" for number in range(len(together))]
    pd.testing.assert_frame_equal(
        fit_responses(together).responses.loc[["C0-0", "C0-1", "C0-2", "C0-3"]], fit_responses(quiet).responses
    )


def test_some_compounds_are_fitted_as_among_all_and_no_others_are_returned() -> None:
    table, _ = screen(2, 4)
    whole = fit_responses(table)
    some = fit_compounds(table, whole.responses, ["C1-2"])
    pd.testing.assert_frame_equal(some.responses, whole.responses.loc[["C1-2"]])
    assert set(some.fits) == {("C1-2", "dead")}
    assert set(some.points["compound"]) == {"C1-2", ""}
    assert set(some.points["plate"]) == {"P1"}
    assert set(some.curves["compound"]) == {"C1-2"}
