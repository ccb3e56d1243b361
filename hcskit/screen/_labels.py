"""The labels of a plate, and what is known of it before any pixel is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hcskit.flatfield import Flatfield

__all__ = ["DIMS", "SCHEMA_VERSION", "Coordinate", "PlateInfo"]

#: Dimensions of ``image``, in order (that of OME-Zarr); ``time`` and ``z`` only where more than one was acquired.
DIMS = ("well", "field", "time", "channel", "z", "y", "x")
#: Version of the layout described above; written with every plate.
SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class Coordinate:
    """A further coordinate of a plate, such as the exposure of each channel.

    Attributes
    ----------
    dims : tuple of str
        Dimensions, out of `DIMS`.
    values : nested sequence of float
        One value for each label; NaN where it is not known.
    unit : str
        Unit of the values, as UCUM writes it (``um``, ``s``, ``nm``).
    """

    dims: tuple[str, ...]
    values: Any
    unit: str


@dataclass(frozen=True, slots=True)
class PlateInfo:
    """What is known of a plate before any pixel is read.

    Attributes
    ----------
    name : str
        The plate's id.
    wells, fields, channels : tuple
        Labels of the axes: well names (``A01``), field numbers as acquired, channel names.
    shape : tuple of int
        Rows and columns (y, x) of one image.
    dtype : numpy.dtype
        The camera's pixel type.
    pixel_size : float or None
        Edge of a pixel in micrometre, where the export says it.
    source : str
        Where the images came from.
    time, z : tuple of int
        Numbers of the time points and planes; empty where only one was acquired.
    z_step : float or None
        Distance of two planes in micrometre.
    plate_format : int or None
        Number of wells of the plate, where the export says it.
    coordinates : mapping of str to Coordinate
        What else the export says: ``exposure`` (channel), ``position_x`` (well, field) …
    flatfield : mapping of str to Flatfield
        The vendor's illumination of a channel.
    barcode : str
        What the export calls the plate, where that is not `name`.
    """

    name: str
    wells: tuple[str, ...]
    fields: tuple[int, ...]
    channels: tuple[str, ...]
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    pixel_size: float | None = None
    source: str = ""
    time: tuple[int, ...] = ()
    z: tuple[int, ...] = ()
    z_step: float | None = None
    plate_format: int | None = None
    coordinates: Mapping[str, Coordinate] = field(default_factory=dict)
    flatfield: Mapping[str, Flatfield] = field(default_factory=dict)
    barcode: str = ""

    @property
    def labels(self) -> dict[str, tuple[Any, ...]]:
        """Labels of the dimensions of ``present``, in order."""
        axes = (self.wells, self.fields, self.time, self.channels, self.z)
        return {dim: axis for dim, axis in zip(DIMS, axes, strict=False) if dim not in ("time", "z") or axis}

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions of ``image``, in order."""
        return (*self.labels, "y", "x")
