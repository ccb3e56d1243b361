"""The Hill curve, and the models that build on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from hcskit.response._model import LN10, Axis, Floats

__all__ = ["SLOPE_LIMITS", "STEP", "Constant", "FivePL", "GainLoss", "Hill", "Step", "hill"]

#: Slopes a fit may have; an interval may extend to a step.
SLOPE_LIMITS = (0.2, 20.0)
#: A slope so steep that the curve is a step: what the Hill curve becomes as its slope grows without bound.
STEP = 1e4
_REACH = 3.0  # decades beyond the tested range where a location is sought; an interval that goes so far is open
_PER_DECADE = 20  # nodes of the location


def hill(concentration: ArrayLike, bottom: ArrayLike, top: ArrayLike, ec50: ArrayLike, hill_slope: ArrayLike) -> Floats:
    """Four-parameter Hill curve (Hill, J. Physiol. 40:iv, 1910).

    ``bottom + (top - bottom) * c**h / (c**h + ec50**h)``, without overflow for any finite slope.

    Parameters
    ----------
    concentration : array-like
        Zero gives `bottom`, infinity gives `top`.
    bottom, top : array-like
        Response at zero and at infinite concentration; `top` may be the lower one.
    ec50 : array-like
        Concentration of the half-way response, above zero, in the unit of `concentration`.
    hill_slope : array-like
        Steepness, above zero.

    Returns
    -------
    ndarray of float
        Shape of the broadcast arguments.

    Examples
    --------
    >>> hill([0.0, 10.0, float("inf")], bottom=1.0, top=3.0, ec50=10.0, hill_slope=2.0)
    array([1., 2., 3.])
    """
    c, low, high, half, slope = (
        np.asarray(value, dtype=float) for value in (concentration, bottom, top, ec50, hill_slope)
    )
    with np.errstate(divide="ignore"):
        steps = slope * (np.log(c) - np.log(half))
    return np.asarray(low + (high - low) * expit(steps))


def _location(low: float, high: float, per_decade: int = _PER_DECADE) -> Axis:
    start, end = low - _REACH, high + _REACH
    return Axis("log_ec50", np.linspace(start, end, int(np.ceil((end - start) * per_decade)) + 1))


def _slopes(count: int, *, step: bool, limits: tuple[float, float] = SLOPE_LIMITS) -> Axis:
    grid = np.linspace(np.log(limits[0]), np.log(limits[1]), count)
    return Axis("log_slope", grid, (float(np.log(STEP)),) if step else ())


def _sigmoid(steps: Floats) -> Floats:
    """Return ``(expit(-steps), expit(steps))``, both exact to rounding, of one exponential."""
    both = np.empty((2, *steps.shape))
    np.negative(np.abs(steps), out=both[0])
    np.exp(both[0], out=both[0])
    np.divide(both[0], 1.0 + both[0], out=both[0])
    np.subtract(1.0, both[0], out=both[1])
    return np.where(steps > 0, both, both[::-1])


@dataclass(frozen=True, slots=True)
class Hill:
    """Four parameters: ``bottom + (top - bottom) * c**h / (c**h + ec50**h)``.

    With an asymptote fixed (``limits``) it is the three-parameter curve, with both fixed the two-parameter one.
    `slopes` are the flattest and the steepest that a fit may have.
    """

    name: str = "hill"
    linear: tuple[str, ...] = ("bottom", "top")
    slopes: tuple[float, float] = SLOPE_LIMITS

    def axes(self, low: float, high: float) -> tuple[Axis, ...]:
        """Log10 EC50 and natural logarithm of the slope."""
        return _location(low, high), _slopes(50, step=True, limits=self.slopes)

    def basis(self, log_c: Floats, *shape: Floats) -> Floats:
        """Share of the bottom and of the top."""
        location, log_slope = shape
        return _sigmoid(LN10 * np.exp(log_slope) * (log_c - location))

    def inverse(self, share: float, *shape: Floats) -> Floats:
        """``log10(ec50) + log10(share / (1 - share)) / h``."""
        location, log_slope = shape
        return np.asarray(location + np.log10(share / (1 - share)) * np.exp(-log_slope))


@dataclass(frozen=True, slots=True)
class FivePL:
    """Five parameters: ``bottom + (top - bottom) * (c**h / (c**h + k**h))**s``.

    Source: Richards, J. Exp. Bot. 10:290 (1959).
    """

    name: str = "5pl"
    linear: tuple[str, ...] = ("bottom", "top")

    def axes(self, low: float, high: float) -> tuple[Axis, ...]:
        """Log10 of k, and natural logarithms of the slope and the asymmetry."""
        return _location(low, high, 10), _slopes(16, step=False), Axis("log_asymmetry", np.linspace(-2.0, 2.0, 9))

    def basis(self, log_c: Floats, *shape: Floats) -> Floats:
        """Share of the bottom and of the top."""
        location, log_slope, log_asymmetry = shape
        steps = LN10 * np.exp(log_slope) * (log_c - location)
        log_top = -np.exp(log_asymmetry) * np.logaddexp(0.0, -steps)
        return np.stack([-np.expm1(log_top), np.exp(log_top)])

    def inverse(self, share: float, *shape: Floats) -> Floats:
        """Solve for the concentration: the half-way response is not at k unless the asymmetry is 1."""
        location, log_slope, log_asymmetry = shape
        root = np.exp(np.log(share) * np.exp(-log_asymmetry))
        return np.asarray(location + np.log10(root / (1 - root)) * np.exp(-log_slope))


@dataclass(frozen=True, slots=True)
class GainLoss:
    """A bell: the response rises to a peak and falls back, with one slope for both flanks.

    The product of a rising and a falling Hill curve, scaled so that `peak` is the response at its highest.
    """

    name: str = "gain-loss"
    linear: tuple[str, ...] = ("bottom", "peak")

    def axes(self, low: float, high: float) -> tuple[Axis, ...]:
        """Log10 of the rise, decades from there to the fall, natural logarithm of the slope."""
        span = high - low
        location = Axis("log_rise", np.linspace(low - 1.0, high, int(np.ceil((span + 1.0) * 6)) + 1))
        width = Axis("width", np.linspace(0.1, span + 1.0, int(np.ceil((span + 0.9) * 5)) + 1))
        return location, width, Axis("log_slope", np.linspace(np.log(0.5), np.log(SLOPE_LIMITS[1]), 7))

    def basis(self, log_c: Floats, *shape: Floats) -> Floats:
        """Share of the bottom and of the peak."""
        location, width, log_slope = shape
        slope = LN10 * np.exp(log_slope)
        centre = expit(slope * width / 2) ** 2
        bell = expit(slope * (log_c - location)) * expit(slope * (location + width - log_c)) / centre
        return np.stack([1.0 - bell, bell])

    def inverse(self, share: float, *shape: Floats) -> Floats:
        """Rising flank: a quadratic equation in ``c**h``."""
        location, width, log_slope = shape
        slope = LN10 * np.exp(log_slope)
        # With x = (c / rise)**h and r = (fall / rise)**h the bell is x r / ((1 + x) (x + r)).
        height = share * expit(slope * width / 2) ** 2
        ratio = np.exp(-slope * width)  # 1 / r
        middle = 1.0 + ratio - 1.0 / height
        x = 2.0 / (-middle + np.sqrt(np.maximum(middle**2 - 4 * ratio, 0.0)))
        return np.asarray(location + np.log(x) / slope)

    def descent(self, share: float, *shape: Floats) -> Floats:
        """Return the log10 concentration at which the response has fallen back to a share of its peak."""
        location, width, _ = shape
        return np.asarray(2 * location + width - self.inverse(share, *shape))


@dataclass(frozen=True, slots=True)
class Step:
    """Two levels: `bottom` up to the location and `top` above it."""

    name: str = "step"
    linear: tuple[str, ...] = ("bottom", "top")

    def axes(self, low: float, high: float) -> tuple[Axis, ...]:
        """Log10 of the concentration of the jump, within the tested range."""
        return (Axis("log_ec50", np.linspace(low, high, int(np.ceil((high - low) * _PER_DECADE * 5)) + 1)),)

    def basis(self, log_c: Floats, *shape: Floats) -> Floats:
        """Share of the bottom and of the top."""
        above = (log_c > shape[0]).astype(float)
        return np.stack([1.0 - above, above])

    def inverse(self, share: float, *shape: Floats) -> Floats:
        """Return the location, whatever the share."""
        return np.asarray(shape[0] + 0.0 * share)


@dataclass(frozen=True, slots=True)
class Constant:
    """No effect: one level."""

    name: str = "constant"
    linear: tuple[str, ...] = ("bottom",)

    def axes(self, low: float, high: float) -> tuple[Axis, ...]:
        """No shape."""
        del low, high
        return ()

    def basis(self, log_c: Floats, *shape: Floats) -> Floats:
        """One everywhere."""
        del shape
        return np.ones((1, *np.shape(log_c)))

    def inverse(self, share: float, *shape: Floats) -> Floats:
        """Nowhere."""
        del share, shape
        return np.asarray(np.nan)
