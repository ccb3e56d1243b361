"""How often does the 95 % interval of the EC50 hold the truth? Run as ``python benchmarks/response_coverage.py``.

Of each setting so many plates are simulated as the first argument says (400); inactive ones and those that one well
alone shows do not count.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.special import expit

from hcskit.response import hill, readout_limits
from hcskit.response._many import Task, fit_many

CONTROLS = 16
SLOPES = (0.7, 1.5, 5.0, 1e4)
PLACES = {"middle": (1.0, 3.0), "edge": (3.3, 3.9), "outside": (4.1, 4.6)}  # log10; tested are 1 to 10,000


def noisy(kind: str, share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return wells whose true response is `share`."""
    if kind == "constant":
        return share + rng.normal(0, 0.06, share.shape)
    if kind == "proportional":
        return (share + 0.1) * (1 + rng.normal(0, 0.12, share.shape))
    if kind == "binomial":
        return rng.binomial(100, 0.02 + 0.96 * share) / 100
    with np.errstate(divide="ignore"):
        logit = np.clip(np.log(share) - np.log1p(-share), -6, 6)
    return np.asarray(expit(logit + rng.normal(0, 0.6, share.shape)))


def coverage(kind: str, doses: int, replicates: int, slope: float, place: str, count: int) -> tuple[float, int]:
    """Return the share of intervals that hold the truth, and how many there are."""
    rng = np.random.default_rng(1)
    c = np.concatenate([np.zeros(CONTROLS), np.geomspace(1, 1e4, doses).repeat(replicates)])
    truth = 10 ** rng.uniform(*PLACES[place], count)
    with np.errstate(divide="ignore"):
        wells = noisy(kind, hill(c, 0, 1, truth[:, None], slope), rng)
    limits = readout_limits(wells.ravel())
    plate, networks = np.zeros(len(c), dtype=np.int64), np.empty((0, len(c)))
    fits = fit_many([Task(c, y, plate, networks, None, limits) for y in wells], 0.95)
    held = [
        fit.ec50_low <= ec50 <= fit.ec50_high
        for fit, ec50 in zip(fits, truth, strict=True)
        if fit.category in ("active", "partial", "outside the tested range")
    ]
    return float(np.mean(held)) if held else np.nan, len(held)


def main(count: int, doses: list[int]) -> None:
    """Print one row for each kind of noise, number of doses and of replicates."""
    print("| noise | doses | replicates | " + " | ".join(f"{s:g}, {p}" for s in SLOPES for p in PLACES) + " |")
    print("|---" * (3 + len(SLOPES) * len(PLACES)) + "|")
    for kind in ("constant", "proportional", "binomial", "logit"):
        for number in doses:
            for replicates in (1, 2, 4):
                cells = [coverage(kind, number, replicates, s, p, count) for s in SLOPES for p in PLACES]
                # Fewer than 50 intervals say little.
                shown = " | ".join(f"{share:.0%}" if own >= 50 else "–" for share, own in cells)
                print(f"| {kind} | {number} | {replicates} | {shown} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400, [int(own) for own in sys.argv[2:]] or [5, 8, 12])
