"""What the place of a well adds to its reading: row and column effects, or a smooth surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["local_surface", "median_polish"]

Floats = NDArray[np.float64]
_POLISHES = 200
_SETTLED = 1e-5  # relative change of the sum of absolute residuals at which polishing ends
_SPAN = 0.5  # share of the samples that a local regression looks at
_ROBUST = 4  # rounds of the local regression, each with less weight for outliers
_FEWEST = 7  # samples: a local plane and a few more


def median_polish(
    value: Floats, row: NDArray[np.int64], column: NDArray[np.int64], sample: NDArray[np.bool_]
) -> Floats:
    """Return what is left of each well without the effects of its row and column (Tukey 1977).

    Medians of rows and columns of the samples are taken off in turn, rows first, until the sum of absolute residuals
    settles. The effects are taken off all wells.

    Parameters
    ----------
    value : ndarray of float, shape (well,)
        May be NaN where `sample` is false.
    row, column : ndarray of int, shape (well,)
    sample : ndarray of bool, shape (well,)

    Examples
    --------
    The deaths by a kind of accident, Tukey's example; R's ``medpolish`` gives the same:

    >>> deaths = np.array([[14, 15, 14], [7, 4, 7], [8, 2, 10], [15, 9, 10], [0, 2, 0]], dtype=float)
    >>> row, column = np.indices(deaths.shape)
    >>> median_polish(deaths.ravel(), row.ravel(), column.ravel(), np.ones(15, dtype=bool)).reshape(5, 3)[:3].tolist()
    [[0.0, 2.0, 0.0], [0.0, -2.0, 0.0], [0.0, -5.0, 2.0]]
    """
    grid = np.full((row.max() + 1, column.max() + 1), np.nan)
    grid[row[sample], column[sample]] = value[sample]
    rows, columns = np.zeros(grid.shape[0]), np.zeros(grid.shape[1])
    overall, before = 0.0, np.inf
    for _ in range(_POLISHES):
        step = _medians(grid, 1)
        grid, rows = grid - step[:, None], rows + step
        middle = float(np.median(columns[~np.isnan(grid).all(axis=0)]))
        columns, overall = columns - middle, overall + middle
        step = _medians(grid, 0)
        grid, columns = grid - step, columns + step
        middle = float(np.median(rows[~np.isnan(grid).all(axis=1)]))
        rows, overall = rows - middle, overall + middle
        left = float(np.nansum(np.abs(grid)))
        if left == 0 or abs(left - before) < _SETTLED * left:
            break
        before = left
    # A line without samples has no effect of its own.
    rows, columns = (np.where(np.isnan(grid).all(axis=axis), 0.0, own) for axis, own in ((1, rows), (0, columns)))
    return np.asarray(value - overall - rows[row] - columns[column])


def _medians(grid: Floats, axis: int) -> Floats:
    """Return the medians along an axis; 0 where there is nothing."""
    empty = np.isnan(grid).all(axis=axis, keepdims=True)
    return np.asarray(np.nanmedian(np.where(empty, 0.0, grid), axis=axis))


def local_surface(
    value: Floats, row: NDArray[np.int64], column: NDArray[np.int64], sample: NDArray[np.bool_]
) -> Floats:
    """Return a smooth surface through the samples at each well: robust local planes (Cleveland & Devlin 1988).

    At each place a plane is fitted to the nearest half of the samples with tricube weights of their distance, four
    times, with bisquare weights of the residuals of the time before (Cleveland, J. Am. Stat. Assoc. 74:829, 1979).

    Parameters
    ----------
    value, row, column, sample
        As in `median_polish`.
    """
    if sample.sum() < _FEWEST:
        return np.full(len(value), float(np.median(value[sample])))
    place = np.column_stack([row, column]).astype(float)
    known, target = place[sample], value[sample]
    distance = np.linalg.norm(place[:, None] - known, axis=2)
    nearest = int(np.ceil(_SPAN * len(known)))
    reach = np.partition(distance, nearest - 1, axis=1)[:, nearest - 1 : nearest] * 1.000001
    near = np.clip(1 - (distance / reach) ** 3, 0.0, None) ** 3
    trust = np.ones(len(known))
    for _ in range(_ROBUST):
        surface = _planes(place, known, target, near * trust)
        rest = np.abs(target - surface[sample])
        limit = 6 * np.median(rest)
        if limit == 0:
            break
        trust = np.clip(1 - (rest / limit) ** 2, 0.0, None) ** 2
    return surface


def _planes(place: Floats, known: Floats, target: Floats, weight: Floats) -> Floats:
    """Return the height of the weighted plane around each place, there."""
    around = known - place[:, None]  # so that the height is the constant of the plane
    columns = np.concatenate([np.ones((*around.shape[:2], 1)), around], axis=2)
    weighted = columns * weight[..., None]
    normal = np.einsum("pki,pkj->pij", weighted, columns)
    right = weighted.transpose(0, 2, 1) @ target
    return np.asarray((np.linalg.pinv(normal, hermitian=True) @ right[..., None])[:, 0, 0])
