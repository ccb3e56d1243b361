r"""Uneven illumination, estimated from the plate itself and corrected by ``(I - dark) / flat``.

Model, for a channel: a pixel at place :math:`x` of field :math:`i` is

.. math:: I_i(x) = v(x)\, L_i(x) + d

with the flat field :math:`v` (mean 1), the camera's offset :math:`d`, and the light :math:`L` of the specimen, whose
distribution over the fields is the same everywhere. Order the fields at each place: the q-th value lacks

.. math:: I_q(x) - Q_q = (Q_q - d)\,(v(x) - 1)

of its mean over all places, :math:`Q_q`. So all ranks show one surface, :math:`v - 1`, each :math:`Q_q - d` times.
The surface, a polynomial of low degree as lenses vignette smoothly, and the offset are fitted to all ranks together by
weighted least squares, each rank by how well it fits: a plate of empty wells is measured by its background, and a few
glaring fields count for little. Terms of the polynomial that two halves of the fields do not agree on are shrunk.
The comparison of ordered values follows CIDRE (Smith et al., Nature Methods 12:404, 2015), the shrinkage of terms
that noise explains follows James and Stein (Proc. 4th Berkeley Symp. 1:361, 1961); the rest is ours.
"""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.optimize import minimize_scalar

from hcskit.errors import InputError
from hcskit.screen import field_table

__all__ = [
    "block_means",
    "correct_illumination",
    "estimate_illumination",
    "fit_illumination",
    "sample_fields",
    "shrink_illumination",
]

_GRID = 32  # places along each axis
_DEGREE = 4  # of the polynomial: vignetting is even and smooth
_MAX_FIELDS = 400  # more fields do not make a smoother surface
_MIN_FIELDS = 16
_CLASSES = 12  # of ranks, equally spaced in the logarithm of counts: within one, order is camera noise
_PASSES = 6  # of reweighting; the weights settle in three or four
_FLOOR = 0.2  # a flat field below this would multiply noise more than five-fold


def correct_illumination(image: xr.DataArray, illumination: xr.Dataset) -> xr.DataArray:
    """Return ``(I - dark) / flat``, lazily: the specimen's light in counts of an even field, float32.

    Parameters
    ----------
    image : xarray.DataArray
        Counts, with the coordinate ``channel`` and the dimensions y and x.
    illumination : xarray.Dataset
        As `estimate_illumination` returns it.
    """
    own = illumination.sel(channel=image["channel"])
    light: xr.DataArray = (image.astype(np.float32) - own["dark"]) / own["flat"]
    return light


def shrink_illumination(illumination: xr.Dataset, shape: tuple[int, int]) -> xr.Dataset:
    """Return the illumination of smaller images of the same fields, such as those of a level of the pyramid.

    Parameters
    ----------
    illumination : xarray.Dataset
        As `estimate_illumination` returns it; it is smooth, so that a pixel stands for those around it.
    shape : tuple of int
        Rows and columns of the smaller images.
    """
    sizes = {name: (illumination.sizes[name], size) for name, size in zip(("y", "x"), shape, strict=True)}
    return illumination.isel(
        {name: (np.arange(size) * 2 + 1) * own // (2 * size) for name, (own, size) in sizes.items()}
    )


def estimate_illumination(plate: xr.Dataset) -> xr.Dataset:
    """Estimate flat field and offset of every channel from the plate's own images.

    Parameters
    ----------
    plate : xarray.Dataset
        A plate; the fields of `sample_fields` are read.

    Returns
    -------
    xarray.Dataset
        ``flat`` (channel, y, x), float32, mean 1; ``dark`` (channel), in counts. With fewer than 16 fields there is too
        little to tell vignetting from cells: ``flat`` is then 1 and ``dark`` 0, as where the field is even.

    Raises
    ------
    InputError
        If the plate has no usable field.
    """
    return fit_illumination(plate, block_means(plate, sample_fields(plate)))


def sample_fields(plate: xr.Dataset) -> pd.DataFrame:
    """Choose the fields to estimate the illumination from: up to 400 of the usable ones, evenly spread.

    Returns
    -------
    pandas.DataFrame
        Columns ``well, field``.

    Raises
    ------
    InputError
        If the plate has no usable field.
    """
    fields = field_table(plate)
    if fields.empty:
        raise InputError(f"plate {plate.attrs['plate']} has no usable field to estimate the illumination from")
    pick = np.unique(np.linspace(0, len(fields) - 1, min(len(fields), _MAX_FIELDS)).astype(int))
    return fields[["well", "field"]].iloc[pick].reset_index(drop=True)


def fit_illumination(plate: xr.Dataset, blocks: npt.NDArray[np.float64]) -> xr.Dataset:
    """Fit what `estimate_illumination` returns to the `block_means` of the plate's `sample_fields`."""
    shape = (plate.sizes["y"], plate.sizes["x"])
    flats, darks = [], []
    for channel in range(plate.sizes["channel"]):
        flat, dark = _estimate(blocks[:, channel], shape)
        flats.append(flat)
        darks.append(dark)
    return xr.Dataset(
        {"flat": (("channel", "y", "x"), np.stack(flats)), "dark": ("channel", np.array(darks, np.float32))},
        coords={"channel": plate["channel"]},
    )


def block_means(plate: xr.Dataset, fields: pd.DataFrame, scheduler: str = "threads") -> npt.NDArray[np.float64]:
    """Return the mean counts of some fields on a coarse grid.

    Parameters
    ----------
    plate : xarray.Dataset
        Their plate.
    fields : pandas.DataFrame
        Columns ``well, field``.
    scheduler : str
        Dask's scheduler that reads them.

    Returns
    -------
    numpy.ndarray
        (field, channel, place, place).
    """
    chosen = {name: xr.DataArray(fields[name].to_numpy(), dims="sample") for name in ("well", "field")}
    data = plate["image"].sel(chosen).transpose("sample", "channel", "y", "x").chunk(y=-1, x=-1).data
    edges = [np.linspace(0, size, min(_GRID, size) + 1).astype(int) for size in data.shape[2:]]

    def reduce(block: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        for axis, edge in zip((2, 3), edges, strict=True):
            sums = np.add.reduceat(block.astype(np.float64), edge[:-1], axis=axis)
            block = sums / np.diff(edge).reshape([-1 if at == axis else 1 for at in range(4)])
        return block

    grid = tuple(len(edge) - 1 for edge in edges)
    means: da.Array = da.map_blocks(  # type: ignore[no-untyped-call]
        reduce, data, dtype=float, chunks=(*data.chunks[:2], *grid)
    )
    return np.asarray(means.compute(scheduler=scheduler))  # type: ignore[no-untyped-call]


def _estimate(blocks: npt.NDArray[np.float64], shape: tuple[int, int]) -> tuple[npt.NDArray[np.float32], float]:
    """Flat field at every pixel, and the offset, of the model above; blocks are (sample, place, place)."""
    if len(blocks) < _MIN_FIELDS or np.ptp(blocks) == 0:
        return np.ones(shape, np.float32), 0.0
    terms, degrees = _terms(*blocks.shape[1:])
    basis, triangle = np.linalg.qr(terms)
    values = blocks.reshape(len(blocks), -1)
    surface, dark = _fit_ranks(values, basis)
    halves = [_fit_ranks(values[start::2], basis)[0] for start in (0, 1)]
    for degree in np.unique(degrees):
        own = degrees == degree
        noise = float(np.sum((halves[0] - halves[1])[own] ** 2)) / 4
        surface[own] *= max(0.0, 1 - noise / max(float(np.sum(surface[own] ** 2)), 1e-12))
    if not surface.any():  # an even field does not determine the offset
        return np.ones(shape, np.float32), 0.0
    fine = 1 + _terms(*shape)[0] @ np.linalg.solve(triangle, surface)
    flat = np.maximum(fine.reshape(shape), _FLOOR)
    return (flat / flat.mean()).astype(np.float32), dark


def _fit_ranks(
    values: npt.NDArray[np.float64], basis: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], float]:
    """Coefficients of the surface ``v - 1``, and the offset; values are (sample, place), the basis orthonormal."""
    ordered = _by_class(np.sort(values, axis=0))
    mean = ordered.mean(axis=1)
    lack = (ordered - mean[:, np.newaxis]) @ basis
    rough = ((ordered - mean[:, np.newaxis]) ** 2).sum(axis=1) - (lack**2).sum(axis=1)  # what no surface explains
    # No place is darker than the offset, and an offset is not negative.
    darkest = max(float(values.min()), 1e-6)

    def surface(dark: float, weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        scale = weight * (mean - dark)
        return np.asarray(scale @ lack / (scale @ (mean - dark)))

    def misfit(dark: float, weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(((lack - np.outer(mean - dark, surface(dark, weight))) ** 2).sum(axis=1))

    def total(dark: float, weight: npt.NDArray[np.float64]) -> float:
        return float(weight @ misfit(dark, weight))

    square = np.maximum(mean, 1.0) ** 2
    weight = 1 / square
    for _ in range(_PASSES):
        dark = float(minimize_scalar(total, bounds=(0.0, darkest), args=(weight,), method="bounded").x)
        weight = 1 / np.maximum(rough + misfit(dark, weight), 1e-9 * square)
    return surface(dark, weight), dark


def _by_class(ordered: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average ranks of similar counts; rows are ranks."""
    level = np.log(np.maximum(ordered.mean(axis=1), 1.0))
    share = (level - level[0]) / max(level[-1] - level[0], 1e-12)
    numbers = np.minimum((share * _CLASSES).astype(int), _CLASSES - 1)
    return np.stack([ordered[numbers == number].mean(axis=0) for number in np.unique(numbers)])


def _terms(rows: int, columns: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Terms of the polynomial at each place, (place, term), without the constant; and the degree of each."""
    y = (np.arange(rows) + 0.5) / rows * 2 - 1
    x = (np.arange(columns) + 0.5) / columns * 2 - 1
    powers = [(degree - i, i) for degree in range(1, _DEGREE + 1) for i in range(degree + 1)]
    surfaces = [np.outer(y**i, x**j) for i, j in powers]
    terms = np.stack([(surface - surface.mean()).ravel() for surface in surfaces], axis=1)
    return terms, np.array([i + j for i, j in powers])
