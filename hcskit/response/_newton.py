"""Maximise a smooth function of a few parameters, for many curves at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hcskit.response._model import Floats

__all__ = ["maximise"]

_ROUNDS = 100
_REACH = 0.01  # of a cell: size of the stencil
_FIRST = 100.0  # radius of the first step, in units of the stencil
_SMALLEST = 1e-4  # radius at which the search ends
_FAR = 1000.0  # the farthest that a step may look
_GAIN = 1e-14  # of the function: an improvement that is rounding
_CREEP = 1e-13  # of the function: a step that gains less creeps along a ridge that is all but flat


def maximise(
    function: Callable[[Floats, NDArray[np.int64]], Floats],
    start: Floats,
    low: Floats,
    high: Floats,
    cell: Floats,
    rounds: int = _ROUNDS,
) -> tuple[Floats, Floats]:
    """Climb from each start to the top of its hill, by Newton steps within a trust region.

    Derivatives come from a stencil of function values, so that a curve model need not bring any. Each step goes along
    the principal axes of the curvature and uphill on all of them, which follows narrow ridges that are not aligned
    with the parameters (Dauphin et al., NeurIPS 27:2933, 2014).

    Parameters
    ----------
    function : callable
        Takes points, shape (curve, point, parameter), and which curves these belong to; returns (curve, point).
    start : ndarray of float, shape (curve, parameter)
        Where to start.
    low, high, cell : ndarray of float, shape (parameter,)
        Bounds, and the unit of a step.
    rounds : int
        Largest number of steps.

    Returns
    -------
    place, value : ndarray of float, shape (curve, parameter) and (curve,)
    """
    count, dimension = start.shape
    stencil, pairs = _stencil(dimension)
    reach = _REACH * cell
    place = np.clip(start, low, high)
    everything = np.arange(count)
    value = function(place[:, None, :], everything)[:, 0]
    radius = np.full(count, _FIRST)
    active = everything
    for _ in range(rounds):
        here, before = place[active], value[active]
        around = function(here[:, None, :] + reach * stencil, active) - before[:, None]
        gradient, curvature = _derivatives(around, dimension, pairs)
        held = ((here <= low) & (gradient < 0)) | ((here >= high) & (gradient > 0))
        step, promise, left = _step(gradient, curvature, held, radius[active])
        tried = np.clip(here + step * reach, low, high)
        found = function(tried[:, None, :], active)[:, 0]
        gain = found - before
        place[active] = np.where((gain > 0)[:, None], tried, here)
        value[active] = np.maximum(found, before)
        radius[active] *= np.where(gain > 0.7 * promise, 3.0, np.where(gain > 0.2 * promise, 1.0, 0.25))
        size = np.abs(before)
        creeping = (gain >= 0) & (gain < _CREEP * size)
        active = active[(radius[active] > _SMALLEST) & (left > _GAIN * size) & ~creeping]
        if not len(active):
            break
    return place, value


def _stencil(dimension: int) -> tuple[Floats, list[tuple[int, int]]]:
    """Return points around a centre: both ways along each parameter, and along both of each pair."""
    unit = np.eye(dimension)
    pairs = [(i, j) for i in range(dimension) for j in range(i)]
    points = [sign * unit[i] for sign in (1.0, -1.0) for i in range(dimension)]
    return np.array(points + [sign * (unit[i] + unit[j]) for i, j in pairs for sign in (1.0, -1.0)]), pairs


def _derivatives(around: Floats, dimension: int, pairs: list[tuple[int, int]]) -> tuple[Floats, Floats]:
    """Return gradient and curvature in units of the stencil, of differences from the centre."""
    up, down = around[:, :dimension], around[:, dimension : 2 * dimension]
    curvature = np.zeros((len(around), dimension, dimension))
    curvature[:, range(dimension), range(dimension)] = up + down
    for number, (i, j) in enumerate(pairs):
        both = around[:, 2 * dimension + 2 * number : 2 * dimension + 2 * number + 2].sum(axis=1)
        curvature[:, i, j] = curvature[:, j, i] = (both - curvature[:, i, i] - curvature[:, j, j]) / 2
    return (up - down) / 2, curvature


def _step(
    gradient: Floats, curvature: Floats, held: NDArray[np.bool_], radius: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return the step, the gain that it promises, and what a step of any length would promise.

    A parameter that is pressed against a bound (`held`) stays there.
    """
    gradient = np.where(held, 0.0, gradient)
    curvature = np.where(held[:, :, None] | held[:, None, :], 0.0, curvature)
    values, axes = np.linalg.eigh(curvature)
    along = np.einsum("kij,ki->kj", axes, gradient)
    bend = np.abs(values)
    whole = along / np.maximum(bend, np.finfo(float).tiny)
    move = np.clip(whole, -radius[:, None], radius[:, None])
    promise = (along * move - 0.5 * bend * move**2).sum(axis=1)
    return np.einsum("kij,kj->ki", axes, move), promise, 0.5 * (along * np.clip(whole, -_FAR, _FAR)).sum(axis=1)
