"""From fitted curves to numbers with intervals, a category and the reasons for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import stdtrit
from scipy.stats import norm

from hcskit.response._category import Evidence, Verdict, judge
from hcskit.response._curve import Curve
from hcskit.response._design import Design
from hcskit.response._group import Fitted, aicc, dose_test, f_test, fit_batch, fit_model, least_effect_test, well_noise
from hcskit.response._hill import SLOPE_LIMITS, Constant, GainLoss, Hill
from hcskit.response._likelihood import interval
from hcskit.response._model import Floats
from hcskit.response._result import HillFit
from hcskit.response._shared import SharedNoise

__all__ = ["Case", "describe", "describe_constant", "solve"]

_BELL_SIGNIFICANCE = 0.01
_BELL_MARGIN = 6.0  # by which a bell's AICc must be lower than that of a sigmoid
_GOOD_R2 = 0.98  # a sigmoid that explains more is not compared with a bell
_BOUND = 1e-6  # relative distance from a bound that is rounding


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One curve of a group: responses in the order of the design's wells, and what else is known."""

    response: Floats
    networks: Floats
    full_scale: float | None
    limits: tuple[float, float]
    top: float | None
    least_effect: float
    known: dict[str, Any]


def solve(cases: list[Case], design: Design, level: float) -> Fitted:
    """Find the best curves of one design."""
    response = np.stack([case.response for case in cases])
    return fit_model(Hill(), design, response, _bounds(cases), level, fixed=int(cases[0].top is not None))


def describe(cases: list[Case], solved: Fitted, shared: list[SharedNoise]) -> list[HillFit]:
    """Tell the numbers of the best curves, with what each knows of the noise of its peers."""
    fitted, design, level = solved.sharing(shared), solved.batch.design, solved.level
    place, ends = fitted.half_way()
    threshold = fitted.threshold
    steepness = interval(fitted.problem, fitted.batch, fitted.survey, fitted.best, threshold, axis=1)
    spreads = _networks(cases, design)
    ends = np.stack([_widened(place, ends, spreads, side, level) for side in (0, 1)])
    evidence = _evidence(fitted, cases, place, ends)
    verdicts = [judge(own) for own in evidence]
    flat = describe_constant(design, np.stack([case.response for case in cases]), level)
    fits = []
    for i, (case, own, verdict) in enumerate(zip(cases, evidence, verdicts, strict=True)):
        said = {"category": verdict.category, "code": verdict.code, "note": verdict.note, "p_value": own.p_value}
        if verdict.category == "inactive":
            fits.append(HillFit(**(case.known | flat[i] | said)))
            continue
        curve = Curve(
            fitted.problem[i : i + 1],
            fitted.batch[i : i + 1],
            fitted.best[i : i + 1],
            float(threshold[i]),
            (float(ends[0, i]), float(ends[1, i])),
        )
        slope_low, slope_high = np.exp(steepness[:, i])
        numbers = _location(fitted.linear[i], own, design.has_zero) | {
            "hill_slope": float(np.exp(fitted.best.shape[i, 1])),
            "hill_slope_low": float(slope_low),
            "hill_slope_high": float(slope_high),
            "rmse": float(np.sqrt(fitted.best.rss[i] / design.total) * fitted.batch.scale[i]),
            "r2": own.r2,
            "ec50_spread": float(spreads[i].std(ddof=1)) if len(spreads[i]) > 1 else np.nan,
            "model": "hill",
            "_curve": curve,
        }
        fits.append(HillFit(**(case.known | numbers | said)))
    fits = _bells(fits, fitted, _bounds([replace(case, top=None) for case in cases]))
    return [_without_networks(fit, case) for fit, case in zip(fits, cases, strict=True)]


def _bounds(cases: list[Case]) -> Floats | None:
    """Return the ends of the asymptotes, shape (curve, linear, 2); none where all are free."""
    ends = [[case.limits, case.limits if case.top is None else (case.top, case.top)] for case in cases]
    return np.array(ends) if np.isfinite(ends).any() else None


def _networks(cases: list[Case], design: Design) -> list[Floats]:
    """Return the log10 EC50 that each network reads, for each case; none where one has not read all wells."""
    owner = [i for i, case in enumerate(cases) if len(case.networks) and np.isfinite(case.networks).all()]
    each = [(i, own) for i in owner for own in cases[i].networks if np.ptp(own) > 0]
    found: list[list[float]] = [[] for _ in cases]
    if each:
        curves, limits = np.array([i for i, _ in each]), _bounds(cases)
        fitted = fit_model(
            Hill(), design, np.stack([own for _, own in each]), None if limits is None else limits[curves], 0.95
        )
        for i, place in zip(curves, fitted.best.shape[:, 0], strict=True):
            found[i].append(float(place))
    return [np.array(own) for own in found]


def _without_networks(fit: HillFit, case: Case) -> HillFit:
    if np.isfinite(case.networks).all() or fit.category == "not fitted":
        return fit
    left_out = f"not all {len(case.networks)} networks read all wells: what they differ by is left out"
    return replace(fit, note=f"{fit.note}; {left_out}")


def _widened(place: Floats, ends: Floats, each: list[Floats], side: int, level: float) -> Floats:
    """Return one end (log10) that covers as well what networks of these EC50s differ by."""
    result = ends[side].copy()
    sign = 2 * side - 1
    for i, own in enumerate(each):
        count, half = len(own), sign * (ends[side, i] - place[i])
        between = (1 + 1 / count) * own.var(ddof=1) if count > 1 else 0.0
        if between and np.isfinite(half):
            within = (half / norm.ppf((1 + level) / 2)) ** 2
            freedom = (count - 1) * (1 + within / between) ** 2
            result[i] = place[i] + sign * float(stdtrit(freedom, (1 + level) / 2) * np.sqrt(within + between))
    return np.asarray(result)


def _evidence(fitted: Fitted, cases: list[Case], place: Floats, ends: Floats) -> list[Evidence]:
    batch, design, best = fitted.batch, fitted.batch.design, fitted.best
    levels, share = len(design.log_c), fitted.share
    start, end = share[:, 0], share[:, -1]
    change = (fitted.linear[:, -1] - fitted.linear[:, 0]) * (end - start)
    total, p_value = batch.total + batch.within, fitted.p_value
    known = [(case.full_scale, case.least_effect) for case in cases]
    least = np.array([np.nan if scale is None else least * abs(scale) for scale, least in known])
    size = np.maximum(np.abs(change), np.finfo(float).tiny)
    relevant = least_effect_test(total - best.rss, best.rss, fitted.free, least / size)
    misfit = f_test(best.rss - batch.within, levels - fitted.parameters, batch.within, design.total - levels)
    noise = well_noise(fitted) * batch.scale
    slope = np.exp(best.shape[:, 1])
    at_bound = (slope >= SLOPE_LIMITS[1] * (1 - _BOUND)) | (slope <= SLOPE_LIMITS[0] * (1 + _BOUND))
    dose = dose_test(batch)
    low, high = 10 ** ends[0], 10 ** ends[1]
    return [
        Evidence(
            p_value=float(p_value[i]),
            relevant_p_value=float(relevant[i]),
            misfit_p_value=float(misfit[i]),
            dose_p_value=float(dose[i]),
            r2=float(1.0 - best.rss[i] / total[i]),
            effect=float(change[i]),
            noise=float(noise[i]),
            full_scale=None if case.full_scale is None else abs(case.full_scale),
            least_effect=case.least_effect,
            ec50=float(10 ** place[i]),
            ec50_low=float(low[i]),
            ec50_high=float(high[i]),
            tested_low=case.known["tested_low"],
            tested_high=case.known["tested_high"],
            start=float(start[i]),
            end=float(end[i]),
            slope_at_bound=bool(at_bound[i]),
        )
        for i, case in enumerate(cases)
    ]


def _location(linear: Floats, evidence: Evidence, has_zero: bool) -> dict[str, Any]:
    """Asymptotes and EC50; what lies outside the tested range has one end, or is not given at all."""
    bottom, top = (float(value) for value in linear)
    if evidence.ec50 > evidence.tested_high:
        return {"bottom": bottom, "top": np.nan, "ec50_low": evidence.ec50_low, "ec50_high": np.inf}
    if evidence.ec50 < evidence.tested_low:
        known = bottom if has_zero else np.nan
        return {"bottom": known, "top": top, "ec50_low": 0.0, "ec50_high": evidence.ec50_high}
    ends = {"ec50_low": evidence.ec50_low, "ec50_high": evidence.ec50_high}
    return {"bottom": bottom, "top": top, "ec50": evidence.ec50} | ends


def describe_constant(design: Design, response: Floats, level: float) -> list[dict[str, Any]]:
    """Describe flat lines through the averages, with their bands."""
    fitted = fit_model(Constant(), design, response, None, level)
    threshold = fitted.threshold
    return [
        {
            "bottom": float(fitted.linear[i, 0]),
            "top": float(fitted.linear[i, 0]),
            "p_value": 1.0,
            "rmse": float(np.sqrt(fitted.best.rss[i] / design.total) * fitted.batch.scale[i]),
            "r2": 0.0,
            "model": "constant",
            "_curve": Curve(
                fitted.problem,
                fitted.batch[i : i + 1],
                fitted.best[i : i + 1],
                float(threshold[i]),
                (np.nan, np.nan),
            ),
        }
        for i in range(len(response))
    ]


def _bells(fits: list[HillFit], sigmoids: Fitted, limits: Floats | None) -> list[HillFit]:
    """Replace the fits of curves that rise and fall within the tested range."""
    design, batch = sigmoids.batch.design, sigmoids.batch
    total = batch.total + batch.within
    wells = np.flatnonzero(sigmoids.best.rss > (1 - _GOOD_R2) * total)
    if not len(wells) or len(design.tested) < 5:  # parameters of a bell
        return fits
    bells = fit_batch(GainLoss(), batch[wells], None if limits is None else limits[wells], sigmoids.level)
    better = aicc(bells.best.rss, design.total, bells.parameters) + _BELL_MARGIN < aicc(
        sigmoids.best.rss[wells], design.total, sigmoids.parameters
    )
    p_value = bells.p_value
    noise = well_noise(sigmoids)[wells]
    size = np.abs(bells.best.linear[:, 1] - bells.best.linear[:, 0])
    shape = bells.best.shape
    fall = GainLoss().descent(0.5, *shape.T)
    peak = bells.share[:, design.level] > 0.5
    seen = (peak & np.isfinite(design.log_c[design.level])).sum(axis=1) >= 2
    chosen = better & (p_value < _BELL_SIGNIFICANCE) & (size > 3 * noise) & (fall < design.tested[-1]) & seen
    index = np.flatnonzero(chosen)
    if not len(index):
        return fits
    result = list(fits)
    described = _describe_bells(bells[index], p_value[index])
    for i, numbers in zip(wells[index], described, strict=True):
        known = {name: getattr(fits[i], name) for name in _KNOWN}
        result[i] = HillFit(**(known | numbers))
    return result


_KNOWN = ("n_wells", "n_zero", "n_missing", "n_concentrations", "tested_low", "tested_high", "deviating", "level")


def _describe_bells(bells: Fitted, p_value: Floats) -> list[dict[str, Any]]:
    threshold = bells.threshold
    rise, rise_ends = bells.location()
    fall, fall_ends = bells.location(falling=True)
    design, batch = bells.batch.design, bells.batch
    said = Verdict("bell-shaped", "rises_and_falls", "")
    described = []
    for i in range(len(batch)):
        bottom, peak = (float(value) for value in bells.linear[i])
        ends = (float(bells.survey.grid.axes[0].low), float(bells.survey.grid.axes[0].high))
        flanks = f"{10 ** rise[i]:.3g} and {10 ** fall[i]:.3g}"
        note = f"the response peaks between {flanks} and returns at higher concentrations"
        described.append(
            {
                "ec50": float(10 ** rise[i]),
                "ec50_low": float(10 ** rise_ends[0, i]),
                "ec50_high": float(10 ** rise_ends[1, i]),
                "ec50_fall": float(10 ** fall[i]),
                "ec50_fall_low": float(10 ** fall_ends[0, i]),
                "ec50_fall_high": float(10 ** fall_ends[1, i]),
                "hill_slope": float(np.exp(bells.best.shape[i, 2])),
                "bottom": bottom,
                "top": peak,
                "category": said.category,
                "code": said.code,
                "note": note,
                "p_value": float(p_value[i]),
                "rmse": float(np.sqrt(bells.best.rss[i] / design.total) * batch.scale[i]),
                "r2": float(1 - bells.best.rss[i] / (batch.total[i] + batch.within[i])),
                "model": "gain-loss",
                "_curve": Curve(
                    bells.problem[i : i + 1], batch[i : i + 1], bells.best[i : i + 1], float(threshold[i]), ends
                ),
            }
        )
    return described
