"""Many curves of one design, with any model: arrays in, labelled Dataset out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from hcskit.errors import InputError
from hcskit.response._design import Design, shared_design
from hcskit.response._group import Fitted, aicc, fit_model
from hcskit.response._model import CurveModel, Floats
from hcskit.response._registry import get_curve
from hcskit.response._reweighted import LOSSES, Rule, binomial_weights, fit_reweighted

__all__ = ["fit_curves"]

_CHECKED = np.array([-np.inf, -1.0, 0.0, 0.7, 2.0])  # log10 concentrations at which a model's basis is looked at
_ROUNDING = 1e-9
_BLOCK = 4000  # curves that are fitted together, so that more curves take no more memory


def fit_curves(
    concentration: ArrayLike,
    response: ArrayLike,
    *,
    models: Sequence[str | CurveModel] = ("hill",),
    plate: ArrayLike | None = None,
    limits: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    shares: Sequence[float] = (0.5,),
    level: float = 0.95,
    weights: ArrayLike | None = None,
    trials: ArrayLike | None = None,
    loss: Literal["squares", "tukey", "student-t"] = "squares",
) -> xr.Dataset:
    """Fit one or several curve models to many curves that share their concentrations, and choose among the models.

    Parameters
    ----------
    concentration : array-like, shape (well,)
        Zero or above, in one unit.
    response : array-like, shape (curve, well)
        Finite.
    models : sequence of str or CurveModel
        Names of `list_curves`, or models.
    plate : array-like, shape (well,), optional
        Which plate each well is on. Each plate then has its own level.
    limits : mapping of str to (float, float), optional
        Lowest and highest value of linear parameters by name, for all curves or of shape (curve,). Two equal values fix
        the parameter: a Hill curve with ``limits={"bottom": (0, 0)}`` has three parameters.
    shares : sequence of float
        For which shares of the way from the first to the last linear parameter to give the concentration: 0.5 for the
        EC50, 0.1 for the EC10.
    level : float
        Confidence level of the intervals.
    weights : array-like, shape (well,) or (curve, well), optional
        Of the wells, above zero, relative to each other: the inverse of their variances. Without, all treated wells
        weigh the same, and all at zero concentration together as much as one tested concentration.
    trials : array-like, shape (well,) or (curve, well), optional
        Cells of each well, where the response is the share of them that is affected. The curve then is that of the
        largest binomial likelihood; the intervals take the variance as the wells show it.
    loss : {"squares", "tukey", "student-t"}
        What is least: the sum of squares, Tukey's biweight (Beaton & Tukey, Technometrics 16:147, 1974), or minus the
        log-likelihood of Student's t with four degrees of freedom (Lange et al., J. Am. Stat. Assoc. 84:881, 1989).
        Weights, trials and other losses fit curve by curve, which takes longer.

    Returns
    -------
    xarray.Dataset
        Dimensions model, curve, share, parameter and end (low, high). Variables: ``estimate`` (model, curve,
        parameter), the linear ones in the unit of the response, those of the shape as the model has them;
        ``effective_concentration`` (model, curve, share) and its ``interval`` (model, curve, share, end), in the unit
        of the concentration, NaN where the model has no location; ``rss`` (model, curve); ``aicc`` (model, curve);
        ``best`` (curve), the model of lowest AICc.

    Raises
    ------
    InputError
        If shapes do not fit, a response is not finite, a model does not keep to its contract, a limit is given for a
        parameter that no model has, or weights, trials or loss make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> from hcskit.response import hill
    >>> c = np.geomspace(1, 1000, 8)
    >>> found = fit_curves(c, [hill(c, 0, 1, 30, 2), 0 * c + 0.5 + 0.01 * np.sin(7 * c)], models=["hill", "constant"])
    >>> found["best"].values.tolist()
    ['hill', 'constant']
    >>> round(float(found["effective_concentration"].sel(model="hill", curve=0, share=0.5)), 3)
    30.0
    """
    wells = _wells(concentration, response, plate)
    chosen = [get_curve(model) if isinstance(model, str) else model for model in models]
    known = dict(limits or {})
    unknown = set(known) - {name for model in chosen for name in model.linear}
    if unknown:
        raise InputError(f"limits are given for {', '.join(sorted(unknown))}, which no model has as linear parameter")
    weight, rules = _weighing(wells, weights, trials, loss)
    found = []
    for model in chosen:
        _check(model, wells.design)
        bounds, fixed = _bounds(model, known, len(wells.response))
        fits = _fits(model, wells, weight, rules, bounds, level, fixed)
        described = [_described(fit, shares, fit.batch.design.total) for fit in fits]
        found.append(xr.concat(described, dim="curve"))
    return xr.concat(found, dim="model", join="outer", data_vars="all").pipe(_with_best)


def _fits(
    model: CurveModel,
    wells: _Wells,
    weight: Floats | None,
    rules: list[Rule | None],
    bounds: Floats | None,
    level: float,
    fixed: int,
) -> Iterator[Fitted]:
    """Yield fits of blocks of curves, or of each curve where wells are weighed."""
    y, size = wells.response, _BLOCK if weight is None else 1
    for block in (slice(i, i + size) for i in range(0, len(y), size)):
        limits = None if bounds is None else bounds[block]
        if weight is None:
            yield fit_model(model, wells.design, y[block], limits, level, fixed)
        else:
            c, own, i = wells.concentration, wells.plate, block.start
            yield fit_reweighted(model, c, own, y[i], weight[i], rules[i], limits, level, fixed)


@dataclass(frozen=True, slots=True, eq=False)
class _Wells:
    """Checked arrays: concentration and plate of shape (well,), response of shape (curve, well)."""

    concentration: Floats
    response: Floats
    plate: NDArray[np.int64]

    @property
    def design(self) -> Design:
        return shared_design(self.concentration, self.plate)


def _wells(concentration: ArrayLike, response: ArrayLike, plate: ArrayLike | None) -> _Wells:
    c, y = np.asarray(concentration, dtype=float), np.atleast_2d(np.asarray(response, dtype=float))
    if c.ndim != 1 or y.shape[1:] != c.shape:
        raise InputError(
            f"concentration has shape {c.shape} and response {y.shape}; expected (well,) and (curve, well)"
        )
    if not (np.isfinite(c) & (c >= 0)).all() or not (c > 0).any():
        raise InputError("a concentration is negative or not finite, or none is above zero")
    if not np.isfinite(y).all():
        curve, well = np.argwhere(~np.isfinite(y))[0]
        raise InputError(f"the response of curve {curve} in well {well} is {y[curve, well]}; expected a finite number")
    labels = np.zeros(len(c)) if plate is None else np.asarray(plate)
    if labels.shape != c.shape:
        raise InputError(f"plate has shape {labels.shape} for {len(c)} wells; expected one label a well")
    return _Wells(c, y, np.unique(labels, return_inverse=True)[1].astype(np.int64))


def _weighing(
    wells: _Wells, weights: ArrayLike | None, trials: ArrayLike | None, loss: str
) -> tuple[Floats | None, list[Rule | None]]:
    """Return first weights of the wells and how each curve changes them; none for plain least squares."""
    if loss != "squares" and loss not in LOSSES:
        raise InputError(f"unknown loss {loss!r}; known: squares, {', '.join(LOSSES)}")
    if trials is not None and loss != "squares":
        raise InputError(
            f"trials and the loss {loss} exclude each other: counts of cells have a likelihood of their own"
        )
    count = len(wells.response)
    if weights is None and trials is None and loss == "squares":
        return None, []
    anchoring = wells.design.well_weight if trials is None else np.ones(len(wells.concentration))
    weight = _positive("weights", anchoring if weights is None else weights, wells.response.shape)
    if weights is not None:
        weight = weight / weight.mean(axis=1, keepdims=True)
    if trials is None:
        return weight, [LOSSES.get(loss)] * count
    counts = _positive("trials", trials, wells.response.shape)
    if (wells.response < 0).any() or (wells.response > 1).any():
        raise InputError("with trials the response is the share of affected cells; expected values from 0 to 1")
    return weight, [binomial_weights(own) for own in counts]


def _positive(name: str, given: ArrayLike, shape: tuple[int, ...]) -> Floats:
    try:
        values = np.broadcast_to(np.asarray(given, dtype=float), shape)
    except ValueError:
        raise InputError(f"{name} have shape {np.shape(given)}; expected (well,) or (curve, well), {shape}") from None
    if not (np.isfinite(values) & (values > 0)).all():
        raise InputError(f"some {name} are not finite numbers above zero")
    return values


def _bounds(
    model: CurveModel, limits: Mapping[str, tuple[ArrayLike, ArrayLike]], count: int
) -> tuple[Floats | None, int]:
    """Return limits of the linear parameters, shape (curve, linear, 2), and how many of these are fixed."""
    own = {name: limits[name] for name in model.linear if name in limits}
    if not own:
        return None, 0
    if len(model.linear) > 2:
        raise InputError(f"the model {model.name} has {len(model.linear)} linear parameters; limits need one or two")
    bounds = np.empty((count, len(model.linear), 2))
    for i, name in enumerate(model.linear):
        for side, end in enumerate(own.get(name, (-np.inf, np.inf))):
            bounds[:, i, side] = np.asarray(end, dtype=float)
    if not (bounds[..., 0] <= bounds[..., 1]).all():
        raise InputError(f"limits {own}; expected the lower one first")
    return bounds, int((bounds[..., 0] == bounds[..., 1]).all(axis=0).sum())


def _check(model: CurveModel, design: Design) -> None:
    """Refuse a model that does not keep to its contract, before it gives wrong numbers."""
    axes = model.axes(float(design.tested[0]), float(design.tested[-1]))
    middle = [np.array([(axis.low + axis.high) / 2]) for axis in axes]
    with np.errstate(over="ignore"):
        basis = np.asarray(model.basis(_CHECKED, *middle))
        moved = model.basis(_CHECKED + 1.0, *(own + (i == 0) for i, own in enumerate(middle)))
    expected = (len(model.linear), len(_CHECKED))
    if basis.shape != expected:
        raise InputError(f"the basis of the model {model.name} has shape {basis.shape}; expected {expected}")
    if len(model.linear) > 2:
        raise InputError(f"the model {model.name} has {len(model.linear)} linear parameters; expected one or two")
    if not np.allclose(basis.sum(axis=0), 1.0, atol=_ROUNDING):
        raise InputError(f"the basis of the model {model.name} does not sum to one at each concentration")
    if axes and not np.allclose(moved, basis, atol=_ROUNDING):
        raise InputError(
            f"the first parameter of the model {model.name} does not move the curve along log10 concentration"
        )


def _described(fit: Fitted, shares: Sequence[float], wells: float) -> xr.Dataset:
    model, axes = fit.problem.model, fit.survey.grid.axes
    count = len(fit.batch)
    place, ends = np.full((count, len(shares)), np.nan), np.full((count, len(shares), 2), np.nan)
    for i, share in enumerate(shares) if axes else ():
        where, interval = fit.location(share)
        place[:, i], ends[:, i] = 10**where, 10**interval.T
    names = [*model.linear, *(axis.name for axis in axes)]
    rss = fit.best.rss * fit.batch.scale**2
    # Of scaled responses, so that it does not depend on the unit: all models of a curve have the same scale.
    criterion = aicc(fit.best.rss, wells, fit.parameters)
    return xr.Dataset(
        {
            "estimate": (("curve", "parameter"), np.column_stack([fit.linear, fit.best.shape])),
            "effective_concentration": (("curve", "share"), place),
            "interval": (("curve", "share", "end"), ends),
            "rss": (("curve",), rss),
            "aicc": (("curve",), criterion),
        },
        coords={"model": model.name, "parameter": names, "share": list(shares), "end": ["low", "high"]},
    )


def _with_best(found: xr.Dataset) -> xr.Dataset:
    names = found["model"].values[found["aicc"].values.argmin(axis=0)]
    return found.assign(best=("curve", names))
