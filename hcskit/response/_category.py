"""What a curve means to a biologist: active, partial, inactive, or outside the tested range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["CATEGORIES", "CODES", "EFFECTS", "LEAST_EFFECT", "Evidence", "Verdict", "judge"]

#: The categories of a fit. ``unconfirmed`` rests on a single well; ``not fitted`` is for data that cannot show a curve.
CATEGORIES = (
    "active",
    "partial",
    "inactive",
    "outside the tested range",
    "not fitted",
    "bell-shaped",
    "unconfirmed",
)

#: The categories in which a compound does something.
EFFECTS = ("active", "partial", "outside the tested range", "bell-shaped")

#: Why a fit is in its category, for programs: the first reason that holds.
CODES = {
    "complete": "active: complete curve within the tested range",
    "incomplete": "partial: still changing at the highest concentration",
    "already_changed": "partial: already changed at the lowest concentration, and no control shows more",
    "weak": "partial: less than half of the positive controls' effect",
    "imprecise": "partial: the EC50's interval is open or wider than a factor of 30",
    "rises_and_falls": "bell-shaped: the response returns at higher concentrations",
    "above_range": "outside the tested range: EC50 above the highest concentration",
    "below_range": "outside the tested range: EC50 below the lowest concentration",
    "single_well": "unconfirmed: without one well there is no effect",
    "no_curve": "inactive: a curve explains the wells no better than a constant",
    "within_noise": "inactive: change below three standard deviations of untreated wells",
    "below_full_scale": "inactive: change not surely above the least that counts, a tenth of the positive controls'",
    "constant": "inactive: all wells gave the same response",
    "too_few": "not fitted: too few concentrations or wells",
}

#: Share of the positive controls' effect that an effect has to exceed to count.
LEAST_EFFECT = 0.1

_SIGNIFICANCE = 0.05
_NOISE_MULTIPLE = 3.0  # the customary hit threshold; Zhang, Chung & Oldenburg, J. Biomol. Screen. 4:67 (1999)
_PARTIAL_SHARE = 0.5  # of the positive controls' effect: less is a partial effect
_COMPLETE = 0.8  # share of the way to an asymptote that counts as having reached it
_WIDEST = 30.0  # an interval that spans more than this factor says little about the EC50
_POOR_FIT = 0.01  # significance at which replicates contradict the shape of the curve ...
_POOR_R2 = 0.9  # ... provided that the curve leaves enough unexplained to be seen by eye
_SUSPICIOUS = 0.001  # significance at which one dose differs from the controls although no curve does


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a category depends on.

    Attributes
    ----------
    p_value : float
        Of the F-test of the curve against a constant.
    relevant_p_value : float
        Of the test whether the effect is larger than the least that counts; NaN without positive controls.
    misfit_p_value : float
        Of the F-test of the concentrations' means against the curve; NaN without replicates.
    dose_p_value : float
        Of the dose whose mean differs most from the wells at zero, corrected for the number of doses; NaN if unknown.
    r2 : float
        Share of variance explained.
    effect : float
        Change of the response over the tested concentrations, zero included where there are wells at zero.
    noise : float
        Standard deviation of a well without compound.
    full_scale : float or None
        Change of the response in the positive controls.
    least_effect : float
        Share of it that is the least that counts.
    ec50, ec50_low, ec50_high : float
        Estimate and interval.
    tested_low, tested_high : float
        Lowest and highest concentration above zero.
    start, end : float
        Share of the way from bottom to top, at the lowest (zero included) and highest concentration.
    slope_at_bound : bool
        Whether the slope is the steepest or the flattest allowed.
    """

    p_value: float
    relevant_p_value: float
    misfit_p_value: float
    dose_p_value: float
    r2: float
    effect: float
    noise: float
    full_scale: float | None
    least_effect: float
    ec50: float
    ec50_low: float
    ec50_high: float
    tested_low: float
    tested_high: float
    start: float
    end: float
    slope_at_bound: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """A category, the code of the first reason, and all reasons in plain words."""

    category: str
    code: str
    note: str


def judge(evidence: Evidence) -> Verdict:
    """Return what a sigmoid means."""
    code, reason = _why_inactive(evidence)
    if code:
        return Verdict("inactive", code, reason + _doubt(evidence))
    shape = _shape(evidence)
    outside = "outside the tested range"
    if evidence.ec50 > evidence.tested_high:
        note = f"the EC50 lies above the highest tested concentration; test higher{shape}"
        return Verdict(outside, "above_range", note)
    if evidence.ec50 < evidence.tested_low:
        note = f"the EC50 lies below the lowest tested concentration; test lower{shape}"
        return Verdict(outside, "below_range", note)
    reasons = _why_partial(evidence)
    if reasons:
        return Verdict("partial", next(iter(reasons)), "; ".join(reasons.values()) + shape)
    return Verdict("active", "complete", f"complete curve within the tested range{shape}")


def _why_inactive(evidence: Evidence) -> tuple[str, str]:
    size = abs(evidence.effect)
    if not evidence.p_value < _SIGNIFICANCE:
        return "no_curve", f"a curve explains the wells no better than no effect (p = {evidence.p_value:.2g})"
    if size < _NOISE_MULTIPLE * evidence.noise:
        return (
            "within_noise",
            f"the response changes by less than {_NOISE_MULTIPLE:g} standard deviations of untreated wells",
        )
    if evidence.full_scale is not None and not evidence.relevant_p_value < _SIGNIFICANCE:
        return (
            "below_full_scale",
            f"the effect is {size / evidence.full_scale:.0%} of the positive controls', and not surely above "
            f"{evidence.least_effect:.0%} (p = {evidence.relevant_p_value:.2g})",
        )
    return "", ""


def _doubt(evidence: Evidence) -> str:
    """Say what speaks against "inactive": no effect may be lost in silence."""
    doubts = ""
    if evidence.misfit_p_value < _POOR_FIT:
        doubts += "; but the replicates agree with each other and not with the curve, look at it"
    if evidence.dose_p_value < _SUSPICIOUS:
        doubts += (
            f"; but one concentration differs from the untreated wells (p = {evidence.dose_p_value:.1g}), look at it"
        )
    return doubts


def _why_partial(evidence: Evidence) -> dict[str, str]:
    reasons = {}
    if evidence.end < _COMPLETE:
        reasons["incomplete"] = "the response is still changing at the highest tested concentration"
    if evidence.start > 1 - _COMPLETE:
        reasons["already_changed"] = (
            "the response has already changed at the lowest tested concentration, and no control shows more"
        )
    if evidence.full_scale is not None and abs(evidence.effect) < _PARTIAL_SHARE * evidence.full_scale:
        share = abs(evidence.effect) / evidence.full_scale
        reasons["weak"] = f"the effect is {share:.0%} of the positive controls'"
    if not np.isfinite(evidence.ec50_high) or evidence.ec50_high > _WIDEST * evidence.ec50_low:
        reasons["imprecise"] = "the wells vary too much, or too few lie on the slope, to pin down the EC50"
    return reasons


def _shape(evidence: Evidence) -> str:
    said = ""
    if evidence.misfit_p_value < _POOR_FIT and evidence.r2 < _POOR_R2:
        said += "; the replicates agree with each other but not with a sigmoid, look at the curve"
    if evidence.slope_at_bound:
        said += "; the slope is at the limit of the slopes tried: the wells do not determine it"
    return said
