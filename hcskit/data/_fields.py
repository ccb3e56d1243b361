"""Fields to learn from: labelled by the plate map, and normalised when they are cut."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from pydantic import BaseModel, ConfigDict

from hcskit.data._sources import ArraySource, Illumination, Source, write_light
from hcskit.data._stand_ins import with_stand_ins
from hcskit.errors import InputError
from hcskit.parallel import add_up, ranks
from hcskit.recipe._recipe import DataSection
from hcskit.screen import treated_fields

__all__ = [
    "NEGATIVE",
    "THREADS",
    "Normalisation",
    "OpenField",
    "TrainingFields",
    "cut_tiles",
    "label_fields",
    "label_wells",
    "open_field",
    "survey",
    "tile_corners",
]

#: The class of the negative controls, whatever column the other classes come from.
NEGATIVE = "negative_control"
#: Threads that read images; decompression and arithmetic let them run side by side.
THREADS = 4


class Normalisation(BaseModel):
    """``(light - centre) / scale`` for each channel, in counts of the corrected image.

    The constants are the mean and standard deviation over the negative controls that were learned from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    centre: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def pool(cls, means: npt.NDArray[np.float64], variances: npt.NDArray[np.float64]) -> Normalisation:
        """Pool the moments (image, channel) of the light of images of one size.

        Examples
        --------
        >>> Normalisation.pool(np.array([[1.0], [3.0]]), np.array([[1.0], [1.0]]))
        Normalisation(centre=(2.0,), scale=(1.4142135623730951,))
        """
        centre, scale = means.mean(axis=0), np.sqrt(variances.mean(axis=0) + means.var(axis=0))
        return cls(centre=tuple(centre.tolist()), scale=tuple(np.where(scale > 0, scale, 1.0).tolist()))


@dataclass(frozen=True, eq=False)
class OpenField:
    """A field whose pixels were read, to cut from.

    Attributes
    ----------
    image : numpy.ndarray
        (y, x, channel), as `Source.read` returns it.
    illumination : Illumination or None
        What turns it into light.
    centre, scale : numpy.ndarray
        Constants of `Normalisation`.
    """

    image: npt.NDArray[Any]
    illumination: Illumination | None
    centre: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    def cut(self, corner: tuple[int, int], out: npt.NDArray[np.float32], gain: Any = 1.0, offset: Any = 0.0) -> None:
        """Write ``gain * normalised light + offset`` of the crop at a corner (y, x) into `out` (y, x, channel)."""
        window = tuple(slice(start, start + size) for start, size in zip(corner, out.shape, strict=False))
        factor = (gain / self.scale).astype(np.float32)
        shift = (offset - gain * self.centre / self.scale).astype(np.float32)
        light = self.illumination
        if light is not None:
            light = Illumination(light.dark, [flat[window] for flat in light.flat])
        write_light(self.image[window], light, factor, shift, out)


def open_field(source: Source, row: int, normalisation: Normalisation) -> OpenField:
    """Read the image of a row of a source's table."""
    image, illumination = source.read(row), source.illumination(row)
    return OpenField(image, illumination, np.array(normalisation.centre), np.array(normalisation.scale))


@dataclass(frozen=True, eq=False)
class TrainingFields:
    """Labelled fields of a source, read when they are opened.

    Attributes
    ----------
    source : Source
        Where the images are.
    rows : numpy.ndarray of int
        (field,), row of the source's table.
    labels : numpy.ndarray of int
        (field,), position in `classes`.
    classes : tuple of str
        Class names.
    normalisation : Normalisation
        Constants for each channel.
    """

    source: Source
    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    normalisation: Normalisation

    @classmethod
    def from_arrays(
        cls, images: npt.NDArray[Any], labels: npt.NDArray[np.int64], classes: tuple[str, ...]
    ) -> TrainingFields:
        """Take images (field, y, x, channel) that are in memory and normalised.

        Examples
        --------
        >>> fields = TrainingFields.from_arrays(np.zeros((2, 8, 8, 3)), np.array([0, 1]), ("untreated", "round"))
        >>> fields.source.table["label"].tolist()
        ['untreated', 'round']
        """
        table = pd.DataFrame({"label": np.array(classes)[labels]})
        constants = _unchanged(images.shape[3])
        return cls(ArraySource(images, table), np.arange(len(images)), labels, classes, constants)

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, chosen: npt.NDArray[np.bool_]) -> TrainingFields:
        """Return the chosen fields."""
        return replace(self, rows=self.rows[chosen], labels=self.labels[chosen])

    def open(self, number: int) -> OpenField:
        """Read a field."""
        return open_field(self.source, int(self.rows[number]), self.normalisation)


def tile_corners(shape: tuple[int, int], crop: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the corners (y, x) of the fewest crops that cover an image, evenly spread.

    Examples
    --------
    >>> tile_corners((640, 256), (256, 256))
    [(0, 0), (192, 0), (384, 0)]
    """
    starts = [
        np.linspace(0, size - edge, math.ceil(size / edge)).round().astype(int).tolist()
        for size, edge in zip(shape, crop, strict=True)
    ]
    return [(y, x) for y in starts[0] for x in starts[1]]


def cut_tiles(field: OpenField, crop: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Cut the crops that cover a field: (tile, y, x, channel), normalised."""
    corners = tile_corners((field.image.shape[0], field.image.shape[1]), crop)
    cut = np.empty((len(corners), *crop, field.image.shape[2]), np.float32)
    for corner, out in zip(corners, cut, strict=True):
        field.cut(corner, out)
    return cut


def label_fields(plates: Mapping[str, xr.Dataset], data: DataSection) -> pd.DataFrame:
    """List the usable fields to learn from, with their class; see `label_wells`.

    Raises
    ------
    InputError
        If a plate has no plate map, or `label_wells` raises it.
    """
    return label_wells(treated_fields(plates), data)


def label_wells(wells: pd.DataFrame, data: DataSection) -> pd.DataFrame:
    """List the wells to learn from, with their class in the column ``label``.

    The class is the value of the recipe's column; that of negative controls is always ``negative_control``. Where there
    are no controls of a kind, the ends of the dose series stand in for them; see `with_stand_ins`.

    Parameters
    ----------
    wells : pandas.DataFrame
        One row a well, or a field; columns ``plate, well`` and the plate map's.
    data : DataSection
        The recipe's section ``data``.

    Raises
    ------
    InputError
        If there is no such column, a class is empty, or fewer than two classes are left (no control wells, say).
    """
    plates = wells["plate"].unique()
    if data.classes not in wells.columns:
        raise InputError(
            f"the plate map has no column {data.classes!r} to take the classes from (data.classes of the recipe); it "
            f"has {', '.join(wells.columns.drop('plate'))}"
        )
    wells = with_stand_ins(wells, data)
    fields = wells[wells["role"].isin(data.roles)].reset_index(drop=True)
    fields["label"] = fields[data.classes].astype(str).where(fields["role"] != NEGATIVE, NEGATIVE)
    fields = fields[~fields["label"].isin(data.exclude)].reset_index(drop=True)
    unnamed = fields.loc[fields["label"] == "", "well"].unique()
    if len(unnamed):
        raise InputError(
            f"well {', '.join(unnamed[:12])}{' and others' if len(unnamed) > 12 else ''} has nothing in the column "
            f"{data.classes!r}; name its class"
        )
    found = fields.groupby("label")["well"].nunique()
    if len(found) < 2:
        counted = ", ".join(f"{count} wells of {label}" for label, count in found.items()) or "none"
        raise InputError(
            f"learning needs at least two classes among the usable wells of role {' or '.join(data.roles)}; "
            f"found {counted} on {', '.join(plates)}: check the roles in the plate map"
        )
    return fields


def survey(source: Source, chosen: npt.NDArray[np.bool_]) -> tuple[Normalisation, bytes]:
    """Read every image once, each rank its share.

    Parameters
    ----------
    source : Source
        The images.
    chosen : numpy.ndarray of bool
        (row of the source's table,): the images that the constants are measured on.

    Returns
    -------
    Normalisation
        Their light's mean and standard deviation.
    bytes
        SHA-256 of each image, from every 16th pixel along each axis of its light.
    """
    place, channels = ranks(), len(source.channels)
    moments = np.zeros((len(source.table), 2, channels))
    digests = np.zeros((len(source.table), hashlib.sha256().digest_size), np.uint8)

    def look(row: int) -> None:
        light = np.empty((channels, *source.shape), np.float32)
        open_field(source, row, _unchanged(channels)).cut((0, 0), np.moveaxis(light, 0, -1))
        digests[row] = np.frombuffer(hashlib.sha256(light[:, ::16, ::16].tobytes()).digest(), np.uint8)
        if chosen[row]:
            moments[row] = light.mean((1, 2), dtype=float), light.var((1, 2), dtype=float)

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(look, range(place.rank, len(moments), place.size)):
            pass
    means, variances = np.moveaxis(add_up(moments)[chosen], 1, 0)
    return Normalisation.pool(means, variances), add_up(digests).tobytes()


def _unchanged(channels: int) -> Normalisation:
    return Normalisation(centre=(0.0,) * channels, scale=(1.0,) * channels)
