"""Fits against known truth, an independent oracle, and symmetries that must hold for any data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import curve_fit

from hcskit.errors import InputError
from hcskit.response import EFFECTS, fit_hill, hill

SERIES = np.geomspace(1.0, 3.0**9, 10)
TREATED = SERIES.repeat(2)
WELLS = np.concatenate([np.zeros(8), TREATED])


def noisy(seed: int, sd: float, bottom: float = 0.0, top: float = 1.0, ec50: float = 300.0, slope: float = 1.3):
    truth = hill(WELLS, bottom, top, ec50, slope)
    return truth + np.random.default_rng(seed).normal(0.0, sd, len(WELLS))


@pytest.mark.slow
@pytest.mark.parametrize(("bottom", "top"), [(0.0, 1.0), (1.0, 0.0), (-3.0, 250.0), (2.0, -5.0)])
@pytest.mark.parametrize("slope", [0.6, 1.0, 4.0])
def test_exact_data_give_back_their_parameters(bottom: float, top: float, slope: float) -> None:
    fit = fit_hill(WELLS, hill(WELLS, bottom, top, 100.0, slope))

    assert fit.category == "active"
    assert [fit.bottom, fit.top, fit.ec50, fit.hill_slope] == pytest.approx(
        [bottom, top, 100.0, slope], rel=1e-5, abs=1e-5
    )
    assert fit.ec50_low < 100.0 < fit.ec50_high
    assert fit.hill_slope_low < slope < fit.hill_slope_high
    assert fit.r2 == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(6))
def test_the_optimum_is_that_of_an_independent_least_squares_fit(seed: int) -> None:
    c = TREATED
    y = noisy(seed, 0.06)[8:]

    fit = fit_hill(c, y)

    def model(x, bottom, top, log_ec50, slope):
        return bottom + (top - bottom) / (1 + (10**log_ec50 / x) ** slope)

    found, _ = curve_fit(
        model, c, y, p0=[0, 1, np.log10(300), 1.3], bounds=([-9, -9, -2, 0.2], [9, 9, 6, 20]), xtol=1e-12
    )
    assert [fit.bottom, fit.top, np.log10(fit.ec50), fit.hill_slope] == pytest.approx(found, rel=1e-4, abs=1e-4)
    assert fit.rmse == pytest.approx(np.sqrt(np.mean((y - model(c, *found)) ** 2)), rel=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_both_ends_of_the_interval_are_equally_implausible(seed: int) -> None:
    c = TREATED
    y = noisy(seed, 0.08)[8:]
    fit = fit_hill(c, y)

    def best_with(ec50: float) -> float:
        def model(x, bottom, top, slope):
            return hill(x, bottom, top, ec50, slope)

        found, _ = curve_fit(model, c, y, p0=[fit.bottom, fit.top, fit.hill_slope], bounds=([-9, -9, 0.2], [9, 9, 20]))
        return float(((y - model(c, *found)) ** 2).sum())

    low, best, high = best_with(fit.ec50_low), best_with(fit.ec50), best_with(fit.ec50_high)
    assert low == pytest.approx(high, rel=0.01)
    assert low / best >= 1 + 4.49 / 16 * 0.99  # F(0.95; 1, 16) = 4.49: never narrower than Bates & Watts


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(exponent=st.floats(-12, 3), seed=st.integers(0, 99))
def test_scaling_the_concentrations_scales_the_ec50_and_nothing_else(exponent: float, seed: int) -> None:
    y = noisy(seed, 0.05)
    factor = 10.0**exponent

    plain, scaled = fit_hill(WELLS, y), fit_hill(WELLS * factor, y)

    assert scaled.category == plain.category
    assert scaled.ec50 / factor == pytest.approx(plain.ec50, rel=1e-5)
    assert scaled.ec50_low / factor == pytest.approx(plain.ec50_low, rel=1e-3)
    assert scaled.ec50_high / factor == pytest.approx(plain.ec50_high, rel=1e-3)
    assert [scaled.hill_slope, scaled.top] == pytest.approx([plain.hill_slope, plain.top], rel=1e-5)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(factor=st.sampled_from([-1000.0, -1.0, 1e-6, 3.0, 1e6]), offset=st.floats(-10, 10), seed=st.integers(0, 99))
def test_an_affine_map_of_the_response_maps_the_asymptotes_and_leaves_the_ec50(
    factor: float, offset: float, seed: int
) -> None:
    y = noisy(seed, 0.05)

    plain, mapped = fit_hill(WELLS, y), fit_hill(WELLS, factor * (y + offset))

    assert mapped.category == plain.category
    assert mapped.ec50 == pytest.approx(plain.ec50, rel=1e-4)
    assert [mapped.ec50_low, mapped.ec50_high] == pytest.approx([plain.ec50_low, plain.ec50_high], rel=1e-3)
    assert mapped.bottom == pytest.approx(factor * (plain.bottom + offset), abs=1e-4 * abs(factor))
    assert mapped.top == pytest.approx(factor * (plain.top + offset), abs=1e-4 * abs(factor))
    assert mapped.p_value == pytest.approx(plain.p_value, rel=1e-3)


def test_the_order_of_the_wells_does_not_matter() -> None:
    y = noisy(3, 0.05)
    order = np.random.default_rng(0).permutation(len(y))

    one, other = fit_hill(WELLS, y), fit_hill(WELLS[order], y[order])

    assert other.ec50 == pytest.approx(one.ec50, rel=1e-5)
    assert other.ec50_high == pytest.approx(one.ec50_high, rel=1e-3)
    assert fit_hill(WELLS, y) == one


def test_many_controls_at_an_offset_do_not_bend_the_curve() -> None:
    treated = noisy(1, 0.03)[8:]
    alone = fit_hill(TREATED, treated)

    with_controls = fit_hill(
        np.concatenate([np.zeros(300), TREATED]),
        np.concatenate([np.random.default_rng(2).normal(0.1, 0.03, 300), treated]),
    )

    assert with_controls.n_zero == 300
    assert with_controls.ec50 == pytest.approx(alone.ec50, rel=0.2)
    assert with_controls.ec50_low < 300 < with_controls.ec50_high


def test_an_ec50_above_the_tested_range_is_only_bounded_from_below() -> None:
    fit = fit_hill(WELLS, noisy(0, 0.02, ec50=1e5, slope=1.0))

    assert fit.category == "outside the tested range"
    assert "above the highest" in fit.note
    assert np.isnan(fit.ec50)
    assert np.isnan(fit.top)
    assert 1000 < fit.ec50_low < 1e5
    assert fit.ec50_high == np.inf
    assert fit.curve(SERIES[-1]) == pytest.approx(hill(SERIES[-1], 0, 1, 1e5, 1.0), abs=0.05)


def test_an_ec50_below_the_tested_range_is_only_bounded_from_above() -> None:
    fit = fit_hill(WELLS, noisy(0, 0.02, ec50=0.1, slope=1.0))

    assert fit.category == "outside the tested range"
    assert "below the lowest" in fit.note
    assert np.isnan(fit.ec50)
    assert fit.ec50_low == 0.0
    assert 0.1 < fit.ec50_high < 1.0
    assert [fit.bottom, fit.top] == pytest.approx([0, 1], abs=0.05)


def test_a_curve_that_does_not_reach_its_top_is_partial() -> None:
    fit = fit_hill(WELLS, noisy(0, 0.02, ec50=9000.0, slope=1.0))

    assert fit.category == "partial"
    assert "still changing" in fit.note
    assert fit.ec50_low < 9000 < fit.ec50_high


@pytest.mark.parametrize(("top", "category"), [(0.9, "active"), (0.3, "partial"), (0.05, "inactive")])
def test_the_effect_is_weighed_against_that_of_the_positive_controls(top: float, category: str) -> None:
    fit = fit_hill(WELLS, noisy(0, 0.002, top=top), full_scale=-1.0)

    assert fit.category == category
    assert fit_hill(WELLS, noisy(0, 0.002, top=top)).category == "active"


@pytest.mark.slow
def test_an_effect_has_to_exceed_the_least_that_counts_for_sure() -> None:
    wells = np.concatenate([np.zeros(6), SERIES.repeat(2)])
    rng = np.random.default_rng(1)

    def called(effect: float, **options: float) -> float:
        fits = [
            fit_hill(wells, hill(wells, 0, effect, 50, 1.2) + rng.normal(0, 0.02, len(wells)), full_scale=1, **options)
            for _ in range(50)
        ]
        return float(np.mean([fit.category in EFFECTS for fit in fits]))

    assert called(0.1) <= 0.2  # the estimate alone exceeds a tenth in half of these
    assert called(0.05) <= 0.04
    assert called(0.2) >= 0.96
    assert called(0.2, least_effect=0.3) == 0.0
    assert called(0.05, least_effect=0.0) >= 0.3


@pytest.mark.slow
def test_noise_alone_is_inactive_and_gives_no_number() -> None:
    fits = [fit_hill(WELLS, np.random.default_rng(seed).normal(5.0, 1.0, len(WELLS))) for seed in range(40)]

    inactive = [fit for fit in fits if fit.category == "inactive"]
    assert len(inactive) >= 39
    assert np.isnan([[fit.ec50, fit.ec50_low, fit.ec50_high, fit.hill_slope] for fit in inactive]).all()
    assert np.mean([fit.p_value < 0.05 for fit in fits]) <= 0.1
    low, high = inactive[0].band(SERIES)
    assert inactive[0].curve(SERIES) == pytest.approx(np.full(10, inactive[0].bottom))
    assert (low < inactive[0].bottom).all()
    assert (high > inactive[0].bottom).all()


def test_a_significant_but_tiny_effect_is_inactive() -> None:
    concentration = np.concatenate([np.zeros(30), SERIES.repeat(30)])
    truth = hill(concentration, 0.0, 1.5, 300.0, 1.3)

    fit = fit_hill(concentration, truth + np.random.default_rng(0).normal(0, 1.0, len(truth)))

    assert fit.p_value < 1e-6
    assert fit.category == "inactive"
    assert "standard deviations" in fit.note


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1 + 0.2])
def test_equal_responses_are_inactive(value: float) -> None:
    fit = fit_hill(WELLS, np.full(len(WELLS), value))

    assert fit.category == "inactive"
    assert [fit.p_value, fit.bottom, fit.top] == pytest.approx([1.0, value, value])


@pytest.mark.parametrize("size", [0, 2, 6])
def test_too_few_concentrations_are_said_to_be_too_few(size: int) -> None:
    fit = fit_hill(TREATED[:size], np.linspace(0, 1, size))

    assert fit.category == "not fitted"
    assert "cannot show a curve" in fit.note
    assert np.isnan(fit.ec50)
    assert np.isnan(fit.curve([1.0, 2.0])).all()
    assert np.isnan(fit.band([1.0, 2.0])).all()


@pytest.mark.parametrize(("series", "plates", "replicates"), [(8, 8, 1), (8, 8, 2), (5, 2, 1), (6, 3, 1), (4, 2, 2)])
def test_plates_that_share_no_concentration_cannot_show_a_curve(series: int, plates: int, replicates: int) -> None:
    """The levels of the plates are as free as the curve: without controls nothing can be said, with them it can."""
    c = np.geomspace(1, 1000, series).repeat(replicates)
    plate = np.arange(len(c)) * plates // len(c)
    plain = hill(c, 0, 10, 30, 2) + np.random.default_rng(0).normal(0, 0.1, len(c))

    apart = fit_hill(c, plain, plate=plate)
    controls = np.arange(plates).repeat(8)
    noise = np.random.default_rng(1).normal(0, 0.1, len(controls))
    controlled = fit_hill(
        np.append(c, 0.0 * controls),
        np.append(plain, noise),
        plate=np.append(plate, controls),
        limits=(-np.inf, np.inf),
    )

    assert (apart.category, apart.code) == ("not fitted", "too_few")
    assert np.isnan(apart.p_value)
    assert controlled.category in ("active", "partial")


def test_missing_responses_are_left_out_and_counted() -> None:
    y = noisy(4, 0.03)
    gaps = y.copy()
    gaps[[2, 9, 20]] = np.nan

    fit = fit_hill(WELLS, gaps)

    kept = np.isfinite(gaps)
    assert (fit.n_wells, fit.n_zero, fit.n_missing) == (18, 7, 3)
    assert fit.ec50 == fit_hill(WELLS[kept], y[kept]).ec50


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_bell_gets_the_concentrations_of_both_flanks(seed: int) -> None:
    series = np.geomspace(1, 1e4, 8).repeat(2)
    c = np.concatenate([series, np.zeros(16)])
    bell = hill(c, 0, 1, 20, 2) * (1 - hill(c, 0, 1, 500, 2))
    peak = bell.max()

    fit = fit_hill(c, bell / peak + np.random.default_rng(seed).normal(0, 0.05, len(c)))

    assert (fit.category, fit.code, fit.model) == ("bell-shaped", "rises_and_falls", "gain-loss")
    fine = np.geomspace(1, 1e4, 20001)
    truth = hill(fine, 0, 1, 20, 2) * (1 - hill(fine, 0, 1, 500, 2))
    rise, fall = fine[truth > truth.max() / 2][[0, -1]]
    assert fit.ec50_low < rise < fit.ec50_high
    assert fit.ec50_fall_low < fall < fit.ec50_fall_high
    assert fit.curve(100.0) == pytest.approx(hill(100, 0, 1, 20, 2) * (1 - hill(100, 0, 1, 500, 2)) / peak, abs=0.1)


def test_a_curve_that_is_neither_a_sigmoid_nor_a_bell_says_so() -> None:
    waves = np.where(WELLS > 0, np.sin(2.2 * np.log10(np.maximum(WELLS, 1.0)) ** 1.5) + 2, 0.0)

    fit = fit_hill(WELLS, waves + np.random.default_rng(0).normal(0, 0.02, len(waves)))

    assert "the replicates agree with each other" in fit.note
    assert "the replicates agree" not in fit_hill(WELLS, noisy(0, 0.02)).note


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("off", [-3.0, -0.8, 0.8, 2.0, 5.0])
def test_a_well_that_disagrees_is_named_and_neither_hides_an_effect_nor_makes_one(seed: int, off: float) -> None:
    y = noisy(seed, 0.04)
    quiet = np.random.default_rng(seed).normal(0, 0.04, len(WELLS))
    well = 8 + int(np.random.default_rng(seed).integers(20))
    clean = fit_hill(WELLS, y)
    y[well] += off
    quiet[well] += off

    fit, inactive = fit_hill(WELLS, y), fit_hill(WELLS, quiet)

    assert (fit.category, fit.deviating) == (clean.category, (well,))
    assert fit.ec50 == pytest.approx(clean.ec50, rel=0.25)
    quiet[well] = np.nan
    assert (inactive.category, inactive.deviating) == (fit_hill(WELLS, quiet).category, (well,))


def test_an_effect_that_one_well_alone_shows_is_unconfirmed() -> None:
    c = np.concatenate([np.zeros(16), SERIES])
    y = np.random.default_rng(0).normal(0, 0.04, len(c))
    y[-1] += 1.0

    fit = fit_hill(c, y)

    assert (fit.category, fit.code) == ("unconfirmed", "single_well")
    assert "at 19683" in fit.note
    y[-2] += 0.6
    assert fit_hill(c, y).category != "unconfirmed"


def test_asymptotes_keep_to_the_range_of_the_readout() -> None:
    viability = 1 - noisy(2, 0.01, ec50=8000.0, slope=1.5)

    free = fit_hill(WELLS, viability, limits=(-np.inf, np.inf))
    bounded = fit_hill(WELLS, viability, limits=(0.0, np.inf))

    assert 0 <= bounded.top < 0.05
    assert bounded.ec50_low < 8000 < bounded.ec50_high
    assert bounded.ec50_high / bounded.ec50_low < free.ec50_high / free.ec50_low
    assert fit_hill(WELLS, viability + 0.1, limits=(0.1, np.inf)).ec50 == pytest.approx(bounded.ec50, rel=1e-4)


def test_a_real_viability_that_does_not_reach_its_plateau_has_the_published_ec50() -> None:
    dose = [0, 0.0012, 0.0024, 0.0049, 0.0097, 0.019, 0.039, 0.078, 0.16, 0.31, 0.62, 1.2, 2.5, 5, 10, 20, 40]
    y = [1, 1.05, 1.04, 1.04, 1.06, 1.04, 1.02, 1.04, 1.01, 1.03, 1.06, 1.04, 0.99, 0.89, 0.75, 0.48, 0.06]

    fit = fit_hill(dose, y)  # RKN x CIL70 of CTRPv2, published EC50 16.2 uM

    assert 16 < fit.ec50 < 20
    assert fit.ec50_low < 16.2 < fit.ec50_high < 40


@pytest.mark.parametrize("seed", range(4))
def test_each_plate_has_its_own_untreated_level(seed: int) -> None:
    c, plates = np.tile(WELLS, 2), np.repeat(["a", "b"], len(WELLS))
    y = np.concatenate([noisy(seed, 0.04), noisy(seed + 50, 0.04)])

    aligned = fit_hill(c, y, plate=plates)
    shifted = fit_hill(c, y + 3.0 * (plates == "b"), plate=plates)

    assert shifted.category == aligned.category == "active"
    assert [shifted.ec50, shifted.ec50_low, shifted.ec50_high] == pytest.approx(
        [aligned.ec50, aligned.ec50_low, aligned.ec50_high], rel=1e-4
    )
    assert aligned.ec50_low < 300 < aligned.ec50_high


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize(("fall", "parameters"), [(np.inf, 3), (600.0, 4)])
def test_the_p_value_is_that_of_the_curve_and_not_of_what_plates_differ_by(
    count: int, fall: float, parameters: int
) -> None:
    """The F-test of the nested regressions: constants of the plates, with a curve and without."""
    series = np.concatenate([[0.0], np.geomspace(1, 1e4, 9)]).repeat(2)
    c, plate = np.tile(series, 4), np.repeat(np.arange(4) % count, len(series))
    truth = hill(c, 0, 2, 20, 1.5) * (1 - hill(c, 0, 1, fall, 1.5))
    y = truth + np.random.default_rng(count).normal(0, 0.2, len(c)) + 5.0 * plate

    fit = fit_hill(c, y, plate=plate)

    means = np.array([y[plate == own].mean() for own in range(count)])
    constant, rest = ((y - means[plate]) ** 2).sum(), fit.rmse**2 * len(y)
    free = len(y) - count - parameters
    assert fit.model == ("hill" if np.isinf(fall) else "gain-loss")
    assert not fit.deviating
    ratio = (constant - rest) / parameters / (rest / free)
    assert fit.p_value == pytest.approx(stats.f.sf(ratio, parameters, free), rel=1e-6, abs=0)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_responses_of_any_size_are_fitted(scale: float) -> None:
    plain, scaled = fit_hill(WELLS, noisy(1, 0.05)), fit_hill(WELLS, noisy(1, 0.05) * scale)

    assert scaled.ec50 == pytest.approx(plain.ec50, rel=1e-6)
    assert scaled.top / scale == pytest.approx(plain.top, rel=1e-6)


def test_a_large_offset_costs_no_digits() -> None:
    plain, shifted = fit_hill(WELLS, noisy(1, 0.05)), fit_hill(WELLS, noisy(1, 0.05) + 1e9)

    assert shifted.ec50 == pytest.approx(plain.ec50, rel=1e-4)
    assert shifted.ec50_high == pytest.approx(plain.ec50_high, rel=1e-3)


def test_a_higher_level_gives_a_wider_interval() -> None:
    y = noisy(1, 0.05)
    ends = [(fit.ec50_low, fit.ec50_high) for fit in (fit_hill(WELLS, y, level=level) for level in (0.8, 0.95, 0.99))]

    assert ends[2][0] < ends[1][0] < ends[0][0] < ends[0][1] < ends[1][1] < ends[2][1]


@pytest.mark.parametrize(
    ("concentration", "response", "message"),
    [
        ([1.0, 2.0], [1.0], "expected one value a well"),
        ([1.0, -2.0], [1.0, 1.0], "concentration -2"),
        ([1.0, np.nan], [1.0, 1.0], "concentration nan"),
        ([1.0, 2.0], [1.0, np.inf], "concentration 2 is infinite"),
    ],
)
def test_unusable_input_is_refused(concentration: list[float], response: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_hill(concentration, response)
