"""How often does the 95 % interval of the EC50 hold the truth? Run as ``python benchmarks/response_coverage.py``.

Of each setting so many compounds are simulated as the first argument says (400); inactive ones and those that one well
alone shows do not count. Each plate has compounds of different settings, as many as ``--compounds`` says; with 1 every
curve stands by itself.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import expit

from hcskit.response import HillFit, hill, readout_limits
from hcskit.response._many import Task, fit_many

CONTROLS = 16
SLOPES = (0.7, 1.5, 5.0, 1e4)
PLACES = {"middle": (1.0, 3.0), "edge": (3.3, 3.9), "outside": (4.1, 4.6)}  # log10; tested are 1 to 10,000
SETTINGS = list(product(SLOPES, PLACES))


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


@dataclass
class Tally:
    """Of the intervals of one setting: how many there are, the share that holds the truth, and the median width."""

    number: int
    held: float
    width: float

    @classmethod
    def of(cls, fits: list[HillFit], truth: np.ndarray) -> Tally:
        """Count."""
        pairs = [
            (fit, ec50)
            for fit, ec50 in zip(fits, truth, strict=True)
            if fit.category in ("active", "partial", "outside the tested range")
        ]
        if not pairs:
            return cls(0, np.nan, np.nan)
        with np.errstate(divide="ignore"):
            width = np.median([np.divide(fit.ec50_high, fit.ec50_low) for fit, _ in pairs])
        return cls(
            len(pairs), float(np.mean([fit.ec50_low <= ec50 <= fit.ec50_high for fit, ec50 in pairs])), float(width)
        )


def coverage(kind: str, doses: int, replicates: int, count: int, compounds: int) -> list[Tally]:
    """Return what is found of each setting."""
    rng = np.random.default_rng(1)
    c = np.concatenate([np.zeros(CONTROLS), np.geomspace(1, 1e4, doses).repeat(replicates)])
    truth = np.stack([10 ** rng.uniform(*PLACES[place], count) for _, place in SETTINGS])
    slope = np.repeat([slope for slope, _ in SETTINGS], count)
    wells = noisy(kind, hill(c, 0, 1, truth.reshape(-1, 1), slope[:, None]), rng)
    limits = readout_limits(wells.ravel())
    peers = rng.permutation(len(wells)) // compounds
    plate, networks = np.zeros(len(c), dtype=np.int64), np.empty((0, len(c)))
    fits = fit_many(
        [Task(c, y, plate, networks, None, limits, peers=int(own)) for y, own in zip(wells, peers, strict=True)], 0.95
    )
    return [Tally.of(fits[i * count : (i + 1) * count], own) for i, own in enumerate(truth)]


def main(count: int, doses: list[int], compounds: int) -> None:
    """Print one row for each kind of noise, number of doses and of replicates."""
    print("| noise | doses | replicates | " + " | ".join(f"{s:g}, {p}" for s, p in SETTINGS) + " |")
    print("|---" * (3 + len(SETTINGS)) + "|")
    for kind, number, replicates in product(("constant", "proportional", "binomial", "logit"), doses, (1, 2, 4)):
        found = coverage(kind, number, replicates, count, compounds)
        # Few intervals say little.
        shown = " | ".join(f"{own.held:.0%}, {own.width:.1f}" if own.number >= count / 8 else "–" for own in found)
        print(f"| {kind} | {number} | {replicates} | {shown} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=400)
    parser.add_argument("doses", type=int, nargs="*", default=[5, 8, 12])
    parser.add_argument("--compounds", type=int, default=24)
    known = parser.parse_args()
    main(known.count, known.doses, known.compounds)
