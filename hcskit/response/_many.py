"""Many curves of different designs: sorted into groups that are fitted together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcskit.response._category import LEAST_EFFECT
from hcskit.response._design import Design, shared_design
from hcskit.response._group import Fitted
from hcskit.response._model import Floats
from hcskit.response._points import MINIMUM_CONCENTRATIONS
from hcskit.response._result import HillFit
from hcskit.response._shared import NOTHING, SharedNoise, shared_noise
from hcskit.response._sigmoid import Case, describe, describe_constant, solve
from hcskit.response._wells import deviating

__all__ = ["Task", "fit_many"]

_MINIMUM_WELLS = 5
_SHAPE = 3  # parameters of a curve beside the level of each plate
_ROUNDING = 1e-9  # degrees of freedom that are none
_SIGNIFICANCE = 0.05  # of the effects of curves that tell a common noise, over all of them
_CONSTANT = 1e-12  # relative differences below this are rounding
_MOST_DEVIATING = 3  # wells that are left out of one curve at most ...
_DEVIATING_SHARE = 0.1  # ... and which share of them


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One curve to fit.

    Attributes
    ----------
    concentration, response : ndarray of float, shape (well,)
        A response may be NaN.
    plate : ndarray of int, shape (well,)
        Plate of each well.
    networks : ndarray of float, shape (network, well)
        What each network reads.
    full_scale : float or None
        Change of the response in the positive controls.
    limits : tuple of float
        Range of the readout.
    least_effect : float
        Share of the full scale below which an effect does not count.
    top : float or None
        Where the curve is to end, whatever the wells say.
    left_out : tuple of int
        Wells that deviate.
    peers : hashable, optional
        What curves have in common that share their noise; without it a curve stands by itself.
    """

    concentration: Floats
    response: Floats
    plate: NDArray[np.int64]
    networks: Floats
    full_scale: float | None
    limits: tuple[float, float]
    least_effect: float = LEAST_EFFECT
    top: float | None = None
    left_out: tuple[int, ...] = ()
    peers: Hashable = None
    order: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        usable = np.isfinite(self.response)
        usable[list(self.left_out)] = False
        wells = np.flatnonzero(usable)
        order = np.lexsort((self.plate[wells], self.concentration[wells]))
        object.__setattr__(self, "order", wells[order])

    @property
    def tested(self) -> Floats:
        """Distinct concentrations above zero of usable wells."""
        own = self.concentration[self.order]
        return np.unique(own[own > 0])

    def known(self, level: float) -> dict[str, Any]:
        """Return what can be said before anything is fitted."""
        own, tested = self.concentration[self.order], self.tested
        return {
            "n_wells": int((own > 0).sum()),
            "n_zero": int((own == 0).sum()),
            "n_missing": int(np.isnan(self.response).sum()),
            "n_concentrations": len(tested),
            "tested_low": float(tested[0]) if len(tested) else np.nan,
            "tested_high": float(tested[-1]) if len(tested) else np.nan,
            "deviating": self.left_out,
            "level": level,
        }


def fit_many(tasks: Iterable[Task], level: float) -> list[HillFit]:
    """Fit every task; a fault of one curve never keeps the others from being fitted."""
    tasks = list(tasks)
    fits: dict[int, HillFit] = {}
    solved: list[_Group] = []
    waiting = dict(enumerate(tasks))
    while waiting:
        for number, task in list(waiting.items()):
            fit = _without_curve(task, level)
            if fit is not None:
                fits[number] = fit
                del waiting[number]
        suspects: dict[int, Task] = {}
        for numbers in _groups(waiting):
            own = [waiting[number] for number in numbers]
            worst = _worst(own)
            sound = [i for i, well in enumerate(worst) if well < 0]
            for i, well in enumerate(worst):
                if well >= 0:
                    suspects[numbers[i]] = replace(own[i], left_out=(*own[i].left_out, int(well)))
            if sound:
                solved.append(_solve({numbers[i]: own[i] for i in sound}, level))
        waiting = suspects
    shared = _shared(tasks, solved)
    for group in solved:
        fits |= group.fits(shared)
    return _confirmed([fits[number] for number in range(len(tasks))], tasks, level)


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Tasks with the same wells, by number, and their best curves."""

    numbers: list[int]
    cases: list[Case]
    fitted: Fitted

    def fits(self, shared: list[SharedNoise]) -> dict[int, HillFit]:
        own = [shared[number] for number in self.numbers]
        return dict(zip(self.numbers, describe(self.cases, self.fitted, own), strict=True))


def _solve(tasks: dict[int, Task], level: float) -> _Group:
    cases = [_case(task, level) for task in tasks.values()]
    return _Group(list(tasks), cases, solve(cases, _design(next(iter(tasks.values()))), level))


def _shared(tasks: list[Task], solved: list[_Group]) -> list[SharedNoise]:
    """Return for each task the noise that it shares with its peers, as those with a sure effect tell it.

    Wells without an effect are often less noisy than those on a slope, which decide an EC50.
    """
    told: dict[Hashable, dict[int, tuple[float, float, float]]] = defaultdict(dict)
    for group in solved:
        fitted = group.fitted
        deviation = np.sqrt(fitted.variance) * fitted.batch.scale
        p_value = fitted.p_value
        for i, number in enumerate(group.numbers):
            told[tasks[number].peers][number] = (p_value[i], deviation[i], fitted.freedom[i])
    known: dict[Hashable, SharedNoise] = {}
    for peers, rows in told.items():
        p_value, deviation, freedom = np.array([rows[number] for number in sorted(rows)]).T
        sure = p_value * len(p_value) < _SIGNIFICANCE
        known[peers] = NOTHING if peers is None else shared_noise(deviation[sure], freedom[sure])
    return [known.get(task.peers, NOTHING) for task in tasks]


def _without_curve(task: Task, level: float) -> HillFit | None:
    count, wells = len(task.tested), len(task.order)
    known = task.known(level)
    if count < MINIMUM_CONCENTRATIONS or wells < _MINIMUM_WELLS:
        note = (
            f"{count} concentration(s) in {wells} well(s) cannot show a curve; "
            f"it takes {MINIMUM_CONCENTRATIONS} concentrations and {_MINIMUM_WELLS} wells"
        )
        return HillFit(category="not fitted", code="too_few", note=note, **known)
    design = _design(task)
    levels, plates = len(design.weight), 1 + len(design.offsets)
    spare = design.total - plates - _SHAPE + (task.top is not None)
    if levels - plates < MINIMUM_CONCENTRATIONS - 1 or spare <= _ROUNDING:
        note = (
            f"{count} concentrations in {wells} wells on {plates} plates cannot tell a curve from what the plates "
            "differ by; it takes negative controls, or more of the concentrations, on each plate"
        )
        return HillFit(category="not fitted", code="too_few", note=note, **known)
    response = task.response[task.order]
    if np.ptp(response) <= _CONSTANT * np.abs(response).max():
        constant = describe_constant(design, response[None], level)[0]
        note = "all wells gave the same response"
        return HillFit(category="inactive", code="constant", note=note, **constant, **known)
    return None


def _groups(tasks: dict[int, Task]) -> list[list[int]]:
    """Return the numbers of tasks that have the same wells."""
    groups: dict[tuple[bytes, bytes, bool, bool], list[int]] = defaultdict(list)
    for number, task in tasks.items():
        key = (task.concentration[task.order].tobytes(), task.plate[task.order].tobytes())
        groups[*key, bool(np.isfinite(task.limits).any()), task.top is not None].append(number)
    return list(groups.values())


def _design(task: Task) -> Design:
    return shared_design(task.concentration[task.order], task.plate[task.order])


def _case(task: Task, level: float) -> Case:
    return Case(
        task.response[task.order],
        task.networks[:, task.order],
        task.full_scale,
        task.limits,
        task.top,
        task.least_effect,
        task.known(level),
    )


def _worst(tasks: list[Task]) -> list[int]:
    """Return for each task the well to leave out, or -1."""
    first = tasks[0]
    concentration, plate = first.concentration[first.order], first.plate[first.order]
    response = np.stack([task.response[task.order] for task in tasks])
    for own in np.unique(plate)[1:] if len(np.unique(plate)) > 1 else ():
        bases = [np.flatnonzero((plate == name) & (concentration == 0)) for name in (plate.min(), own)]
        if not all(len(base) for base in bases):
            return [-1] * len(tasks)  # nothing tells how the plates differ
        shift = np.median(response[:, bases[1]], axis=1) - np.median(response[:, bases[0]], axis=1)
        response[:, plate == own] -= shift[:, None]
    found = deviating(concentration, response)
    allowed = [
        len(task.left_out) < min(_MOST_DEVIATING, _DEVIATING_SHARE * (len(task.order) + len(task.left_out)))
        for task in tasks
    ]
    return [
        int(task.order[well]) if well >= 0 and may else -1
        for task, well, may in zip(tasks, found, allowed, strict=True)
    ]


def _confirmed(fits: list[HillFit], tasks: list[Task], level: float) -> list[HillFit]:
    """Look again, without it, at every effect that only one well shows."""
    alone = {}
    for number, (fit, task) in enumerate(zip(fits, tasks, strict=True)):
        well = _only_witness(fit, task)
        if well is not None:
            alone[number] = (well, replace(task, left_out=(*fit.deviating, well)))
    if not alone:
        return fits
    again = _refitted([task for _, task in alone.values()], level)
    result = list(fits)
    for (number, (well, task)), without in zip(alone.items(), again, strict=True):
        where = task.concentration[well]
        if without.category in ("inactive", "not fitted"):
            note = f"one well alone, at {where:g}, shows an effect; repeat it: {fits[number].note}"
            result[number] = replace(fits[number], category="unconfirmed", code="single_well", note=note)
    return result


def _refitted(tasks: list[Task], level: float) -> list[HillFit]:
    fits: dict[int, HillFit] = {}
    waiting = dict(enumerate(tasks))
    for number, task in list(waiting.items()):
        fit = _without_curve(task, level)
        if fit is not None:
            fits[number] = fit
            del waiting[number]
    for numbers in _groups(waiting):
        fits |= _solve({number: waiting[number] for number in numbers}, level).fits([NOTHING] * len(tasks))
    return [fits[number] for number in range(len(tasks))]


def _only_witness(fit: HillFit, task: Task) -> int | None:
    """Return the one treated well that is past half of the effect, if there is only one."""
    if fit.category in ("inactive", "not fitted", "bell-shaped"):
        return None
    wells = task.order[~np.isin(task.order, fit.deviating)]
    treated = wells[task.concentration[wells] > 0]
    ends = [0.0 if fit.n_zero else fit.tested_low, fit.tested_high]
    start, end, *value = fit.curve(np.append(ends, task.concentration[treated]))
    past = treated[(np.array(value) - start) / (end - start) > 0.5]
    return int(past[0]) if len(past) == 1 else None
