"""Is there a concentration-response at all? A permutation test, exact whatever the distribution of the wells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc
from scipy.stats import median_abs_deviation

from hcskit.response._design import shared_design
from hcskit.response._hill import STEP, GainLoss, Hill, hill
from hcskit.response._model import CurveModel, Floats
from hcskit.response._problem import Problem

__all__ = ["Evidence", "permutation_test"]

_FAR, _ORDINARY = (
    6.0,
    4.0,
)  # standard deviations: a well beyond the first is an accident if no other is beyond the second
_BLOCK = 4_000_000
_POWER_SLOPE = 1.5
_PER_DECADE = 4  # locations at which a curve is sought
_STEEPNESS = np.log([0.6, 1.5, 4.0, STEP])


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the test says of each curve.

    Attributes
    ----------
    p_value : ndarray of float, shape (curve,)
    power : ndarray of float, shape (curve,)
        How probable it is that an effect of the given size would have been found.
    """

    p_value: Floats
    power: Floats


def permutation_test(
    concentration: Floats,
    response: Floats,
    plate: NDArray[np.int64],
    size: Floats,
    rate: float,
    permutations: int,
    rng: np.random.Generator,
) -> Evidence:
    """Test for each curve of one design whether the response depends on the concentration.

    The statistic is the largest share of the variance that a sigmoid or a bell explains. The most extreme well on
    either side counts as the second most extreme one, or as an average one if it is far from all others, so that one
    well alone makes no effect. Under the null hypothesis wells of a plate, the untreated ones among them, may change
    places (Fisher, *The Design of Experiments*, 1935). The p-value is the share of such exchanges that give as large a
    statistic, the data among them (Phipson & Smyth, Stat. Appl. Genet. Mol. Biol. 9:39, 2010). Where none does, it is
    the tail of a beta distribution with the mean and the variance of the exchanges, if that is less (as Knijnenburg et
    al., Bioinformatics 25:i161, 2009, with another tail).

    Parameters
    ----------
    concentration : ndarray of float, shape (well,)
    response : ndarray of float, shape (curve, well)
    plate : ndarray of int, shape (well,)
    size : ndarray of float, shape (curve,)
        Of the effect whose power is asked for, half-way in the middle of the tested range.
    rate : float
        False-positive rate at which the power is asked for.
    permutations : int
        How many exchanges to try.
    rng : numpy.random.Generator
        Where they come from.
    """
    unit, member = _columns(concentration.tobytes(), plate.tobytes())
    centred = _tamed(response, plate)
    order = _orders(plate, permutations, rng)
    tested = concentration[concentration > 0]
    shape = hill(concentration, 0.0, 1.0, np.sqrt(tested.min() * tested.max()), _POWER_SLOPE)
    p_value, power = np.empty(len(response)), np.empty(len(response))
    for i, own in enumerate(centred):
        observed = _explained(own[None], unit, member, plate)[0]
        chance = _explained(own[order], unit, member, plate)
        p_value[i] = _p_value(observed, chance)
        # Without what the best curve explains, exchanged wells are as noisy as those of a compound without effect.
        noise = own[order] * np.sqrt(max(1.0 - observed, 0.0))
        found = _explained(noise + size[i] * shape, unit, member, plate)
        power[i] = np.mean(found > np.quantile(chance, 1 - rate))
    return Evidence(p_value, power)


def _p_value(observed: float, chance: Floats) -> float:
    as_extreme = int((chance >= observed * (1 - 1e-12)).sum())
    share = (1 + as_extreme) / (len(chance) + 1)
    mean, variance = float(chance.mean()), float(chance.var())
    if as_extreme or not variance > 0:
        return share
    both = mean * (1 - mean) / variance - 1
    tail = float(betainc((1 - mean) * both, mean * both, max(1 - observed, 0.0))) if both > 0 else share
    return min(share, tail)


def _tamed(response: Floats, plate: NDArray[np.int64]) -> Floats:
    """Take out the plates' averages, and the pull of one extreme well on either side.

    Both depend on the values only, not on which well has which, so that wells may still change places.
    """
    centred = _centred(response, plate)
    for side in (-1.0, 1.0):
        own = side * (centred - np.median(centred, axis=1, keepdims=True))
        noise = median_abs_deviation(own, axis=1, scale="normal")
        second, first = np.partition(own, (-2, -1), axis=1)[:, -2:].T
        alone = (first > _FAR * noise) & (second < _ORDINARY * noise)
        limit = np.where(alone, 0.0, second)
        centred -= side * np.where(own >= first[:, None], own - limit[:, None], 0.0)
    return _centred(centred, plate)


def _centred(response: Floats, plate: NDArray[np.int64]) -> Floats:
    centred = response.copy()
    for own in np.unique(plate):
        centred[:, plate == own] -= centred[:, plate == own].mean(axis=1, keepdims=True)
    return centred


def _orders(plate: NDArray[np.int64], permutations: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return exchanges of wells within their plates, shape (permutation, well)."""
    order = np.empty((permutations, len(plate)), dtype=np.int64)
    for own in np.unique(plate):
        wells = np.flatnonzero(plate == own)
        order[:, wells] = rng.permuted(np.tile(wells, (permutations, 1)), axis=1)
    return order


@lru_cache(maxsize=16)
def _columns(concentration: bytes, plate: bytes) -> tuple[Floats, Floats]:
    """Return unit columns of all shapes, (level, shape), and which well is at which level, (well, level)."""
    c, plates = np.frombuffer(concentration), np.frombuffer(plate, dtype=np.int64)
    design = shared_design(c, plates, equal=True)
    low, high = float(design.tested[0]), float(design.tested[-1])
    location = np.linspace(low - 0.5, high, int(np.ceil((high - low + 0.5) * _PER_DECADE)) + 1)
    sigmoids = np.stack(np.meshgrid(location, _STEEPNESS, indexing="ij"), axis=-1).reshape(-1, 2)
    width = np.arange(0.5, high - low, 0.5)
    bells = np.stack(np.meshgrid(location, width, np.log([1.5, 4.0]), indexing="ij"), axis=-1).reshape(-1, 3)
    models: list[tuple[CurveModel, Floats]] = [(Hill(), sigmoids), (GainLoss(), bells)]
    found = [Problem(model, design).columns(shapes) for model, shapes in models if len(shapes)]
    unit = np.concatenate([own.line / np.sqrt(own.spread)[:, None] for own in found]).T
    unit = unit[:, np.abs(unit).max(axis=0) > 0]
    member = np.zeros((len(c), len(design.weight)))
    member[np.arange(len(c)), design.level] = 1.0 / np.sqrt(design.weight[design.level])
    return unit.astype(np.float32), member


def _explained(values: Floats, unit: Floats, member: Floats, plate: NDArray[np.int64]) -> Floats:
    """Return the largest share of the variance that a shape explains, shape (row,)."""
    centred = _centred(values, plate)
    total = np.maximum((centred**2).sum(axis=1), np.finfo(float).tiny)
    target = (centred @ member).astype(np.float32)
    size = max(1, _BLOCK // unit.shape[1])
    blocks = [np.abs(target[i : i + size] @ unit).max(axis=1) for i in range(0, len(target), size)]
    return np.asarray(np.concatenate(blocks).astype(float) ** 2 / total)
