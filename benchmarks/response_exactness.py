"""Is a sum of squares ever above the best that scipy finds? Run as ``python benchmarks/response_exactness.py``.

Prints, for simulated curves, all curves of ``curves/ctrp`` and all of ``curves/drc``, the largest excess as a share of
the total sum of squares. Arguments: how many simulated curves (10,000) and how many starts (12); the folder of real
data is that of the tests (``HCSKIT_TEST_DATA``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from scipy.special import expit

from hcskit.response import fit_curves, hill

DATA = Path(os.environ.get("HCSKIT_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
SLOPES = np.log([0.2, 20.0])
CTRP = np.array([0, 0.0012, 0.0024, 0.0049, 0.0097, 0.019, 0.039, 0.078, 0.16, 0.31, 0.62, 1.2, 2.5, 5, 10, 20, 40])
# Columns of the classical sets: concentration, response, and what tells curves apart.
DRC = {
    "C.dubia": ("conc", "number", []),
    "G.aparine": ("dose", "drymatter", ["treatment"]),
    "GiantKelp": ("dose", "tubeLength", []),
    "M.bahia": ("conc", "dryweight", []),
    "S.alba": ("Dose", "DryMatter", ["Herbicide"]),
    "S.capricornutum": ("conc", "count", []),
    "algae": ("conc", "vol", []),
    "barley": ("Dose", "weight", []),
    "chlordan": ("conc", "repro", []),
    "ctb": ("conc", "fluorescence", ["plate", "day"]),
    "leaflength": ("Dose", "DW", []),
    "lepidium": ("conc", "weight", []),
    "lettuce": ("conc", "weight", []),
    "metals": ("conc", "BIF", ["metal"]),
    "methionine": ("dose", "gain", []),
    "nasturtium": ("conc", "wt", []),
    "ryegrass2": ("dose", "biomass", ["day"]),
    "secalonic": ("dose", "rootl", []),
    "spinach": ("DOSE", "SLOPE", ["CURVE", "HERBICIDE"]),
    "vinclozolin": ("conc", "effect", ["exper"]),
}
#: Those of counts: concentration, affected, total, and what tells curves apart.
DRC_COUNTS = {
    "H.virescens": ("dose", "numdead", "total", ["sex"]),
    "arbovirus": ("dose", "dead", "total", ["trt"]),
    "carbendazim": ("dose", "damage", "total", []),
    "chlorac": ("conc", "num.dead", "total", []),
    "deguelin": ("dose", "r", "n", []),
    "echovirus": ("dose", "infected", "total", []),
    "finney71": ("dose", "affected", "total", []),
    "fluoranthene": ("conc", "mortality", "totalnum", ["algalconc"]),
    "guthion": ("dose", "dead", "total", ["trt"]),
    "selenium": ("conc", "dead", "total", ["type"]),
}


def least(c: np.ndarray, y: np.ndarray, starts: int, rng: np.random.Generator) -> float:
    """Return the least sum of squares that scipy finds within the bounds of the Hill model."""
    zero = c == 0
    weight = np.ones(len(c))
    if zero.any():
        weight[zero] = min(1.0, (~zero).sum() / len(np.unique(c[~zero])) / zero.sum())
    root = np.sqrt(weight)
    with np.errstate(divide="ignore"):
        log_c = np.log10(c)
    tested = log_c[np.isfinite(log_c)]
    low, high = [tested.min() - 3, SLOPES[0]], [tested.max() + 3, SLOPES[1]]

    def residual(shape: np.ndarray) -> np.ndarray:
        """With the best asymptotes for the shape."""
        share = expit(np.log(10) * np.exp(shape[1]) * (log_c - shape[0]))
        unit = root / np.sqrt(root @ root)
        second = root * share
        second = second - (second @ unit) * unit
        size = np.sqrt(second @ second)
        if size > 1e-150:
            second = second / size
        rest = root * y
        for column in (unit, second, unit, second):
            rest = rest - (rest @ column) * column
        return np.asarray(rest)

    bounds, tight = (low, high), 1e-14
    found = (
        least_squares(residual, rng.uniform(low, high), bounds=bounds, xtol=tight, ftol=tight, gtol=tight)
        for _ in range(starts)
    )
    return min(float(2 * own.cost) for own in found)


def excess(c: np.ndarray, curves: np.ndarray, starts: int) -> np.ndarray:
    """Return by how much each sum of squares is above scipy's best, as a share of the total."""
    rng = np.random.default_rng(0)
    found = fit_curves(c, curves)["rss"].sel(model="hill").to_numpy()
    best = np.array([least(c, own, starts, rng) for own in curves])
    total = ((curves - curves.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    return np.asarray((found - best) / np.where(total > 0, total, 1.0))


def simulated(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return curves from hidden in noise to exact, flat to steep, with EC50s within the tested range and beyond."""
    rng = np.random.default_rng(7)
    c = np.concatenate([np.zeros(8), np.geomspace(1, 3.0**9, 10).repeat(2)])
    ec50, slope = 10 ** rng.uniform(-1, 5.5, count), np.exp(rng.uniform(-1, 2.7, count))
    truth = hill(c, 0, 1, ec50[:, None], slope[:, None])
    return c, truth + 10 ** rng.uniform(-2.5, 0.3, (count, 1)) * rng.normal(size=truth.shape)


def viabilities() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield concentrations and responses; curves that lack a value one by one."""
    table = pd.read_csv(DATA / "curves" / "ctrp" / "dose_responses_40.0.tsv", sep="\t").set_index("Name")
    wells = table.to_numpy(dtype=float)
    whole = np.isfinite(wells).all(axis=1)
    yield CTRP, wells[whole]
    for own in wells[~whole]:
        known = np.isfinite(own)
        yield CTRP[known], own[known][None]


def classical() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the curves that have four concentrations above zero, one by one."""
    for name, (dose, response, by) in DRC.items():
        table = pd.read_csv(DATA / "curves" / "drc" / f"{name}.csv")
        yield from _apart(table.assign(y=table[response]), dose, by)
    for name, (dose, affected, total, by) in DRC_COUNTS.items():
        table = pd.read_csv(DATA / "curves" / "drc" / f"{name}.csv")
        yield from _apart(table.assign(y=table[affected] / table[total]), dose, by)


def _apart(table: pd.DataFrame, dose: str, by: list[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    table = table.assign(c=pd.to_numeric(table[dose], errors="coerce")).dropna(subset=["c", "y"])
    for _, own in table.groupby(by) if by else [((), table)]:
        c, y = own["c"].to_numpy(float), own["y"].to_numpy(float)
        if len(np.unique(c[c > 0])) >= 4 and np.ptp(y) > 0:
            yield c, y[None]


def main(count: int, starts: int) -> None:
    """Print the largest excess of each set."""
    c, curves = simulated(count)
    sets = {"curves/drc": list(classical()), "curves/ctrp": list(viabilities())}
    sets |= {"simulated": [(c, own) for own in np.array_split(curves, max(count // 1000, 1))]}
    print(f"| curves | number | largest excess over the best of {starts} starts | smallest |\n|---|---|---|---|")
    for name, parts in sets.items():
        found = np.empty(0)
        for number, part in enumerate(parts, start=1):
            found = np.append(found, excess(*part, starts))
            if number == len(parts) or len(part[1]) >= 1000:  # a long run tells how far it is
                print(f"| {name} | {len(found)} | {found.max():.1e} | {found.min():.1e} |", flush=True)


if __name__ == "__main__":
    main(*(int(own) for own in sys.argv[1:]), *(10_000, 12)[len(sys.argv) - 1 :])
