"""A fitted curve that can be drawn, with the envelope of all curves that the data do not rule out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hcskit.response._hill import Floats, rise

__all__ = ["Curve"]


@dataclass(frozen=True, slots=True)
class Curve:
    """A best curve and all plausible ones; every array has one value a plausible curve, the first is the best.

    Attributes
    ----------
    log_max : float
        Highest tested concentration, log10.
    log_ec50, slope, bottom, effect, centre, spread : ndarray
        As in `Surface`.
    slack : ndarray
        How much the sum of squares may still grow before the curve is ruled out.
    total : float
        How many wells the data are worth.
    """

    log_max: float
    log_ec50: Floats
    slope: Floats
    bottom: Floats
    effect: Floats
    centre: Floats
    spread: Floats
    slack: Floats
    total: float

    def value(self, log_c: Floats) -> Floats:
        """Response of the best curve."""
        rises = rise(log_c, self.log_max, np.asarray(self.log_ec50[0]), np.asarray(self.slope[0]))
        return np.asarray(self.bottom[0] + self.effect[0] * rises)

    def band(self, log_c: Floats) -> tuple[Floats, Floats]:
        """Lowest and highest response that a plausible curve has at each concentration."""
        rises = rise(log_c, self.log_max, self.log_ec50[:, None], self.slope[:, None])
        value = self.bottom[:, None] + self.effect[:, None] * rises
        leverage = 1.0 / self.total + (rises - self.centre[:, None]) ** 2 / self.spread[:, None]
        half = np.sqrt(self.slack[:, None] * leverage)
        return (value - half).min(axis=0), (value + half).max(axis=0)
