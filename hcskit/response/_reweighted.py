"""Fits by other losses than the sum of squares: the same search again and again, with new weights for the wells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from hcskit.response._design import Design
from hcskit.response._group import Fitted, fit_model
from hcskit.response._model import CurveModel, Floats

__all__ = ["LOSSES", "Rule", "binomial_weights", "fit_reweighted"]

_ROUNDS = 60
_SETTLED = 1e-8  # change of a weight, of the largest, at which the search ends
_LEAST = 1e-6  # weight that is left to a well, so that its concentration is still one
_TUKEY = 4.685  # 95 % efficiency with gaussian noise
_STUDENT = 4.0  # degrees of freedom (Lange, Little & Taylor, J. Am. Stat. Assoc. 84:881, 1989)
_NORMAL = 1.4826

#: Weights of the wells from their residuals.
Rule = Callable[[Floats, Floats], Floats]


def _tukey(residual: Floats, value: Floats) -> Floats:
    del value
    scale = _NORMAL * np.median(np.abs(residual))
    return np.asarray(np.clip(1 - (residual / (_TUKEY * scale)) ** 2, 0, None) ** 2) if scale > 0 else _ones(residual)


def _student_t(residual: Floats, value: Floats) -> Floats:
    del value
    weight = _ones(residual)
    for _ in range(_ROUNDS):  # the scale and the weights depend on each other
        scale = np.mean(weight * residual**2)
        if scale == 0:
            return _ones(residual)
        weight = (_STUDENT + 1) / (_STUDENT + residual**2 / scale)
    return weight


def _ones(residual: Floats) -> Floats:
    return np.ones(len(residual))


#: How a robust loss weighs wells. Tukey's biweight gives far wells none (Beaton & Tukey, Technometrics 16:147, 1974).
LOSSES: Mapping[str, Rule] = MappingProxyType({"tukey": _tukey, "student-t": _student_t})


def binomial_weights(trials: Floats) -> Rule:
    """Weigh each share by the inverse of its variance, ``n / (p (1 - p))``: the maximum of the binomial likelihood."""

    def rule(residual: Floats, value: Floats) -> Floats:
        del residual
        least = 0.5 / (trials + 1)
        p = np.clip(value, least, 1 - least)
        return np.asarray(trials / (p * (1 - p)))

    return rule


def fit_reweighted(
    model: CurveModel,
    concentration: Floats,
    plate: NDArray[np.int64],
    response: Floats,
    weight: Floats,
    rule: Rule | None,
    limits: Floats | None,
    level: float,
    fixed: int,
) -> Fitted:
    """Fit one curve, with new weights until they settle (iteratively reweighted least squares).

    Each round finds the best of all curves for its weights, so that no local optimum is the end of it. Weights are
    relative: they are scaled to an average of one.
    """
    own = weight
    fitted = _fit(model, concentration, plate, response, own, limits, level, fixed)
    for _ in range(_ROUNDS if rule is not None else 0):
        design, batch = fitted.batch.design, fitted.batch
        value = (fitted.best.linear @ fitted.problem.basis(fitted.best.shape)[:, 0])[0]
        offset = batch.mean[0] - batch.target[0] / np.sqrt(design.weight)
        curve = ((value + offset) * batch.scale[0] + batch.average[0])[design.level]
        before, own = own, weight * rule(response - curve, curve)  # type: ignore[misc]
        own = np.maximum(own / own.mean() * weight.mean(), _LEAST)
        if np.abs(own - before).max() < _SETTLED * own.max():
            break
        fitted = _fit(model, concentration, plate, response, own, limits, level, fixed)
    return fitted


def _fit(
    model: CurveModel,
    concentration: Floats,
    plate: NDArray[np.int64],
    response: Floats,
    weight: Floats,
    limits: Floats | None,
    level: float,
    fixed: int,
) -> Fitted:
    return fit_model(model, Design.of(concentration, plate, weight), response[None], limits, level, fixed)
