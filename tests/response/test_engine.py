"""The optimum against scipy's multi-start: the sum of squares is never higher."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares
from scipy.special import expit

from hcskit.response import fit_curves, hill

SLOPES = np.log([0.2, 20.0])


def scipy_best(c: np.ndarray, y: np.ndarray, starts: int, rng: np.random.Generator) -> float:
    """Return the least sum of squares that scipy finds from many starts, in the bounds of the Hill model."""
    weight = np.ones(len(c))
    zero = c == 0
    if zero.any():
        weight[zero] = min(1.0, (~zero).sum() / len(np.unique(c[~zero])) / zero.sum())
    root = np.sqrt(weight)
    with np.errstate(divide="ignore"):
        log_c = np.log10(c)
    tested = log_c[np.isfinite(log_c)]
    low, high = [tested.min() - 3, SLOPES[0]], [tested.max() + 3, SLOPES[1]]

    def residual(shape: np.ndarray) -> np.ndarray:
        """With the best asymptotes for the shape, of two columns of unit length."""
        share = expit(np.log(10) * np.exp(shape[1]) * (log_c - shape[0]))
        columns = np.stack([root, root * share], axis=1)
        columns /= np.maximum(np.linalg.norm(columns, axis=0), 1e-300)
        return root * y - columns @ np.linalg.lstsq(columns, root * y, rcond=1e-15)[0]

    best = np.inf
    for _ in range(starts):
        found = least_squares(residual, rng.uniform(low, high), bounds=(low, high), xtol=1e-14, ftol=1e-14, gtol=1e-14)
        best = min(best, float(2 * found.cost))
    return best


def curves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Curves from hidden in noise to exact, flat to steep, with EC50s inside the tested range and out of it."""
    rng = np.random.default_rng(seed)
    c = np.concatenate([np.zeros(8), np.geomspace(1, 3.0**9, 10).repeat(2)])
    ec50, slope, noise = (
        10 ** rng.uniform(-1, 5.5, count),
        np.exp(rng.uniform(-1, 2.7, count)),
        10 ** rng.uniform(-2.5, 0.3, count),
    )
    truth = hill(c, 0, 1, ec50[:, None], slope[:, None])
    return c, truth + noise[:, None] * rng.normal(size=truth.shape)


def excess(c: np.ndarray, y: np.ndarray, starts: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    found = fit_curves(c, y)["rss"].sel(model="hill").to_numpy()
    best = np.array([scipy_best(c, own, starts, rng) for own in y])
    return (found - best) / ((y - y.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)


@pytest.mark.slow
def test_the_sum_of_squares_is_never_above_the_best_of_many_starts() -> None:
    assert excess(*curves(25, seed=0), starts=6).max() < 1e-9


def test_of_two_hills_all_but_level_the_higher_is_found() -> None:
    """The slopes 9.7 and 18 are 8e-9 of the total apart, on a ridge that steps of a whole cell climb no further."""
    c = np.concatenate([np.zeros(8), np.geomspace(1, 3.0**9, 10).repeat(2)])
    controls = [-0.0038, 0.0017, 0.0055, 0.0176, -0.0043, -0.0086, 0.0035, -0.0069]
    low = [-0.0022, 0.0043, 0.0015, 0.0004, 0.1294, 0.1411]
    high = [0.9984, 0.9998, 1.0018, 0.9917, 1.0051, 1, 0.9964, 0.997, 0.9947, 1.004, 1.0048, 1.0026, 0.992, 1.0012]

    assert excess(c, np.array([controls + low + high]), starts=12).max() < 1e-9


@pytest.mark.slow
def test_the_same_on_more_curves() -> None:
    assert excess(*curves(60, seed=1), starts=8).max() < 1e-9


@pytest.mark.slow
def test_the_same_on_real_viabilities(shared_data: Path) -> None:
    folder = shared_data / "curves" / "ctrp"
    table = pd.read_csv(folder / "dose_responses_40.0.tsv", sep="\t").set_index("Name").dropna()
    dose = np.array([0, 0.0012, 0.0024, 0.0049, 0.0097, 0.019, 0.039, 0.078, 0.16, 0.31, 0.62, 1.2, 2.5, 5, 10, 20, 40])

    assert excess(dose, table.to_numpy(dtype=float)[::10], starts=10).max() < 1e-9


def test_all_curves_of_a_batch_are_fitted_as_if_alone() -> None:
    c, y = curves(40, seed=2)

    together = fit_curves(c, y)
    alone = [fit_curves(c, own) for own in y[:6]]

    for i, own in enumerate(alone):
        assert own["estimate"].to_numpy()[0, 0] == pytest.approx(
            together["estimate"].to_numpy()[0, i], rel=1e-5, abs=1e-7
        )
        assert own["interval"].to_numpy()[0, 0] == pytest.approx(together["interval"].to_numpy()[0, i], rel=1e-4)
