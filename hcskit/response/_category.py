"""What a curve means to a biologist: active, partial, inactive, or outside the tested range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["CATEGORIES", "EFFECTS", "Evidence", "judge"]

#: The categories of a fit. ``not fitted`` is for data that cannot show a curve at all.
CATEGORIES = ("active", "partial", "inactive", "outside the tested range", "not fitted")
#: The categories in which a compound does something.
EFFECTS = ("active", "partial", "outside the tested range")

_SIGNIFICANCE = 0.05
_NOISE_MULTIPLE = 3.0  # the customary hit threshold; Zhang, Chung & Oldenburg, J. Biomol. Screen. 4:67 (1999)
_LEAST_SHARE = 0.1  # of the positive controls' effect: less is no effect worth naming
_PARTIAL_SHARE = 0.5  # of the positive controls' effect: less is a partial effect
_COMPLETE = 0.8  # share of the way to an asymptote that counts as having reached it
_WIDEST = 30.0  # an interval that spans more than this factor says little about the EC50
_POOR_FIT = 0.01  # significance at which replicates contradict the shape of the curve ...
_POOR_R2 = 0.9  # ... provided that the curve leaves enough unexplained to be seen by eye


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a category depends on.

    Attributes
    ----------
    p_value : float
        Of the F-test of the curve against a constant.
    misfit_p_value : float
        Of the F-test of the concentrations' means against the curve; NaN without replicates.
    r2 : float
        Share of variance explained.
    effect : float
        Change of the response over the tested concentrations, zero included where there are wells at zero.
    noise : float
        Standard deviation of a well without compound.
    full_scale : float or None
        Change of the response in the positive controls.
    ec50, ec50_low, ec50_high : float
        Estimate and interval.
    tested_low, tested_high : float
        Lowest and highest concentration above zero.
    start, end : float
        Share of the way from bottom to top, at the lowest (zero included) and highest concentration.
    """

    p_value: float
    misfit_p_value: float
    r2: float
    effect: float
    noise: float
    full_scale: float | None
    ec50: float
    ec50_low: float
    ec50_high: float
    tested_low: float
    tested_high: float
    start: float
    end: float


def judge(evidence: Evidence) -> tuple[str, str]:
    """Return the category and why, in a sentence or two."""
    reason = _why_inactive(evidence)
    if reason:
        return "inactive", reason
    shape = _shape(evidence)
    if evidence.ec50 > evidence.tested_high:
        return "outside the tested range", f"the EC50 lies above the highest tested concentration; test higher{shape}"
    if evidence.ec50 < evidence.tested_low:
        return "outside the tested range", f"the EC50 lies below the lowest tested concentration; test lower{shape}"
    reasons = _why_partial(evidence)
    if reasons:
        return "partial", "; ".join(reasons) + shape
    return "active", f"complete curve within the tested range{shape}"


def _why_inactive(evidence: Evidence) -> str:
    size = abs(evidence.effect)
    if not evidence.p_value < _SIGNIFICANCE:
        return f"a curve explains the wells no better than no effect (p = {evidence.p_value:.2g})"
    if size < _NOISE_MULTIPLE * evidence.noise:
        return f"the response changes by less than {_NOISE_MULTIPLE:g} standard deviations of untreated wells"
    if evidence.full_scale is not None and size < _LEAST_SHARE * evidence.full_scale:
        return f"the response changes by less than {_LEAST_SHARE:.0%} of the positive controls' effect"
    return ""


def _why_partial(evidence: Evidence) -> list[str]:
    reasons = []
    if evidence.end < _COMPLETE:
        reasons.append("the response is still changing at the highest tested concentration")
    if evidence.start > 1 - _COMPLETE:
        reasons.append("the response has already changed at the lowest tested concentration, and no control shows more")
    if evidence.full_scale is not None and abs(evidence.effect) < _PARTIAL_SHARE * evidence.full_scale:
        reasons.append(f"the effect is {abs(evidence.effect) / evidence.full_scale:.0%} of the positive controls'")
    if not np.isfinite(evidence.ec50_high) or evidence.ec50_high > _WIDEST * evidence.ec50_low:
        reasons.append("the wells vary too much, or too few lie on the slope, to pin down the EC50")
    return reasons


def _shape(evidence: Evidence) -> str:
    if evidence.misfit_p_value < _POOR_FIT and evidence.r2 < _POOR_R2:
        return "; the replicates agree with each other but not with a sigmoid, look at the curve"
    return ""
