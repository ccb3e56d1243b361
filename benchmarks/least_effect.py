"""How often is an effect of a given size called something? Run as ``python benchmarks/least_effect.py [CURVES]``.

Curves of eight concentrations over three decades in duplicate, with six negative controls, are drawn with effects of 0
to 30 % of the positive controls'. An effect counts from a tenth on: by its estimate alone, or by the test against it.
"""

from __future__ import annotations

import sys

import numpy as np

from hcskit.response import EFFECTS, LEAST_EFFECT, fit_hill, hill

WELLS = np.concatenate([np.zeros(6), np.geomspace(0.01, 10, 8).repeat(2)])


def called(effect: float, noise: float, curves: int) -> tuple[float, float]:
    """Return the share that is called something, by the estimate and by the test."""
    rng, found = np.random.default_rng(5), []
    for _ in range(curves):
        response = hill(WELLS, bottom=0, top=effect, ec50=0.3, hill_slope=1.2) + rng.normal(0, noise, len(WELLS))
        plain, tested = (fit_hill(WELLS, response, full_scale=1, least_effect=least) for least in (0.0, LEAST_EFFECT))
        large = abs(np.subtract(*plain.curve([WELLS.min(), WELLS.max()]))) >= LEAST_EFFECT
        found.append((plain.category in EFFECTS and large, tested.category in EFFECTS))
    by_estimate, by_test = np.mean(found, axis=0)
    return float(by_estimate), float(by_test)


def main(curves: int) -> None:
    """Print one row a noise level."""
    for noise in (0.02, 0.05, 0.1):
        shares = [called(effect, noise, curves) for effect in (0, 0.05, 0.1, 0.15, 0.2, 0.3)]
        print(f"| {noise:.0%} | {' | '.join(f'{100 * a:.0f} → {b:.0%}' for a, b in shares)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 150)
