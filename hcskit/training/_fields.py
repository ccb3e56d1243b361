"""Fields ready to learn from: labelled by the plate map, corrected for illumination, binned and normalised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from pydantic import BaseModel, ConfigDict

from hcskit.errors import InputError
from hcskit.preprocess import correct_illumination
from hcskit.screen import treated_fields
from hcskit.training._recipe import DataSection

__all__ = ["NEGATIVE", "Normalisation", "TrainingFields", "label_fields", "read_fields"]

#: The class of the negative controls, whatever column the other classes come from.
NEGATIVE = "negative_control"
_MAX_BYTES = 8 * 2**30  # fields are held in memory


class Normalisation(BaseModel):
    """``(light - centre) / scale`` for each channel, in counts of the corrected image.

    The constants are the mean and standard deviation over the negative controls that were learned from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    centre: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def measure(cls, light: npt.NDArray[np.float32]) -> Normalisation:
        """Measure the constants on images (field, y, x, channel)."""
        centre = light.mean(axis=(0, 1, 2), dtype=np.float64)
        scale = light.std(axis=(0, 1, 2), dtype=np.float64)
        return cls(centre=tuple(centre.tolist()), scale=tuple(np.where(scale > 0, scale, 1.0).tolist()))

    def apply(self, light: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Normalise images (…, channel)."""
        centre, scale = np.array([self.centre, self.scale], np.float32)
        normalised: npt.NDArray[np.float32] = (light - centre) / scale
        return normalised


@dataclass(frozen=True)
class TrainingFields:
    """Labelled images in memory.

    Attributes
    ----------
    images : numpy.ndarray
        (field, y, x, channel), float32, normalised.
    labels : numpy.ndarray of int
        (field,), position in `classes`.
    classes : tuple of str
        Class names.
    """

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]

    def select(self, chosen: npt.NDArray[np.bool_]) -> TrainingFields:
        """Return the chosen fields."""
        return TrainingFields(self.images[chosen], self.labels[chosen], self.classes)


def label_fields(plates: Mapping[str, xr.Dataset], data: DataSection) -> pd.DataFrame:
    """List the usable fields to learn from, with their class in the column ``label``.

    The class is the value of the recipe's column; that of negative controls is always ``negative_control``.

    Raises
    ------
    InputError
        If there is no such column, a class is empty, or fewer than two classes are left (no control wells, say).
    """
    fields = treated_fields(plates)
    if data.classes not in fields.columns:
        raise InputError(f"the plate map has no column {data.classes!r} to take the classes from")
    fields = fields[fields["role"].isin(data.roles)].reset_index(drop=True)
    fields["label"] = fields[data.classes].astype(str).where(fields["role"] != NEGATIVE, NEGATIVE)
    unnamed = fields[fields["label"] == ""]
    if not unnamed.empty:
        raise InputError(f"well {unnamed['well'].iloc[0]} has nothing in the column {data.classes!r}; name its class")
    found = fields.groupby("label")["well"].nunique()
    if len(found) < 2:
        counted = ", ".join(f"{count} wells of {label}" for label, count in found.items()) or "none"
        raise InputError(
            f"learning needs at least two classes among the usable wells of role {' or '.join(data.roles)}; "
            f"found {counted} on {', '.join(plates)}: check the roles in the plate map"
        )
    return fields


def read_fields(
    plates: Mapping[str, xr.Dataset],
    profiles: xr.Dataset,
    fields: pd.DataFrame,
    channels: Sequence[str],
    binning: int,
) -> npt.NDArray[np.float32]:
    """Read fields as light: corrected for illumination, binned; (field, y, x, channel), float32, in counts.

    Raises
    ------
    InputError
        If a channel is missing, plates differ in image size, or the fields would not fit in memory.
    """
    sizes = {name: (plate.sizes["y"] // binning, plate.sizes["x"] // binning) for name, plate in plates.items()}
    if len(set(sizes.values())) > 1:
        raise InputError(f"the plates' images differ in size: {sizes}; train on plates of one size")
    for name, plate in plates.items():
        lacking = [channel for channel in channels if channel not in plate["channel"]]
        if lacking:
            known = ", ".join(map(str, plate["channel"].values))
            raise InputError(f"plate {name} has no channel {', '.join(lacking)}; it has {known}")
    shape = (len(fields), *next(iter(sizes.values())), len(channels))
    if 4 * np.prod(shape, dtype=float) > _MAX_BYTES:
        raise InputError(f"{len(fields)} fields of {shape[1:]} do not fit in {_MAX_BYTES / 2**30:g} GiB; bin more")
    light = np.empty(shape, np.float32)
    for number, (name, well, field) in enumerate(fields[["plate", "well", "field"]].itertuples(index=False)):
        image = plates[name]["image"].sel(well=well, field=field, channel=list(channels))
        light[number] = _bin(correct_illumination(image, profiles.sel(plate=name)), binning)
    return light


def _bin(light: xr.DataArray, binning: int) -> npt.NDArray[Any]:
    if binning > 1:
        light = light.coarsen(y=binning, x=binning, boundary="trim").mean()
    return light.transpose("y", "x", "channel").to_numpy()
