"""Concentrations of a given response and of a benchmark, against known truth."""

import numpy as np
import pytest

from hcskit.errors import InputError
from hcskit.response import fit_curves, fit_hill, hill

WELLS = np.concatenate([np.zeros(16), np.geomspace(1.0, 3.0**9, 10).repeat(2)])


def noisy(seed: int, sd: float, slope: float = 1.3, top: float = 1.0) -> np.ndarray:
    return hill(WELLS, 0.0, top, 300.0, slope) + np.random.default_rng(seed).normal(0, sd, len(WELLS))


@pytest.mark.parametrize("top", [1.0, -2.0])
def test_exact_data_give_the_concentration_of_a_response(top: float) -> None:
    fit = fit_hill(WELLS, noisy(0, 0.0, top=top))

    for share in (0.2, 0.5, 0.8):
        truth = 300 * (share / (1 - share)) ** (1 / 1.3)
        place, low, high = fit.concentration_at(share * top)
        assert place == pytest.approx(truth, rel=1e-3)
        assert low < truth < high < 1.3 * low
        bmc, bmcl, bmcu = fit.benchmark_concentration(share * abs(top) / 1.349)
        assert bmc == pytest.approx(truth, rel=1e-3)
        assert bmcl < truth < bmcu


@pytest.mark.slow
def test_the_intervals_hold_the_truth_and_follow_that_of_the_ec50() -> None:
    held, benchmark = [], []
    for seed in range(40):
        fit = fit_hill(WELLS, noisy(seed, 0.06))
        _, low, high = fit.concentration_at(0.3)
        held.append(low <= 300 * (0.3 / 0.7) ** (1 / 1.3) <= high)
        share = 1.349 * 0.06
        _, low, high = fit.benchmark_concentration(0.06)
        benchmark.append(low <= 300 * (share / (1 - share)) ** (1 / 1.3) <= high)

    assert np.mean(held) >= 0.9
    assert np.mean(benchmark) >= 0.9


def test_a_response_that_is_not_reached_has_no_concentration() -> None:
    fit = fit_hill(WELLS, noisy(0, 0.01))

    assert np.isnan(fit.concentration_at(3.0)).all()
    assert np.isnan(fit_hill(WELLS, np.random.default_rng(0).normal(size=len(WELLS))).concentration_at(0.0)).all()
    with pytest.raises(InputError, match="the noise of untreated wells is 0"):
        fit.benchmark_concentration(0.0)


def test_any_share_has_an_interval_that_holds_the_truth() -> None:
    shares = [0.1, 0.5, 0.9]
    curves = np.stack([noisy(seed, 0.05) for seed in range(60)])

    found = fit_curves(WELLS, curves, shares=shares).sel(model="hill")

    truth = 300 * (np.array(shares) / (1 - np.array(shares))) ** (1 / 1.3)
    low, high = found["interval"].sel(end="low"), found["interval"].sel(end="high")
    assert (((low <= truth) & (truth <= high)).mean("curve") >= 0.9).all()
    assert np.median(found["effective_concentration"], axis=0) == pytest.approx(truth, rel=0.25)
