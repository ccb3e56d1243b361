"""Curves a second: all at once with the EC50's interval, against a loop of scipy's bounded fits without intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import curve_fit

from hcskit.response import fit_curves, fit_responses, hill

CURVES = 300
C = np.concatenate([np.zeros(7), np.geomspace(1, 3.0**9, 10).repeat(2)])  # 27 points


def simulated(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    ec50, slope = 10 ** rng.uniform(0.5, 4, count), np.exp(rng.uniform(np.log(0.5), np.log(4), count))
    truth = hill(C, 0, 1, ec50[:, None], slope[:, None])
    return np.asarray(truth + rng.normal(0, 0.05, truth.shape))


def loop(curves: np.ndarray) -> None:
    def model(c: Any, bottom: float, top: float, log_ec50: float, slope: float) -> Any:
        return hill(c, bottom, top, 10**log_ec50, slope)

    bounds = ([-9, -9, -3, 0.2], [9, 9, 8, 20])
    for y in curves:
        curve_fit(model, C, y, p0=[0, 1, 2, 1], bounds=bounds)


@pytest.mark.benchmark(group="Hill curves, 27 points, one core")
@pytest.mark.parametrize(
    ("what", "run", "count"),
    [("bare", loop, CURVES), ("all at once, with intervals", lambda y: fit_curves(C, y), 2000)],
)
def test_curves(
    benchmark: Any, bind: Callable[[int], None], what: str, run: Callable[[np.ndarray], Any], count: int
) -> None:
    bind(1)
    curves = simulated(count)
    benchmark.extra_info.update(what=what, amount=count, unit="curve", note=f"{count} curves a round")
    benchmark.pedantic(run, args=(curves,), rounds=5, warmup_rounds=1)


def plate_of_1536() -> pd.DataFrame:
    """Ten doses in duplicate, 64 controls, three readouts."""
    rng = np.random.default_rng(0)
    series = np.geomspace(1, 3.0**9, 10).repeat(2)
    compounds = 72
    concentration = np.concatenate([np.tile(series, compounds), np.zeros(64)])
    names = np.concatenate([np.repeat([f"C{i}" for i in range(compounds)], 20), np.full(64, "")])
    ec50 = np.concatenate([np.repeat(10 ** rng.uniform(0.5, 4, compounds), 20), np.ones(64)])
    treated = concentration > 0
    table = pd.DataFrame(
        {
            "plate": "p",
            "well": [f"W{i:04d}" for i in range(len(names))],
            "role": np.where(treated, "treatment", "negative_control"),
            "compound": names,
            "concentration": concentration,
            "concentration_unit": "nM",
        }
    )
    truth = np.where(treated, hill(concentration, 0, 1, ec50, 1.2), 0.0)
    readouts = [table.assign(readout=f"r{i}", value=truth + rng.normal(0, 0.05, len(truth))) for i in range(3)]
    return pd.concat(readouts, ignore_index=True)


@pytest.mark.benchmark(group="A plate of 1536 wells with three readouts, one core")
def test_plate(benchmark: Any, bind: Callable[[int], None]) -> None:
    bind(1)
    points = plate_of_1536()
    benchmark.extra_info.update(what="fit_responses", amount=1, unit="plate")
    benchmark.pedantic(fit_responses, args=(points,), rounds=5, warmup_rounds=1)
