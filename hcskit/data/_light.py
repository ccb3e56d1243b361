"""What the light of fields is like, and the constants that bring a plate to another's brightness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter

from hcskit.data._fields import Normalisation, open_field
from hcskit.data._sources import Source

__all__ = ["LOOKS", "gather_light", "measure_light", "standard_of"]

#: What is measured of each channel: the light's mean and variance; its 5th percentile; and how sharp it is.
LOOKS = ("mean", "variance", "background", "sharpness")
_BACKGROUND = 5  # percentile: a pixel without a cell
_SMOOTH = 1.0  # pixels: without it, sharpness is the camera's noise


def measure_light(source: Source, row: int) -> npt.NDArray[np.float64]:
    """Measure the image of a row of a source's table.

    Returns
    -------
    numpy.ndarray
        (look, channel), as `LOOKS` has them: counts, counts², counts, and the mean squared gradient of the smoothed
        image over its variance, in 1/pixel², which neither gain nor background change.
    """
    channels = len(source.channels)
    light = np.empty((channels, *source.shape), np.float32)
    unchanged = Normalisation(centre=(0.0,) * channels, scale=(1.0,) * channels)
    open_field(source, row, unchanged).cut((0, 0), np.moveaxis(light, 0, -1))
    smooth = gaussian_filter(light, (0, _SMOOTH, _SMOOTH))
    energy = sum(np.square(np.diff(smooth, axis=axis)).mean((1, 2), dtype=float) for axis in (1, 2))
    variance = np.maximum(smooth.var((1, 2), dtype=float), np.finfo(np.float32).tiny)
    background = np.percentile(light, _BACKGROUND, axis=(1, 2))
    return np.stack([light.mean((1, 2), dtype=float), light.var((1, 2), dtype=float), background, energy / variance])


def gather_light(fields: pd.DataFrame, measured: Sequence[npt.NDArray[Any]], channels: Sequence[str]) -> xr.DataArray:
    """Average what was measured of the fields of one plate over its wells: (well, look, channel).

    Examples
    --------
    >>> fields = pd.DataFrame({"well": ["A01", "A01", "A02"]})
    >>> found = gather_light(fields, [np.ones((4, 1)), np.zeros((4, 1)), np.ones((4, 1))], ["DNA"])
    >>> found.sel(look="mean", channel="DNA").values.tolist()
    [0.5, 1.0]
    """
    wells, number = np.unique(fields["well"].to_numpy(str), return_inverse=True)
    each = np.stack([np.mean([own for own, of in zip(measured, number, strict=True) if of == well], axis=0)
                     for well in range(len(wells))])  # fmt: skip
    return xr.DataArray(
        each, {"well": wells, "look": list(LOOKS), "channel": list(channels)}, ("well", "look", "channel")
    )


def standard_of(light: xr.DataArray) -> Normalisation:
    """Return the constants that bring wells, as `gather_light` returns them, to mean 0 and standard deviation 1."""
    return Normalisation.pool(light.sel(look="mean").to_numpy(), light.sel(look="variance").to_numpy())
