"""One compound, one readout: from wells to an effective concentration with its interval."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from scipy.stats import f as f_distribution
from scipy.stats import median_abs_deviation, norm
from scipy.stats import t as t_distribution

from hcskit.errors import InputError
from hcskit.response._category import Evidence, judge
from hcskit.response._curve import Curve
from hcskit.response._hill import LN10, Floats, Wells, gather
from hcskit.response._noise import PARAMETERS, f_quantile
from hcskit.response._profile import Region, explore
from hcskit.response._result import HillFit

__all__ = ["MINIMUM_CONCENTRATIONS", "fit_hill"]

#: A curve of four parameters is not fitted to fewer distinct concentrations above zero.
MINIMUM_CONCENTRATIONS = 4
_MINIMUM_CONTROLS = 4  # wells at zero concentration from which their own noise is estimated
_CONSTANT = 1e-9  # relative differences below this are rounding


def fit_hill(
    concentration: ArrayLike,
    response: ArrayLike,
    *,
    full_scale: float | None = None,
    networks: ArrayLike | None = None,
) -> HillFit:
    """Fit a four-parameter Hill curve by least squares.

    Wells at zero concentration (the negative controls) anchor the bottom; together they weigh as much as one tested
    concentration.

    Parameters
    ----------
    concentration : array-like, shape (well,)
        Zero or above, in one unit.
    response : array-like, shape (well,)
        The readout of each well; NaN is left out and counted.
    full_scale : float, optional
        Change of the response in the positive controls (sign ignored), to tell a partial effect from a complete one.
    networks : array-like, shape (network, well), optional
        What each network of an ensemble reads, where the response is their average. The interval of the EC50 then
        covers what they differ by: networks are to an average what imputations are (Rubin 1987, rules 3.1.5 and 3.1.6).
        If one of them has not read a well that is fitted, it does not, and the note says so.

    Returns
    -------
    HillFit
        Always; what cannot be fitted says so in its category and note.

    Raises
    ------
    InputError
        If they differ in shape, a concentration is negative or not finite, or a response is infinite.

    Examples
    --------
    >>> from hcskit.response import hill
    >>> concentration = np.geomspace(1, 1000, 10).repeat(2)
    >>> fit = fit_hill(concentration, hill(concentration, bottom=0, top=1, ec50=30, hill_slope=1.5))
    >>> fit.category, round(fit.ec50, 3), round(fit.hill_slope, 3)
    ('active', 30.0, 1.5)
    """
    c, y = _checked(concentration, response)
    each = np.empty((0, len(y))) if networks is None else np.atleast_2d(np.asarray(networks, dtype=float))
    if each.shape[1:] != y.shape:
        raise InputError(f"the networks' readings have shape {each.shape} for {len(y)} wells; expected (network, well)")
    usable = np.isfinite(y)
    c, y, each = c[usable], y[usable], each[:, usable]
    tested = np.unique(c[c > 0])
    known: dict[str, Any] = {
        "n_wells": int((c > 0).sum()),
        "n_zero": int((c == 0).sum()),
        "n_missing": int((~usable).sum()),
        "n_concentrations": len(tested),
        "tested_low": float(tested[0]) if len(tested) else np.nan,
        "tested_high": float(tested[-1]) if len(tested) else np.nan,
    }
    if len(tested) < MINIMUM_CONCENTRATIONS or len(y) <= PARAMETERS:
        note = (
            f"{len(tested)} concentration(s) in {len(y)} well(s) cannot show a curve; "
            f"it takes {MINIMUM_CONCENTRATIONS} concentrations and {PARAMETERS + 1} wells"
        )
        return HillFit(category="not fitted", note=note, **known)
    wells = gather(c, y)
    if np.ptp(y) <= _CONSTANT * np.abs(y).max():
        return HillFit(category="inactive", note="all wells gave the same response", **_constant(wells), **known)
    if np.isfinite(each).all():
        return _fitted(wells, [gather(c, own) for own in each if np.ptp(own) > 0], full_scale, known)
    fit = _fitted(wells, [], full_scale, known)
    left_out = f"not all {len(each)} networks read all wells: what they differ by is left out"
    return replace(fit, note=f"{fit.note}; {left_out}")


def _checked(concentration: ArrayLike, response: ArrayLike) -> tuple[Floats, Floats]:
    c, y = np.asarray(concentration, dtype=float), np.asarray(response, dtype=float)
    if c.ndim != 1 or c.shape != y.shape:
        raise InputError(f"concentration has shape {c.shape} and response {y.shape}; expected one value a well in each")
    wrong = c[~(np.isfinite(c) & (c >= 0))]
    if len(wrong):
        raise InputError(f"concentration {wrong[0]:g} of a well; expected a finite number, zero or above")
    if np.isinf(y).any():
        raise InputError(f"the response at concentration {c[np.isinf(y)][0]:g} is infinite; expected a number or NaN")
    return c, y


def _fitted(wells: Wells, networks: list[Wells], full_scale: float | None, known: dict[str, Any]) -> HillFit:
    region = explore(wells)
    best = region.best
    each = np.array([explore(own).best.log_ec50 for own in networks])
    evidence = _evidence(region, full_scale, each)
    category, note = judge(evidence)
    if category == "inactive":
        return HillFit(category=category, note=note, **(_constant(wells) | {"p_value": evidence.p_value}), **known)
    slope_low, slope_high = region.slope_interval()
    return HillFit(
        hill_slope=best.slope,
        hill_slope_low=slope_low,
        hill_slope_high=slope_high,
        category=category,
        note=note,
        p_value=evidence.p_value,
        rmse=float(np.sqrt(best.rss / wells.total)),
        r2=evidence.r2,
        ec50_spread=float(each.std(ddof=1)) if len(each) > 1 else np.nan,
        _curve=region.curve(),
        **_location(region, evidence),
        **known,
    )


def _widened(half: float, each: Floats) -> float:
    """Half of a 95 % interval (log10) that covers as well what networks of these EC50s differ by."""
    count = len(each)
    between = (1 + 1 / count) * each.var(ddof=1) if count > 1 else 0.0
    if not between or not np.isfinite(half):
        return half
    within = (half / norm.ppf(0.975)) ** 2
    freedom = (count - 1) * (1 + within / between) ** 2
    return float(t_distribution.ppf(0.975, freedom) * np.sqrt(within + between))


def _evidence(region: Region, full_scale: float | None, each: Floats) -> Evidence:
    wells, best = region.wells, region.best
    free = wells.total - PARAMETERS
    start, end = expit(LN10 * best.slope * (wells.log_c[[0, -1]] - best.log_ec50)).tolist()
    low, high = (np.log10(end) if end else -np.inf for end in region.ec50_interval())
    low = best.log_ec50 - _widened(best.log_ec50 - low, each)
    high = best.log_ec50 + _widened(high - best.log_ec50, each)
    levels = len(wells.log_c)
    untreated = wells.response[wells.level == 0]
    own_noise = wells.has_zero and len(untreated) >= _MINIMUM_CONTROLS
    return Evidence(
        p_value=_f_test(wells.within + wells.between - best.rss, PARAMETERS - 1, best.rss, free),
        misfit_p_value=_f_test(best.rss - wells.within, levels - PARAMETERS, wells.within, wells.total - levels),
        r2=1.0 - best.rss / (wells.within + wells.between),
        effect=best.effect * (1 - start / end),
        noise=float(median_abs_deviation(untreated, scale="normal") if own_noise else np.sqrt(best.rss / free)),
        full_scale=None if full_scale is None else abs(full_scale),
        ec50=10**best.log_ec50,
        ec50_low=float(10**low),
        ec50_high=float(10**high),
        tested_low=float(10 ** wells.tested[0]),
        tested_high=float(10 ** wells.tested[-1]),
        start=start,
        end=end,
    )


def _location(region: Region, evidence: Evidence) -> dict[str, Any]:
    """Asymptotes and EC50; what lies outside the tested range has one end, or is not given at all."""
    best = region.best
    if evidence.ec50 > evidence.tested_high:
        return {"bottom": best.bottom, "ec50_low": evidence.ec50_low, "ec50_high": np.inf}
    top = best.bottom + best.effect / evidence.end
    if evidence.ec50 < evidence.tested_low:
        bottom = best.bottom if region.wells.has_zero else np.nan
        return {"bottom": bottom, "top": top, "ec50_low": 0.0, "ec50_high": evidence.ec50_high}
    ends = {"ec50_low": evidence.ec50_low, "ec50_high": evidence.ec50_high}
    return {"bottom": best.bottom, "top": top, "ec50": evidence.ec50} | ends


def _constant(wells: Wells) -> dict[str, Any]:
    """Describe a flat line through the average, with its band."""
    sum_of_squares = wells.within + wells.between
    free = wells.total - 1
    slack = sum_of_squares / free * f_quantile(free)
    flat = {"log_ec50": 0.0, "slope": 1.0, "bottom": wells.average, "effect": 0.0}
    flat |= {"centre": 0.0, "spread": np.inf, "slack": slack}
    return {
        "bottom": wells.average,
        "top": wells.average,
        "p_value": 1.0,
        "rmse": float(np.sqrt(sum_of_squares / wells.total)),
        "r2": 0.0,
        "_curve": Curve(
            log_max=float(wells.log_c[-1]), total=wells.total, **{name: np.array([x]) for name, x in flat.items()}
        ),
    }


def _f_test(explained: float, parameters: float, rest: float, free: float) -> float:
    """Upper tail of F = (explained / parameters) / (rest / free); NaN without degrees of freedom."""
    if parameters <= 0 or free <= 0:
        return np.nan
    if rest <= 0:
        return 0.0 if explained > 0 else 1.0
    return float(f_distribution.sf(max(explained, 0.0) / parameters / (rest / free), parameters, free))
