"""What a fit says: numbers with intervals, a category, and a curve with its band."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from hcskit.response._curve import Curve
from hcskit.response._model import Floats

__all__ = ["HillFit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HillFit:
    """A fitted concentration-response curve; NaN is what the data cannot tell.

    Attributes
    ----------
    ec50, ec50_low, ec50_high : float
        Concentration of the half-way response, and its profile-likelihood interval. NaN if inactive. Outside the
        tested range the EC50 is NaN and the interval has one end only: (low, inf) or (0, high). Where several networks
        read the wells, it covers what they differ by. Of a bell-shaped curve: where the response rises to half its
        peak.
    ec50_fall, ec50_fall_low, ec50_fall_high : float
        Of a bell-shaped curve: where the response has fallen back to half its peak, and its interval; else NaN.
    ec50_spread : float
        Standard deviation of log10 EC50 between the networks of an ensemble; NaN if there is only one.
    hill_slope, hill_slope_low, hill_slope_high : float
        Steepness and its interval; an end is 0 or infinite where the data allow any slope on that side.
    bottom, top : float
        Response at zero and at infinite concentration (bell-shaped: at the peak); both the mean response if inactive.
        `top` is NaN if the EC50
        lies above the tested range, `bottom` if it lies below and no well has zero concentration.
    category, code, note : str
        One of `CATEGORIES`, the key of `CODES` that says why to a program, and the reasons in plain words.
    model : str
        Name of the curve model; empty if nothing was fitted.
    level : float
        Confidence level of the intervals.
    deviating : tuple of int
        Wells, by their place in the input, that disagree with their surroundings and were left out of the fit.
    p_value : float
        F-test of the curve against a constant response.
    rmse, r2 : float
        Root mean square residual in units of the response, and the share of variance explained.
    n_wells, n_zero, n_missing : int
        Fitted wells above zero concentration, fitted wells at zero, and wells left out because their response is NaN.
    n_concentrations : int
        Distinct concentrations above zero.
    tested_low, tested_high : float
        Lowest and highest concentration above zero.
    """

    ec50: float = np.nan
    ec50_low: float = np.nan
    ec50_high: float = np.nan
    ec50_spread: float = np.nan
    hill_slope: float = np.nan
    hill_slope_low: float = np.nan
    hill_slope_high: float = np.nan
    ec50_fall: float = np.nan
    ec50_fall_low: float = np.nan
    ec50_fall_high: float = np.nan
    bottom: float = np.nan
    top: float = np.nan
    category: str
    code: str
    note: str
    model: str = ""
    level: float = 0.95
    deviating: tuple[int, ...] = ()
    p_value: float = np.nan
    rmse: float = np.nan
    r2: float = np.nan
    n_wells: int
    n_zero: int
    n_missing: int
    n_concentrations: int
    tested_low: float = np.nan
    tested_high: float = np.nan
    _curve: Curve | None = field(default=None, repr=False, compare=False)

    def curve(self, concentrations: ArrayLike) -> Floats:
        """Fitted response, also where EC50 or top are not given as numbers; a constant if inactive.

        Parameters
        ----------
        concentrations : array-like
            In the unit of the fit; zero is allowed.

        Returns
        -------
        ndarray of float
            Shape of `concentrations`; NaN if nothing was fitted.
        """
        log_c = _log10(concentrations)
        if self._curve is None:
            return np.full_like(log_c, np.nan)
        return self._curve.value(log_c.ravel()).reshape(log_c.shape)

    def band(self, concentrations: ArrayLike) -> tuple[Floats, Floats]:
        """Interval of the fitted response at each concentration: the envelope of all plausible curves.

        Parameters
        ----------
        concentrations : array-like
            In the unit of the fit; zero is allowed.

        Returns
        -------
        low, high : ndarray of float
            Shape of `concentrations`; NaN if nothing was fitted.
        """
        log_c = _log10(concentrations)
        if self._curve is None:
            return np.full_like(log_c, np.nan), np.full_like(log_c, np.nan)
        low, high = self._curve.band(log_c.ravel())
        return low.reshape(log_c.shape), high.reshape(log_c.shape)


def _log10(concentrations: ArrayLike) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log10(np.asarray(concentrations, dtype=float)))
