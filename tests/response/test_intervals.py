"""Do the intervals hold the truth as often as they claim, and do they stay honest where data are too good?"""

import numpy as np
import pytest

from hcskit.errors import InputError
from hcskit.response import HillFit, fit_hill, hill

SERIES = np.geomspace(1.0, 3.0**9, 10)
WELLS = np.concatenate([np.zeros(16), SERIES.repeat(2)])


def simulated(seed: int, noise: float, slope: float, *, saturating: bool) -> tuple[float, np.ndarray]:
    """One plate; noise is added to the response, or to the logit of a response that saturates at 0 and 1."""
    rng = np.random.default_rng(seed)
    ec50 = 10 ** rng.uniform(1.0, 3.3)
    if saturating:
        return ec50, hill(WELLS, 0.0, 1.0, ec50 * np.exp(rng.normal(0, noise, len(WELLS)) / slope), slope)
    return ec50, hill(WELLS, 0.0, 1.0, ec50, slope) + rng.normal(0, noise, len(WELLS))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("noise", "slope", "saturating", "least"),
    [(0.08, 1.2, False, 0.93), (0.5, 1.2, True, 0.9), (0.7, 4.0, True, 0.88)],
)
def test_intervals_and_bands_hold_the_truth(noise: float, slope: float, saturating: bool, least: float) -> None:
    held, in_band, widths = [], [], []
    for seed in range(80):
        ec50, response = simulated(seed, noise, slope, saturating=saturating)
        fit = fit_hill(WELLS, response)
        held.append(fit.ec50_low <= ec50 <= fit.ec50_high)
        low, high = fit.band(SERIES)
        truth = hill(SERIES, 0.0, 1.0, ec50, slope)
        in_band.append(np.mean((low <= truth) & (truth <= high)))
        widths.append(fit.ec50_high / fit.ec50_low if fit.ec50_low > 0 else np.inf)

    assert np.mean(held) >= least
    assert np.mean(in_band) >= 0.93
    assert np.median(widths) < 3.5  # honest by being informative, not by being endless


@pytest.mark.slow
def test_the_intervals_of_both_flanks_of_a_bell_hold_the_truth() -> None:
    """Little noise: where a flank lies between two concentrations, the profile has a kink at each."""
    c = np.concatenate([np.zeros(16), np.geomspace(1, 1e4, 8).repeat(2)])
    rise, fall = 18.55, 539.1  # where the bell has half its height
    bell = hill(c, 0, 1, 20, 2) * (1 - hill(c, 0, 1, 500, 2))
    rises, falls = [], []
    for seed in range(100):
        fit = fit_hill(c, bell / 0.925 + np.random.default_rng(seed).normal(0, 0.03, len(c)))
        assert fit.category == "bell-shaped"
        assert fit.ec50_low <= fit.ec50 <= fit.ec50_high
        assert fit.ec50_fall_low <= fit.ec50_fall <= fit.ec50_fall_high
        rises.append(fit.ec50_low <= rise <= fit.ec50_high)
        falls.append(fit.ec50_fall_low <= fall <= fit.ec50_fall_high)

    assert np.mean(rises) >= 0.9
    assert np.mean(falls) >= 0.9


def test_a_step_is_as_uncertain_as_the_gap_between_the_concentrations() -> None:
    step = (WELLS > 100).astype(float)  # tested at 81 and 243

    fit = fit_hill(WELLS, step)

    assert fit.category == "active"
    assert 81 <= fit.ec50_low < 84
    assert 236 < fit.ec50_high <= 243
    assert 81 < fit.ec50 < 243
    assert fit.hill_slope_high == np.inf


def test_a_step_at_the_last_concentration_has_no_upper_limit() -> None:
    fit = fit_hill(WELLS, (WELLS > 1e4).astype(float), limits=(-np.inf, np.inf))

    assert fit.category in {"partial", "outside the tested range"}
    assert fit.ec50_low == pytest.approx(3.0**8, rel=0.05)
    assert fit.ec50_high == np.inf


def test_one_lone_point_on_the_slope_does_not_pin_down_the_ec50() -> None:
    response = (WELLS > 100).astype(float)
    response[np.isclose(WELLS, 243)] = 0.6

    fit = fit_hill(WELLS, response)

    assert fit.ec50_low <= fit.ec50 <= fit.ec50_high
    assert fit.ec50_low < 215
    assert fit.ec50_high > 238


def test_disagreeing_replicates_widen_the_interval() -> None:
    truth = hill(WELLS, 0.0, 1.0, 300.0, 1.2)
    apart = np.where(WELLS > 0, np.resize([0.1, -0.1], len(WELLS)), 0.0)

    agreeing, disagreeing = fit_hill(WELLS, truth), fit_hill(WELLS, truth + apart)

    assert disagreeing.ec50 == pytest.approx(agreeing.ec50, rel=0.01)
    assert disagreeing.ec50_low < agreeing.ec50_low / 1.2
    assert disagreeing.ec50_high > agreeing.ec50_high * 1.2


def test_the_band_holds_the_curve_and_follows_the_interval() -> None:
    _, response = simulated(1, 0.05, 1.2, saturating=False)
    fit = fit_hill(WELLS, response)
    concentration = np.concatenate([[0.0], np.geomspace(1e-3, 1e7, 50)])

    low, high = fit.band(concentration)
    curve = fit.curve(concentration)

    assert (low < curve).all()
    assert (curve < high).all()
    assert curve == pytest.approx(hill(concentration, fit.bottom, fit.top, fit.ec50, fit.hill_slope))

    middle = (fit.bottom + fit.top) / 2
    low, high = fit.band([fit.ec50_low, fit.ec50_high])
    assert high[0] == pytest.approx(middle, abs=0.05)  # a curve with the lowest plausible EC50 is half-way there
    assert low[1] == pytest.approx(middle, abs=0.05)
    assert np.shape(fit.band(np.ones((2, 3)))) == (2, 2, 3)


def _ensemble(seed: int, spread: float, count: int) -> tuple[float, np.ndarray]:
    """The truth lies among what networks read as one more of them: (EC50, network by well)."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(1.0, 3.3)
    truth, *each = 10 ** (centre + rng.normal(0, spread, count + 1))
    noise = rng.normal(0, 0.02, len(WELLS))
    return truth, np.stack([hill(WELLS, 0.0, 1.0, ec50, 1.5) + noise for ec50 in each])


@pytest.mark.slow
@pytest.mark.parametrize(("count", "widest"), [(3, 9.0), (5, 4.5)])
def test_what_networks_differ_by_is_in_the_interval(count: int, widest: float) -> None:
    plates = [_ensemble(seed, 0.1, count) for seed in range(60)]
    alone = [fit_hill(WELLS, each.mean(axis=0)) for _, each in plates]
    fits = [fit_hill(WELLS, each.mean(axis=0), networks=each) for _, each in plates]
    truths = [truth for truth, _ in plates]

    def held(some: list[HillFit]) -> float:
        return float(np.mean([fit.ec50_low <= truth <= fit.ec50_high for fit, truth in zip(some, truths, strict=True)]))

    assert held(alone) < 0.7
    assert held(fits) >= 0.93
    assert np.sqrt(np.mean([fit.ec50_spread**2 for fit in fits])) == pytest.approx(0.1, rel=0.15)
    assert np.median([fit.ec50_high / fit.ec50_low for fit in fits]) < widest
    assert [fit.ec50 for fit in fits] == [fit.ec50 for fit in alone]


def test_networks_that_agree_change_nothing() -> None:
    _, response = simulated(0, 0.08, 1.2, saturating=False)
    fit, alone = fit_hill(WELLS, response, networks=np.stack([response] * 4)), fit_hill(WELLS, response)
    assert (fit.ec50_low, fit.ec50_high) == pytest.approx((alone.ec50_low, alone.ec50_high))
    assert fit.ec50_spread == pytest.approx(0, abs=1e-12)
    assert np.isnan(alone.ec50_spread)


def test_networks_that_contradict_each_other_cannot_pin_down_an_ec50() -> None:
    each = np.stack([hill(WELLS, 0.0, 1.0, ec50, 3.0) for ec50 in (5.0, 100.0, 3000.0)])
    fit = fit_hill(WELLS, each.mean(axis=0), networks=each)
    assert fit.category == "partial"
    assert "pin down" in fit.note


def test_two_networks_that_hardly_differ_hardly_widen_the_interval() -> None:
    noise = np.random.default_rng(0).normal(0, 0.08, len(WELLS))
    each = np.stack([hill(WELLS, 0.0, 1.0, ec50, 1.2) + noise for ec50 in (97.0, 103.0)])
    fit, alone = fit_hill(WELLS, each.mean(axis=0), networks=each), fit_hill(WELLS, each.mean(axis=0))
    assert 1 < np.log(fit.ec50_high / fit.ec50_low) / np.log(alone.ec50_high / alone.ec50_low) < 1.3


def test_where_a_network_has_not_read_a_well_the_note_says_what_is_left_out() -> None:
    _, each = _ensemble(0, 0.1, 3)
    alone = fit_hill(WELLS, each.mean(axis=0))
    missing = each.copy()
    missing[1, 20] = np.nan
    fit = fit_hill(WELLS, each.mean(axis=0), networks=missing)
    assert (fit.ec50_low, fit.ec50_high) == (alone.ec50_low, alone.ec50_high)
    assert np.isnan(fit.ec50_spread)
    assert "not all 3 networks read all wells" in fit.note


def test_a_network_must_have_read_every_well() -> None:
    with pytest.raises(InputError, match="networks' readings have shape"):
        fit_hill(WELLS, WELLS, networks=np.zeros((2, 3)))
