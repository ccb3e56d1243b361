"""Which parts of a field speak for a phenotype, laid over its image."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from PIL import Image

from hcskit.views._images import contrast_limits, field_rgb

__all__ = ["overlay_saliency"]

_FOR, _AGAINST = np.array([255.0, 176.0, 0.0]), np.array([53.0, 181.0, 255.0])
_GREY = np.array([0.299, 0.587, 0.114])  # luma (ITU-R BT.601)
_MOST = 0.7  # of the colour, so that the cells stay visible


def overlay_saliency(
    plate: xr.Dataset,
    saliency: xr.DataArray,
    *,
    limit: float | None = None,
    limits: Any = None,
    edge: int | None = None,
) -> npt.NDArray[np.uint8]:
    """Draw a field in grey, and over it in orange what speaks for a phenotype, in blue what speaks against it.

    Parameters
    ----------
    plate : xarray.Dataset
        The field's plate.
    saliency : xarray.DataArray
        (y, x), one place of what `hcskit.saliency` returns, with its coordinates ``well`` and ``field``.
    limit : float, optional
        What has the full colour, in strength. By default the largest value of the field; give the same to several
        fields to compare them.
    limits : mapping, optional
        As `field_rgb` takes them; by default those of the plate.
    edge : int, optional
        Shrink the result to at most this many pixels.

    Returns
    -------
    numpy.ndarray
        (y, x, 3), uint8.

    Examples
    --------
    >>> found = hcskit.saliency(run, model, [("p1", "B02", 1)], "active")  # doctest: +SKIP
    >>> hv.RGB(overlay_saliency(plates["p1"], found[0]))  # doctest: +SKIP
    """
    well, field = str(saliency["well"].item()), int(saliency["field"].item())
    image = field_rgb(plate, well, field, limits or contrast_limits(plate), edge=edge)
    grey = (image @ _GREY)[..., np.newaxis]
    small = Image.fromarray(saliency.to_numpy().astype(np.float32))
    values = np.asarray(small.resize(image.shape[1::-1], Image.Resampling.BILINEAR))[..., np.newaxis]
    share = values / (limit or max(float(np.abs(saliency).max()), 1e-9))
    weight = _MOST * np.clip(np.abs(share), 0, 1)
    drawn = (1 - weight) * grey + weight * np.where(share > 0, _FOR, _AGAINST)
    return np.asarray(drawn.round(), np.uint8)
