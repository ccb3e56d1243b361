"""Weights, counts and robust losses against optimisers that know nothing of how they are found."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares, minimize
from scipy.stats import binom
from scipy.stats import t as student_t

from hcskit.errors import InputError
from hcskit.response import fit_curves, hill

C = np.concatenate([np.zeros(4), np.geomspace(1, 1e4, 8).repeat(2)])


def noisy(seed: int, *off: tuple[int, float]) -> np.ndarray:
    y = hill(C, 0, 1, 100, 1.5) + np.random.default_rng(seed).normal(0, 0.03, len(C))
    for well, by in off:
        y[well] += by
    return y


def test_weights_are_those_of_a_weighted_least_squares_fit() -> None:
    y, weight = noisy(0), np.random.default_rng(1).uniform(0.2, 5, len(C))

    def residual(p: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt(weight) * (hill(C, p[0], p[1], 10 ** p[2], np.exp(p[3])) - y))

    best = least_squares(residual, [0, 1, 2, 0], xtol=1e-14, ftol=1e-14, gtol=1e-14).x
    found, tenfold = (fit_curves(C, y, weights=own)["estimate"].to_numpy().ravel() for own in (weight, 10 * weight))
    assert found == pytest.approx(best, abs=1e-5)
    assert tenfold == pytest.approx(found, abs=1e-9)


def test_counts_are_those_of_the_largest_binomial_likelihood() -> None:
    rng = np.random.default_rng(2)
    trials = rng.integers(20, 300, len(C))
    affected = rng.binomial(trials, hill(C, 0.05, 0.9, 100, 1.5))

    def cost(p: np.ndarray) -> float:
        share = np.clip(hill(C, p[0], p[1], 10 ** p[2], np.exp(p[3])), 1e-12, 1 - 1e-12)
        return -float(binom.logpmf(affected, trials, share).sum())

    best = minimize(cost, [0.05, 0.9, 2, 0.4], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}).x
    found = fit_curves(C, affected / trials, trials=trials)["estimate"].to_numpy().ravel()
    assert found == pytest.approx(best, abs=1e-3)


def test_the_insecticide_of_finney_has_the_effective_doses_that_drc_gives(shared_data: Path) -> None:
    """Of ``ED(drm(affected/total ~ dose, weights = total, fct = LL.2(), type = "binomial"), c(10, 20, 50))``."""
    table = pd.read_csv(shared_data / "curves" / "drc" / "finney71.csv")
    found = fit_curves(
        table["dose"],
        table["affected"] / table["total"],
        trials=table["total"],
        limits={"bottom": (0, 0), "top": (1, 1)},
        shares=[0.1, 0.2, 0.5],
    )
    assert found["effective_concentration"].to_numpy().ravel() == pytest.approx([2.37896, 3.08932, 4.82890], rel=1e-4)
    low, high = found["interval"].sel(share=0.5).to_numpy().ravel()
    assert low < 4.8289 - 1.5 * 0.2496  # its standard error there is 0.2496
    assert high > 4.8289 + 1.5 * 0.2496


def test_a_robust_loss_ignores_wells_that_are_far_off() -> None:
    clean, off = noisy(3), noisy(3, (7, 3.0), (15, -2.0))
    squares, tukey, student = (
        float(fit_curves(C, off, loss=loss)["effective_concentration"].item())
        for loss in ("squares", "tukey", "student-t")
    )
    true = float(fit_curves(C, clean)["effective_concentration"].item())
    assert abs(np.log10(squares / true)) > 0.3
    assert abs(np.log10(tukey / true)) < 0.05
    assert abs(np.log10(student / true)) < 0.05


def test_student_t_is_the_maximum_of_its_likelihood() -> None:
    y = noisy(4, (9, 0.5))

    def cost(p: np.ndarray) -> float:
        rest = hill(C, p[0], p[1], 10 ** p[2], np.exp(p[3])) - y
        return -float(student_t.logpdf(rest / np.exp(p[4]), 4).sum() - len(C) * p[4])

    start = [0, 1, 2, 0.4, -3.5]
    best = minimize(cost, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 10_000}).x
    found = fit_curves(C, y, loss="student-t", weights=np.ones(len(C)))["estimate"].to_numpy().ravel()
    assert found == pytest.approx(best[:4], abs=1e-3)


def test_limits_may_differ_between_curves() -> None:
    y = np.stack([noisy(5), noisy(6)])
    found = fit_curves(C, y, limits={"top": ([0.8, 0.9], [0.8, 0.9])})["estimate"].sel(parameter="top")
    assert found.to_numpy().ravel() == pytest.approx([0.8, 0.9])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"loss": "hinge"}, "unknown loss 'hinge'; known: squares, tukey, student-t"),
        ({"weights": np.zeros(len(C))}, "some weights are not finite numbers above zero"),
        ({"weights": np.ones(3)}, "weights have shape"),
        ({"trials": 100 * np.ones(len(C)), "loss": "tukey"}, "trials and the loss tukey exclude each other"),
        ({"trials": 100 * np.ones(len(C))}, "expected values from 0 to 1"),
        ({"limits": {"top": (1, 0)}}, "expected the lower one first"),
    ],
)
def test_what_makes_no_sense_is_refused(more: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        fit_curves(C, noisy(0) - 0.5, **more)
