"""Statistics of controls: by hand, against independent formulas, and what one dead well may do."""

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from hcskit.assay import (
    auroc,
    outliers,
    robust_ssmd,
    robust_z_prime,
    signal_window,
    ssmd,
    v_factor,
    z_prime,
)
from hcskit.errors import InputError

POSITIVE, NEGATIVE = [9.0, 11.0, 10.0, 12.0], [1.0, 2.0, 3.0]


def test_robust_numbers_are_those_of_medians() -> None:
    d_p, d_n = 1.4826 * 1.0, 1.4826 * 1.0  # medians 10.5 and 2
    assert robust_z_prime(POSITIVE, NEGATIVE) == pytest.approx(1 - 3 * (d_p + d_n) / 8.5, rel=1e-4)
    assert robust_ssmd(POSITIVE, NEGATIVE) == pytest.approx(8.5 / np.hypot(d_p, d_n), rel=1e-4)


def test_signal_window_is_in_units_of_the_signal() -> None:
    s_p, s_n = np.std(POSITIVE, ddof=1), 1.0
    expected = (10.5 - 2 - 3 * (s_p + s_n)) / s_p
    assert signal_window(POSITIVE, NEGATIVE) == pytest.approx(expected)
    assert signal_window(NEGATIVE, POSITIVE) == pytest.approx(expected)  # the larger mean is the signal


def test_auroc_is_the_area_under_the_curve() -> None:
    rng = np.random.default_rng(0)
    p, n = rng.integers(0, 9, 30).astype(float), rng.integers(2, 12, 20).astype(float)
    cuts = np.arange(13.0, -1.0, -1.0)
    hits, false_alarms = (np.array([(own >= cut).mean() for cut in cuts]) for own in (p, n))
    assert auroc(p, n) == pytest.approx(np.trapezoid(hits, false_alarms))


def test_v_factor_of_two_concentrations_is_z_prime() -> None:
    c = [0] * len(NEGATIVE) + [1] * len(POSITIVE)
    assert v_factor(c, NEGATIVE + POSITIVE) == pytest.approx(z_prime(POSITIVE, NEGATIVE))
    assert np.isnan(v_factor([1, 2, 3], [0.0, 1.0, 2.0]))  # no replicates
    with pytest.raises(InputError, match="one value a well"):
        v_factor([1, 2], [1.0])


@pytest.mark.parametrize("statistic", [z_prime, robust_z_prime, ssmd, robust_ssmd, signal_window, auroc])
def test_a_missing_well_does_not_count(statistic) -> None:
    assert statistic([*POSITIVE, np.nan], [np.nan, *NEGATIVE]) == statistic(POSITIVE, NEGATIVE)


@pytest.mark.parametrize("statistic", [robust_z_prime, robust_ssmd, signal_window, auroc])
def test_empty_controls_have_no_number(statistic) -> None:
    assert np.isnan([statistic([], [1.0, 2.0]), statistic([], [])]).all()


def test_a_dead_well_of_sixteen_hardly_moves_the_robust_factor() -> None:
    rng = np.random.default_rng(1)
    positive, negative = rng.normal(1, 0.03, 16), rng.normal(0, 0.03, 16)
    sound = robust_z_prime(positive, negative)
    positive[5] = 0.0
    assert z_prime(positive, negative) < 0.3 < 0.7 < robust_z_prime(positive, negative)
    assert robust_z_prime(positive, negative) == pytest.approx(sound, abs=0.05)
    assert outliers(positive).nonzero()[0].tolist() == [5]
    assert not outliers(negative).any()


def test_outliers_do_not_hide_each_other() -> None:
    values = np.append(np.random.default_rng(2).normal(0, 1, 20), [50.0, 51.0, 49.0])
    assert outliers(values).nonzero()[0].tolist() == [20, 21, 22]


def test_rosners_example() -> None:
    """NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.17.3: the three largest of 54 values, at 5 %."""
    listed = """
        -0.25 0.68 0.94 1.15 1.20 1.26 1.26 1.34 1.38 1.43 1.49 1.49 1.55 1.56 1.58 1.65 1.69 1.70 1.76 1.77 1.81 1.91
        1.94 1.96 1.99 2.06 2.09 2.10 2.14 2.15 2.23 2.24 2.26 2.35 2.37 2.40 2.47 2.54 2.62 2.64 2.90 2.92 2.92 2.93
        3.21 3.26 3.30 3.59 3.68 4.30 4.64 5.34 5.42 6.01
    """
    data = np.array(listed.split(), dtype=float)
    assert outliers(data, significance=0.05).nonzero()[0].tolist() == [51, 52, 53]
    assert not outliers(data).any()


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, 8, 16, 32])
def test_one_group_in_a_thousand_has_an_outlier_by_chance(count: int) -> None:
    wells = np.random.default_rng(3).normal(size=(4000, count))
    assert np.mean([outliers(own).any() for own in wells]) < 0.003


def test_identical_wells_and_few_wells_have_no_outlier() -> None:
    assert not outliers([1.0] * 9).any()
    assert not outliers([0.0, 0.0, 9.0]).any()
    assert outliers([1.0] * 9 + [0.0]).nonzero()[0].tolist() == [9]
    assert not outliers([np.nan] * 9).any()


def test_mad_is_the_scaled_one() -> None:
    values = np.random.default_rng(4).normal(size=9)
    other = values + 10
    expected = 1 - 6 * median_abs_deviation(values, scale="normal") / 10
    assert robust_z_prime(other, values) == pytest.approx(expected)
