"""Relative potency, the test of two curves, and effects at any level: against least squares of scipy and lmfit."""

from pathlib import Path

import lmfit
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares
from scipy.stats import f as f_distribution

from hcskit.errors import InputError
from hcskit.response import compare_curves, fit_hill, hill

C = np.geomspace(1, 1000, 8).repeat(2)


def pair(seed: int, ratio: float, top: float = 1.0, noise: float = 0.04) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return tuple(hill(C, 0, end, 100 / by, 1.3) + rng.normal(0, noise, 16) for end, by in ((1.0, 1.0), (top, ratio)))


@pytest.mark.slow
def test_relative_potency_and_tests_are_those_of_joint_least_squares(shared_data: Path) -> None:
    """White mustard under two herbicides, the example of R's drc."""
    table = pd.read_csv(shared_data / "curves" / "drc" / "S.alba.csv")
    (c1, y1), (c2, y2) = (
        table.loc[table["Herbicide"] == name, ["Dose", "DryMatter"]].to_numpy(float).T
        for name in ("Glyphosate", "Bentazone")
    )

    def rss(start: list[float], which: str) -> tuple[float, np.ndarray]:
        def residual(p: np.ndarray) -> np.ndarray:
            second = {"moved": [*p[:2], p[2] - p[-1], p[3]], "same": p, "apart": p[4:]}[which]
            curves = [hill(c, own[0], own[1], 10 ** own[2], np.exp(own[3])) for c, own in ((c1, p[:4]), (c2, second))]
            return np.concatenate([curves[0] - y1, curves[1] - y2])

        found = least_squares(residual, start, xtol=1e-14, ftol=1e-14)
        return float(2 * found.cost), found.x

    own = [4.0, 0.6, 1.7, 1.0]
    moved, best = rss([*own, 0.3], "moved")
    same, _ = rss(own, "same")
    apart, _ = rss([*own, *own], "apart")
    free = len(table) - 8

    found = compare_curves(c1, y1, c2, y2)

    assert np.log10(found.relative_potency) == pytest.approx(best[-1], abs=1e-4)
    assert found.low < found.relative_potency < found.high
    assert found.parallel_p_value == pytest.approx(f_distribution.sf((moved - apart) / 3 / (apart / free), 3, free))
    assert found.different_p_value == pytest.approx(f_distribution.sf((same - apart) / 4 / (apart / free), 4, free))


@pytest.mark.slow
def test_the_interval_holds_and_the_test_has_its_level() -> None:
    wells = [pair(seed, 1.0) for seed in range(20)]
    found = [compare_curves(C, y1, C, y2, level=0.9) for y1, y2 in wells]
    assert 0.75 <= np.mean([own.low <= 1 <= own.high for own in found]) <= 0.98
    assert np.mean([own.different_p_value < 0.05 for own in found]) <= 0.2


@pytest.mark.slow
def test_curves_that_are_not_parallel_are_told() -> None:
    y1, y2 = pair(0, 3.0, top=0.5)
    found = compare_curves(C, y1, C, y2)
    assert found.parallel_p_value < 1e-3
    assert found.different_p_value < 1e-3
    with pytest.raises(InputError, match=r"3 concentration\(s\) cannot show a curve"):
        compare_curves(C, y1, [1, 10, 100], [0, 0.5, 1])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_an_effective_concentration_has_an_interval_at_any_level(share: float) -> None:
    y = hill(C, 0, 1, 60, 1.3) + np.random.default_rng(1).normal(0, 0.03, len(C))
    fits = [fit_hill(C, y, level=level) for level in (0.5, 0.95)]
    truth = 60 * (share / (1 - share)) ** (1 / 1.3)

    (near, low, high), (again, lower, higher) = (fit.effective_concentration(share) for fit in fits)

    assert near == again == pytest.approx(truth, rel=0.25)
    assert lower < low < near < high < higher
    assert lower < truth < higher
    if share == 0.5:
        assert (near, lower, higher) == pytest.approx((fits[1].ec50, fits[1].ec50_low, fits[1].ec50_high), rel=1e-3)
    with pytest.raises(InputError, match=r"such as 0\.1 for EC10"):
        fits[0].effective_concentration(10)


@pytest.mark.slow
def test_the_average_response_holds_the_truth() -> None:
    log_c = np.linspace(0, 3, 2001)
    truth = np.trapezoid(hill(10**log_c, 1, 0.2, 60, 1.3), log_c) / 3
    held = []
    for seed in range(15):
        fit = fit_hill(C, hill(C, 1, 0.2, 60, 1.3) + np.random.default_rng(seed).normal(0, 0.05, len(C)))
        average, low, high = fit.average()
        held.append(low <= truth <= high)
        assert average == pytest.approx(truth, abs=0.06)
    assert np.mean(held) >= 0.8


def test_ec50_and_interval_are_those_of_lmfit() -> None:
    y = hill(C, 0, 1, 60, 1.3) + np.random.default_rng(3).normal(0, 0.04, len(C))
    parameters = lmfit.create_params(bottom=0, top=1, log_ec50=1.5, log_slope=0)

    def residual(p) -> np.ndarray:  # type: ignore[no-untyped-def]
        bottom, top, log_ec50, log_slope = (float(p[name]) for name in ("bottom", "top", "log_ec50", "log_slope"))
        return np.asarray(hill(C, bottom, top, 10**log_ec50, np.exp(log_slope)) - y)

    minimizer = lmfit.Minimizer(residual, parameters)
    result = minimizer.minimize()
    (_, low), _, (_, high) = lmfit.conf_interval(minimizer, result, p_names=["log_ec50"], sigmas=[0.95])["log_ec50"]
    fit = fit_hill(C, y)
    assert np.log10(fit.ec50) == pytest.approx(result.params["log_ec50"].value, abs=1e-3)
    assert np.log10(fit.ec50_low) <= low + 1e-3  # ours is no narrower, and not much wider
    assert np.log10(fit.ec50_high) >= high - 1e-3
    assert np.log10(fit.ec50_high / fit.ec50_low) < 2.5 * (high - low)
