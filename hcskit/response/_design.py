"""Wells gathered by concentration: what a batch of curves shares, and what each brings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hcskit.response._model import Floats

__all__ = ["Batch", "Design", "gather", "shared_design"]

_DEPENDENT = 1e-9  # relative length below which a plate's offset cannot be told from what is known already


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Concentrations of the wells.

    Attributes
    ----------
    log_c, weight : ndarray of float, shape (level,)
        Distinct concentrations of each plate in rising order (log10; -inf is zero), and their weights in wells.
    level : ndarray of int, shape (well,)
        Which level each well has.
    well_weight : ndarray of float, shape (well,)
        Weight of each well.
    plate : ndarray of int, shape (level,)
        Which plate each level is on.
    offsets : ndarray of float, shape (plate - 1, level)
        Differences between plates: orthonormal rows in units of the square root of the weight.
    """

    log_c: Floats
    weight: Floats
    level: NDArray[np.int64]
    well_weight: Floats
    plate: NDArray[np.int64]
    offsets: Floats

    @classmethod
    def of(
        cls,
        concentration: Floats,
        plate: NDArray[np.int64] | None = None,
        weight: Floats | None = None,
    ) -> Design:
        """Gather wells by plate and concentration.

        All wells of a plate at zero together weigh as much as one of its tested concentrations. A plate often has more
        control wells than wells of any one compound. Counted one by one they would set the noise and the bottom alone,
        and an offset of the control columns (an edge effect) would bend the curve. Weights that are given stay as they
        are.
        """
        plate = np.zeros(len(concentration), dtype=np.int64) if plate is None else plate
        keys, level = np.unique(np.stack([concentration, plate]), axis=1, return_inverse=True)
        level = level.ravel()
        well_weight = _anchoring(concentration, plate) if weight is None else weight
        total = np.bincount(level, well_weight).astype(float)
        with np.errstate(divide="ignore"):
            log_c = np.log10(keys[0])
        at = keys[1].astype(np.int64)
        return cls(log_c, total, level, well_weight, at, _offsets(at, np.sqrt(total)))

    @property
    def has_zero(self) -> bool:
        """Whether there are wells at zero concentration."""
        return bool(np.isneginf(self.log_c[0]))

    @property
    def tested(self) -> Floats:
        """Distinct concentrations above zero, log10."""
        return np.unique(self.log_c[np.isfinite(self.log_c)])

    @property
    def total(self) -> float:
        """Sum of the weights: how many wells the data are worth."""
        return float(self.weight.sum())

    def without_offsets(self, columns: Floats) -> Floats:
        """Take out of columns, shape (..., level), scaled by the root of the weight, what plates differ by."""
        return columns - (columns @ self.offsets.T) @ self.offsets if len(self.offsets) else columns


def _anchoring(concentration: Floats, plate: NDArray[np.int64]) -> Floats:
    """Return weights of wells with which the wells at zero together count as much as one tested concentration."""
    weight = np.ones(len(concentration))
    for own in np.unique(plate):
        here = plate == own
        treated, zero = here & (concentration > 0), here & (concentration == 0)
        replicates = treated.sum() / max(len(np.unique(concentration[treated])), 1)
        weight[zero] = min(1.0, max(replicates, 1.0) / max(zero.sum(), 1))
    return weight


def shared_design(concentration: Floats, plate: NDArray[np.int64], *, equal: bool = False) -> Design:
    """Return the same object for the same wells, so that what is computed for it is found again.

    With `equal` all wells weigh the same.
    """
    return _cached(np.ascontiguousarray(concentration).tobytes(), np.ascontiguousarray(plate).tobytes(), equal)


@lru_cache(maxsize=64)
def _cached(concentration: bytes, plate: bytes, equal: bool) -> Design:
    c = np.frombuffer(concentration)
    return Design.of(c, np.frombuffer(plate, dtype=np.int64), np.ones(len(c)) if equal else None)


def _offsets(plate: NDArray[np.int64], root: Floats) -> Floats:
    """Return an orthonormal basis of what plates may differ by, apart from the average of all."""
    rows: list[Floats] = [root / np.linalg.norm(root)]
    for own in np.unique(plate)[1:]:
        row = np.where(plate == own, root, 0.0)
        length = np.linalg.norm(row)
        for other in (*rows, *rows):  # twice: once leaves rounding behind
            row = row - (row @ other) * other
        if np.linalg.norm(row) > _DEPENDENT * length:
            rows.append(row / np.linalg.norm(row))
    return np.array(rows[1:]).reshape(-1, len(root))


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Responses of many curves with one design, each scaled to lie around zero and within one.

    Attributes
    ----------
    design : Design
        The wells.
    response : ndarray of float, shape (curve, well)
        Scaled responses: (response - average) / scale.
    mean : ndarray of float, shape (curve, level)
        Their weighted means.
    within : ndarray of float, shape (curve,)
        Weighted sum of squares of the wells around the mean of their level.
    target : ndarray of float, shape (curve, level)
        Root of the weight times the mean, without what plates differ by: what a model is to explain.
    total : ndarray of float, shape (curve,)
        Sum of squares of the target.
    average, scale : ndarray of float, shape (curve,)
        How to get back to the units of the readout.
    """

    design: Design
    response: Floats
    mean: Floats
    within: Floats
    target: Floats
    total: Floats
    average: Floats
    scale: Floats

    def __len__(self) -> int:
        return len(self.response)

    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> Batch:
        parts = (self.response, self.mean, self.within, self.target, self.total, self.average, self.scale)
        return Batch(self.design, *(part[chosen] for part in parts))


def gather(design: Design, response: Floats) -> Batch:
    """Gather responses, shape (curve, well), by level."""
    share = design.well_weight / design.total
    first = response[:, :1]  # so that a large offset does not cost digits
    average = first[:, 0] + (response - first) @ share
    scaled = response - average[:, None]
    scale = np.abs(scaled).max(axis=1)
    scale = np.where(scale > 0, scale, 1.0)
    scaled = scaled / scale[:, None]
    member = np.zeros((len(design.level), len(design.weight)))
    member[np.arange(len(design.level)), design.level] = design.well_weight
    mean = scaled @ member / design.weight
    within = (scaled - mean[:, design.level]) ** 2 @ design.well_weight
    target = design.without_offsets(mean * np.sqrt(design.weight))
    return Batch(design, scaled, mean, within, target, (target**2).sum(axis=1), average, scale)
