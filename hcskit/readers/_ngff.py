"""OME-Zarr metadata of plates, wells and images, checked: https://ngff.openmicroscopy.org, versions 0.1 to 0.5."""

from __future__ import annotations

from functools import reduce
from itertools import product
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, ValidationError

from hcskit.errors import InputError, ReaderError
from hcskit.plate import FORMATS, PlateFormat, parse_well
from hcskit.readers._ome import micrometres
from hcskit.readers.toolkit import read_zarr_attributes

__all__ = ["Image", "Plate", "PlateWell", "Well", "read_group"]

_LETTERS = {"time": "t", "channel": "c"}
_Model = TypeVar("_Model", bound=BaseModel)


class _Metadata(BaseModel):
    # Rows and columns have names, yet some writers give numbers.
    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)


class _Named(_Metadata):
    name: str


class PlateWell(_Metadata):
    """Where a well is; 0.4 has ``rowIndex`` and ``columnIndex`` beside the path."""

    path: str
    row: NonNegativeInt | None = Field(None, alias="rowIndex")
    column: NonNegativeInt | None = Field(None, alias="columnIndex")


class Plate(_Metadata):
    """A plate and its wells."""

    name: str | None = None
    rows: tuple[_Named, ...] = ()
    columns: tuple[_Named, ...] = ()
    wells: tuple[PlateWell, ...]

    def well_name(self, well: PlateWell, source: Path) -> str:
        """Return a well's name, ``A01``; an error names the plate by its `source`.

        Raises
        ------
        ReaderError
            If it has none, or its path and its row and column contradict each other.
        """
        path = tuple(part for part in well.path.split("/") if part not in ("", "."))[-2:]
        said = {path} if len(path) == 2 else set()
        if well.row is not None and well.column is not None:
            if well.row >= len(self.rows) or well.column >= len(self.columns):
                raise ReaderError(
                    f"{source}: well {well.path} is in row {well.row + 1}, column {well.column + 1} of a plate of "
                    f"{len(self.rows)} rows and {len(self.columns)} columns; its metadata contradict themselves"
                )
            said.add((self.rows[well.row].name, self.columns[well.column].name))
        names = {name for row, column in said if (name := _well(row, column))}
        if len(names) != 1:
            words = " and ".join(f"row {row!r}, column {column!r}" for row, column in sorted(said))
            raise ReaderError(
                f"{source}: well {well.path} is {words or 'in no row'}; expected one row and one column, such as A/1, "
                "C/07 or AF/48"
            )
        return names.pop()

    @property
    def size(self) -> int | None:
        """Number of wells, if all rows and columns of a standard plate are listed and not only those in use.

        Many writers (ngio, Fractal, iohub) list what was imaged: then 2 × 3 wells of a plate of 96 look like one of 6.
        """
        names = [_well(row.name, column.name) for row, column in product(self.rows, self.columns)]
        format = PlateFormat(len(self.rows), len(self.columns))
        if FORMATS.get(format.size) != format or not all(name and parse_well(name) in format for name in names):
            return None
        used = {(well.row, well.column) for well in self.wells}
        partly = len({row for row, _ in used}) < format.rows or len({column for _, column in used}) < format.columns
        return format.size if partly or format.size >= 96 else None


class _WellImage(_Metadata):
    path: str
    acquisition: int | None = None


class Well(_Metadata):
    """A well: its images, each of one acquisition."""

    images: tuple[_WellImage, ...]


class _Axis(_Metadata):
    name: str
    type: str | None = None
    unit: str | None = None

    @property
    def letter(self) -> str:
        """One of t, c, z, y, x; or another name."""
        return _LETTERS.get(self.type or self.name.lower(), self.name.lower())


class _Transformation(_Metadata):
    scale: tuple[float, ...] | None = None


class _Dataset(_Metadata):
    path: str
    transformations: tuple[_Transformation, ...] = Field((), alias="coordinateTransformations")


def _named_axes(axes: Any) -> Any:
    """Version 0.3 has names for axes; 0.1 and 0.2 have five axes and no list."""
    return [{"name": axis} if isinstance(axis, str) else axis for axis in axes] if isinstance(axes, list) else axes


class _Multiscale(_Metadata):
    axes: Annotated[tuple[_Axis, ...], BeforeValidator(_named_axes)] = tuple(_Axis(name=name) for name in "tczyx")
    datasets: tuple[_Dataset, ...] = Field(min_length=1)
    transformations: tuple[_Transformation, ...] = Field((), alias="coordinateTransformations")


class _Channel(_Metadata):
    label: str | None = None


class _Omero(_Metadata):
    channels: tuple[_Channel, ...] = ()


class Image(_Metadata):
    """A pyramid, of which the first level is the image itself, and the labels of its channels."""

    multiscales: tuple[_Multiscale, ...] = Field(min_length=1)
    omero: _Omero | None = None

    @property
    def path(self) -> str:
        """Path of the array of full resolution."""
        return self.multiscales[0].datasets[0].path

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes, t, c, z, y, x in one letter."""
        return tuple(axis.letter for axis in self.multiscales[0].axes)

    @property
    def labels(self) -> list[str | None]:
        """Labels of the channels."""
        return [channel.label for channel in self.omero.channels] if self.omero else []

    def spacing(self) -> dict[str, float | None]:
        """Return the distance of two pixels along each axis, in micrometre; None where the unit is no length."""
        whole = self.multiscales[0]
        steps = (*whole.datasets[0].transformations, *whole.transformations)
        scales = [step.scale for step in steps if step.scale and len(step.scale) == len(whole.axes)]
        sizes = reduce(np.multiply, scales, np.ones(len(whole.axes))) if scales else np.zeros(len(whole.axes))
        return {axis.letter: micrometres(size, axis.unit) for axis, size in zip(whole.axes, sizes, strict=True)}


def read_group(folder: Path, model: type[_Model], key: str | None = None) -> _Model | None:
    """Return what a group says, checked; None if it is not there.

    Raises
    ------
    ReaderError
        If it is not what OME-Zarr has in such a place.
    """
    attributes = read_zarr_attributes(folder)
    if attributes is None:
        return None
    try:
        return model.model_validate(attributes.get(key) if key else attributes)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:3])
        what = model.__name__.lower()
        raise ReaderError(f"{folder} does not describe a {what} as OME-Zarr 0.1 to 0.5 do: {faults}") from error


def _well(row: str, column: str) -> str | None:
    try:
        return parse_well(row + column).name if row.isalpha() and column.isdecimal() else None
    except InputError:
        return None
