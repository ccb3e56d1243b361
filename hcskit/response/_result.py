"""The result of a fit: numbers with intervals, a category, and a curve with its band."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from hcskit.errors import InputError
from hcskit.response._curve import Curve, Estimate
from hcskit.response._model import Floats

__all__ = ["HillFit", "check_share"]


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

    def concentration_at(self, response: float) -> Estimate:
        """Return the concentration of a given response, with its interval.

        A concentration is plausible if a plausible curve has the response there: the inverse of `band`.

        Parameters
        ----------
        response : float
            In the unit of the readout.

        Returns
        -------
        concentration, low, high : float
            The concentration is NaN where the curve does not reach the response within the tested range; an end of
            the interval is then 0 or infinite, or both are NaN where no plausible curve reaches it.
        """
        return self._crossing(response, change=False)

    def benchmark_concentration(self, noise: float, multiple: float = 1.349) -> Estimate:
        """Return the benchmark concentration (BMC) with its interval (BMCL, BMCU).

        The concentration at which the response differs from that without compound by a multiple of the standard
        deviation of untreated wells; 1.349 is a change that moves one in ten wells past the 5th or 95th percentile of
        the untreated (Filer et al., Bioinformatics 33:618, 2017; Haggard et al., Regul. Toxicol. Pharmacol. 109:104510,
        2019).

        Parameters
        ----------
        noise : float
            Standard deviation of untreated wells, in the unit of the readout.
        multiple : float
            How many of them make the benchmark response.

        Returns
        -------
        bmc, bmcl, bmcu : float
            As in `concentration_at`.
        """
        if not noise > 0:
            raise InputError(f"the noise of untreated wells is {noise:g}; expected a number above 0")
        rising = np.diff(self.curve([0.0, self.tested_high]))[0] >= 0
        return self._crossing(multiple * noise * (1 if rising else -1), change=True)

    def effective_concentration(self, share: float) -> Estimate:
        """Return the concentration at which the response has gone a share of its way to the top, with its interval.

        Parameters
        ----------
        share : float
            0.5 for the EC50, 0.1 for the EC10.

        Returns
        -------
        concentration, low, high : float
            NaN if there is no curve; the concentration alone is NaN where it lies outside the tested range.

        Raises
        ------
        InputError
            If the share is not between 0 and 1.
        """
        check_share(share)
        if self._curve is None or self.category in ("inactive", "not fitted"):
            return np.nan, np.nan, np.nan
        place, low, high = (float(10**value) for value in self._curve.location(share))
        return (place if self.tested_low <= place <= self.tested_high else np.nan), low, high

    def average(self) -> Estimate:
        """Return the average response over the tested range of log concentrations, with its interval.

        The area under the curve is this average times the decades of the range; of a viability it is the normalised
        area under the curve itself.

        Returns
        -------
        average, low, high : float
            In the unit of the readout; NaN if nothing was fitted.
        """
        return (np.nan, np.nan, np.nan) if self._curve is None else self._curve.average()

    def _crossing(self, target: float, *, change: bool) -> Estimate:
        if self._curve is None or self.category in ("inactive", "not fitted"):
            return np.nan, np.nan, np.nan
        return self._curve.crossing(target, change=change)


def _log10(concentrations: ArrayLike) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log10(np.asarray(concentrations, dtype=float)))


def check_share(share: float) -> None:
    """Refuse what is no share of an effect; raises `InputError`."""
    if not 0 < share < 1:
        raise InputError(f"share {share:g} of the effect; expected a number between 0 and 1, such as 0.1 for EC10")
