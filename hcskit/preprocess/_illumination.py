r"""Uneven illumination, estimated from the plate itself and taken out as ``(I - dark) / flat``.

Model, for a channel: a pixel at place :math:`x` of field :math:`i` is

.. math:: I_i(x) = v(x)\, L_i(x) + d

with the flat field :math:`v` (mean 1), the camera's offset :math:`d`, and the light :math:`L` of the specimen, whose
distribution over the fields is the same everywhere. Order the fields at each place: the q-th value is then
:math:`I_q(x) = v(x)\,Q_q + d\,(1 - v(x))`, where :math:`Q_q` is the mean of the q-th values over all places. So a
regression on :math:`Q` at each place gives :math:`v` as the slope, and the intercepts give :math:`d` by least squares.
Regressing ordered values is the idea of CIDRE (Smith et al., Nature Methods 12:404, 2015); the closed form for a
constant offset is ours. The slope surface is smoothed by a polynomial of low degree, as lenses vignette smoothly.
"""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr

from hcskit.errors import InputError
from hcskit.screen import field_table

__all__ = ["correct_illumination", "estimate_illumination"]

_GRID = 32  # places along each axis
_DEGREE = 4  # of the polynomial: vignetting is even and smooth
_MAX_FIELDS = 400  # more fields do not make a smoother surface
_MIN_FIELDS = 16
_FLOOR = 0.2  # a flat field below this would multiply noise more than five-fold


def correct_illumination(image: xr.DataArray, profile: xr.Dataset) -> xr.DataArray:
    """Return ``(I - dark) / flat``, lazily: the specimen's light in counts of an even field, float32.

    Parameters
    ----------
    image : xarray.DataArray
        Counts, with the coordinate ``channel`` and the dimensions y and x.
    profile : xarray.Dataset
        As `estimate_illumination` returns it.
    """
    own = profile.sel(channel=image["channel"])
    light: xr.DataArray = (image.astype(np.float32) - own["dark"]) / own["flat"]
    return light


def estimate_illumination(plate: xr.Dataset) -> xr.Dataset:
    """Estimate flat field and offset of every channel from the plate's own images.

    Parameters
    ----------
    plate : xarray.Dataset
        A plate; up to 400 of its usable fields are read, evenly spread.

    Returns
    -------
    xarray.Dataset
        ``flat`` (channel, y, x), float32, mean 1; ``dark`` (channel), in counts. With fewer than 16 fields there is too
        little to tell vignetting from cells: ``flat`` is then 1.

    Raises
    ------
    InputError
        If the plate has no usable field.
    """
    fields = field_table(plate)
    if fields.empty:
        raise InputError(f"plate {plate.attrs['plate']} has no usable field to estimate the illumination from")
    pick = np.unique(np.linspace(0, len(fields) - 1, min(len(fields), _MAX_FIELDS)).astype(int))
    chosen = {name: xr.DataArray(fields[name].to_numpy()[pick], dims="sample") for name in ("well", "field")}
    blocks = _block_means(plate["image"].sel(chosen))
    shape = (plate.sizes["y"], plate.sizes["x"])
    flats, darks = [], []
    for channel in range(plate.sizes["channel"]):
        coarse, dark = _regress(blocks[:, channel])
        flats.append(_smooth(coarse, shape))
        darks.append(dark)
    return xr.Dataset(
        {"flat": (("channel", "y", "x"), np.stack(flats)), "dark": ("channel", np.array(darks, np.float32))},
        coords={"channel": plate["channel"]},
    )


def _block_means(image: xr.DataArray) -> npt.NDArray[np.float64]:
    """Mean counts on a coarse grid: (sample, channel, place, place)."""
    data = image.transpose("sample", "channel", "y", "x").chunk(y=-1, x=-1).data
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
    return np.asarray(means.compute(scheduler="threads"))  # type: ignore[no-untyped-call]


def _regress(blocks: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], float]:
    """Slope at each place, and the offset, of the model above; blocks are (sample, place, place)."""
    if len(blocks) < _MIN_FIELDS:
        return np.ones(blocks.shape[1:]), 0.0
    ordered = np.sort(blocks, axis=0)
    mean = ordered.mean(axis=(1, 2))
    spread = mean - mean.mean()
    total = float(spread @ spread)
    if total == 0:
        return np.ones(blocks.shape[1:]), 0.0
    slope = np.tensordot(spread, ordered, axes=1) / total
    intercept = ordered.mean(axis=0) - slope * mean.mean()
    lack = 1 - slope
    dark = float((intercept * lack).sum() / max(float((lack**2).sum()), 1e-12))
    # No pixel is darker than the offset, and an offset is not negative.
    return slope, float(np.clip(dark, 0.0, blocks.min()))


def _smooth(coarse: npt.NDArray[np.float64], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Least-squares polynomial surface through the coarse grid, evaluated at every pixel, mean 1."""

    def terms(rows: int, columns: int) -> npt.NDArray[np.float64]:
        y = (np.arange(rows) + 0.5) / rows * 2 - 1
        x = (np.arange(columns) + 0.5) / columns * 2 - 1
        return np.stack([np.outer(y**i, x**j).ravel() for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)], 1)

    coefficients = np.linalg.lstsq(terms(*coarse.shape), coarse.ravel(), rcond=None)[0]
    surface = np.maximum((terms(*shape) @ coefficients).reshape(shape), _FLOOR)
    flat: npt.NDArray[np.float32] = (surface / surface.mean()).astype(np.float32)
    return flat
