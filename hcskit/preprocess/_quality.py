r"""Is this field worth looking at? Focus and saturation of every image, and which fields to leave out.

Focus is the mean squared gradient of the lightly smoothed, corrected image :math:`L` over its squared mean,
:math:`F = \langle |\nabla (G_1 * L)|^2 \rangle / \langle L \rangle^2` (the Tenengrad measure, normalised; see Pertuz et
al., Pattern Recognition 46:1415, 2013). Its logarithm is compared with the plate's other fields by a robust z-score,
:math:`(\log F - \mathrm{median}) / (1.4826\,\mathrm{MAD})`. A field is out of focus if its channels are far below the
others on average and *every* one of them is clearly below: blur takes all channels, a phenotype rarely does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from dask.base import compute
from dask.delayed import delayed
from scipy import ndimage

__all__ = ["Limits", "assess_fields", "judge_fields", "measure_images"]

_MAD_TO_SD = 1.4826  # of a normal distribution


@dataclass(frozen=True, slots=True)
class Limits:
    """When a field is left out.

    Attributes
    ----------
    focus_z : float
        A field is out of focus if the mean robust z-score of its channels is below this, and each below half of it.
    saturation : float
        A field is overexposed if more than this fraction of a channel's pixels is at the camera's maximum.
    """

    focus_z: float = -5.0
    saturation: float = 0.01


def assess_fields(plate: xr.Dataset, illumination: xr.Dataset, limits: Limits | None = None) -> pd.DataFrame:
    """Measure every acquired image of a plate and flag the fields to leave out.

    Parameters
    ----------
    plate : xarray.Dataset
        A plate.
    illumination : xarray.Dataset
        As `hcskit.preprocess.estimate_illumination` returns it.
    limits : Limits, optional
        When a field is left out.

    Returns
    -------
    pandas.DataFrame
        Index ``plate, well, field, channel``; one row an acquired image. ``focus`` (dimensionless), ``focus_z``,
        ``saturation`` (fraction), ``mean`` and ``sd`` (counts, after correction), ``excluded`` (the same for all
        channels of a field) and ``reason`` (text, empty where nothing is wrong).
    """
    return judge_fields(plate, measure_images(plate, illumination), limits)


def measure_images(
    plate: xr.Dataset, illumination: xr.Dataset, wells: Sequence[str] | None = None, scheduler: str = "threads"
) -> pd.DataFrame:
    """Measure every acquired image of some wells.

    Parameters
    ----------
    plate : xarray.Dataset
        A plate.
    illumination : xarray.Dataset
        As `hcskit.preprocess.estimate_illumination` returns it.
    wells : sequence of str, optional
        By default all.
    scheduler : str
        Dask's scheduler that reads them.

    Returns
    -------
    pandas.DataFrame
        Index ``well, field, channel``: ``focus, mean, sd``, the ``highest`` count and the fraction ``at_highest``.
    """
    labels = (plate["present"] if wells is None else plate["present"].sel(well=list(wells))).to_series()
    labels = labels[labels]
    measured = [
        delayed(_measure)(
            plate["image"].sel(well=well, field=field, channel=channel).data,
            illumination["flat"].sel(channel=channel).values,
            float(illumination["dark"].sel(channel=channel)),
        )
        for well, field, channel in labels.index
    ]
    columns = ["focus", "mean", "sd", "highest", "at_highest"]
    return pd.DataFrame(compute(*measured, scheduler=scheduler), index=labels.index, columns=columns)  # type: ignore[no-untyped-call]


def judge_fields(plate: xr.Dataset, measured: pd.DataFrame, limits: Limits | None = None) -> pd.DataFrame:
    """Flag the fields to leave out, by what `measure_images` found in all wells; returns what `assess_fields` does."""
    limits, table = limits or Limits(), measured.copy()
    table.insert(1, "focus_z", np.log(table["focus"]).groupby("channel").transform(_robust_z))
    table.insert(2, "saturation", _saturation(table.pop("highest"), table.pop("at_highest"), plate["image"].dtype))
    table["reason"] = _reasons(table, limits, plate.sizes["channel"])
    table["excluded"] = table["reason"] != ""
    return (
        table.assign(plate=plate.attrs["plate"])
        .set_index("plate", append=True)
        .reorder_levels(["plate", "well", "field", "channel"])
    )


def _measure(image: npt.NDArray[Any], flat: npt.NDArray[np.float32], dark: float) -> dict[str, float]:
    light = (image.astype(np.float32) - dark) / flat
    smooth = ndimage.gaussian_filter(light, 1.0)
    energy = float(np.mean(np.diff(smooth, axis=0) ** 2) + np.mean(np.diff(smooth, axis=1) ** 2))
    mean = float(light.mean())
    tiny = float(np.finfo(np.float32).tiny)
    highest = int(image.max())
    return {
        "focus": max(energy, tiny) / max(mean**2, 1.0),
        "mean": mean,
        "sd": float(light.std()),
        "highest": highest,
        "at_highest": float(np.mean(image == highest)),
    }


def _saturation(highest: pd.Series[int], share: pd.Series[float], dtype: np.dtype[Any]) -> pd.Series[float]:
    """Return the share of each image's pixels at the camera's maximum.

    That is the pixel type's highest count, or that of 10, 12 or 14 bits if it is exactly the plate's highest. A plate
    of floats was corrected, so its saturated pixels have no common count: none are reported.
    """
    if dtype.kind == "f":
        return share * 0.0
    top = int(highest.max())
    ceiling = top if top in {2**10 - 1, 2**12 - 1, 2**14 - 1} else int(np.iinfo(dtype).max)
    return share.where(highest == ceiling, 0.0)


def _robust_z(values: pd.Series[float]) -> pd.Series[float]:
    deviation = values - values.median()
    spread = _MAD_TO_SD * float(np.median(deviation.abs()))
    return deviation / spread if spread > 0 else deviation * 0.0


def _reasons(table: pd.DataFrame, limits: Limits, channels: int) -> pd.Series:
    """Why a field is left out, the same text for all its channels."""
    fields = ["well", "field"]
    focus = table["focus_z"].groupby(fields)
    blurred = (focus.transform("mean") < limits.focus_z) & (focus.transform("max") < limits.focus_z / 2)
    bright = table["saturation"].groupby(fields).transform("max")
    lacking = channels - table["focus"].groupby(fields).transform("size")
    reasons = pd.Series("", index=table.index)
    for wrong, text in (
        (blurred, "out of focus"),
        (bright > limits.saturation, "overexposed"),
        (lacking > 0, "a channel was not acquired"),
    ):
        reasons = reasons.where(~wrong, reasons + text + "; ")
    return reasons.str.removesuffix("; ")
