"""Plates in OME-Zarr, written by others: https://ngff.openmicroscopy.org, 0.4 (Zarr v2) and 0.5 (Zarr v3), and older.

Labels are what the metadata say, never a position:

- A well is the *names* of its row and column; ``rowIndex`` and ``columnIndex`` must agree with its path.
- A field is the image's path, where all paths of a plate are numbers (bioformats2raw, ngio, iohub). Otherwise (Fractal
  adds ``0_mip`` beside ``0``) the names of the whole plate are sorted and counted from 0, so a field that one well
  lacks shifts no other.
- A well may hold several acquisitions: further cycles of a staining (Fractal), or further runs of the plate
  (bioformats2raw). They show the same places again, so each is a plate of its own, ``<plate>-acquisition-<id>``.
- A channel is its label in ``omero``; z and time are counted from 0, as the array does.

The image table names the folder of the array of full resolution; ``page`` counts the images in it in C order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import pandas as pd

from hcskit.errors import PlateMapError, ReaderError
from hcskit.platemap import check_plate_map
from hcskit.readers._ngff import Image, Plate, Well, read_group
from hcskit.readers._ome import channel_names, channel_order, check_planes, plate_names
from hcskit.readers.toolkit import (
    IMAGE_SUFFIXES,
    KEYS,
    ZARR_ATTRIBUTES,
    Claim,
    ImageIndex,
    ZarrArray,
    inside,
    is_zarr_empty,
    only,
    read_zarr_array,
    read_zarr_attributes,
)

__all__ = ["claim", "index"]


@dataclass(frozen=True)
class _Field:
    """An image of a well, and the array of its pixels."""

    well: str
    name: str
    acquisition: int | None
    folder: Path
    array: ZarrArray
    image: Image

    @property
    def sizes(self) -> dict[str, int]:
        return dict(zip(self.image.axes, self.array.shape, strict=True))

    @property
    def channels(self) -> tuple[str, ...]:
        return channel_names(self.image.labels, self.sizes.get("c", 1))

    def rows(self, number: int) -> Iterator[tuple[object, ...]]:
        """Yield the table's rows for the images of the array, in the order of their pages."""
        channels = self.channels
        for page, place in enumerate(product(*map(range, self.array.shape[:-2]))):
            at = dict(zip(self.image.axes, place, strict=False))
            yield self.well, number, at.get("t", 0), channels[at.get("c", 0)], at.get("z", 0), str(self.folder), page


def claim(folder: Path, files: Sequence[Path]) -> Claim | None:  # noqa: ARG001 - every reader has it
    """Claim a folder that is, or has in it, an OME-Zarr plate."""
    plates = _plates(files)
    return Claim(f"{plates[0].name} is an OME-Zarr plate") if plates else None


def index(folder: Path, files: Sequence[Path]) -> list[ImageIndex]:  # noqa: ARG001
    """Index the plates, and each acquisition of a plate by itself.

    Raises
    ------
    ReaderError
        If metadata are malformed, contradict each other, lead out of the plate, or ask for a codec that is not plain.
    """
    found = [(path, plate) for path in _plates(files) if (plate := read_group(path, Plate, "plate"))]
    names = plate_names([plate.name for _, plate in found], [path for path, _ in found])
    return [one for (path, plate), name in zip(found, names, strict=True) for one in _index_plate(path, plate, name)]


def _plates(files: Sequence[Path]) -> list[Path]:
    """Return the folders that say they are a plate; a malformed one counts, so that its fault is told."""
    return sorted(file for file in files if file.suffix.lower() not in IMAGE_SUFFIXES and _says_plate(file))


def _says_plate(folder: Path) -> bool:
    files = (folder / name for name in ZARR_ATTRIBUTES)
    if not any(file.is_file() and b'"plate"' in file.read_bytes() for file in files):
        return False
    try:
        return "plate" in (read_zarr_attributes(folder) or {})
    except ReaderError:
        return True


def _index_plate(path: Path, plate: Plate, name: str) -> list[ImageIndex]:
    wells = {inside(path, well.path): plate.well_name(well, path) for well in plate.wells}
    with ThreadPoolExecutor() as pool:
        found = [one for well in pool.map(_read_well, wells, wells.values()) for one in well]
    fields = [one for one in found if isinstance(one, _Field)]
    runs = sorted({field.acquisition for field in fields}, key=lambda run: -1 if run is None else run) or [None]
    return [
        ImageIndex(
            name if run is None or len(runs) == 1 else f"{name}-acquisition-{run}",
            **_tabulate([field for field in fields if field.acquisition == run]),
            source=f"{path} (OME-Zarr)",
            plate_format=plate.size,
            plate_map=_plate_map(path),
            absent=tuple(str(one) for one in found if isinstance(one, Path)),
        )
        for run in runs
    ]


def _plate_map(folder: Path) -> pd.DataFrame | None:
    """Return the plate map that hcskit has kept with a plate of its own."""
    kept = (read_zarr_attributes(folder, "hcskit") or {}).get("plate_map")
    if kept is None:
        return None
    try:
        return check_plate_map(pd.DataFrame(kept), f"the plate map of {folder}")
    except (PlateMapError, ValueError, TypeError, AttributeError) as error:
        raise ReaderError(f"{folder} holds a plate map that cannot be read: {error}") from error


def _tabulate(fields: Sequence[_Field]) -> dict[str, Any]:
    """Return what an index says of the images themselves."""
    numbers, notes = _field_numbers({field.name for field in fields})
    rows = (row for field in fields for row in field.rows(numbers[field.name]))
    spacing = [field.image.spacing() for field in fields]
    stacks = [field.image.spacing() for field in fields if field.sizes.get("z", 1) > 1]
    unnamed = sum(len([label for label in field.image.labels if label]) != len(field.channels) for field in fields)
    if unnamed:
        notes.append(f"{unnamed} image(s) do not name each of their channels; these have a number")
    if void := [field.folder for field in fields if is_zarr_empty(field.folder)]:
        notes.append(
            f"{len(void)} image(s) have no chunk and are read as zeros, such as {void[0]}; is the copy complete?"
        )
    return {
        "table": pd.DataFrame(rows, columns=[*KEYS, "path", "page"]),
        "channels": channel_order(field.channels for field in fields),
        "pixel_size": only(pixel.get(axis) for pixel in spacing for axis in "yx"),
        "z_step": only(voxel.get("z") for voxel in stacks),
        "notes": tuple(notes),
    }


def _read_well(folder: Path, name: str) -> list[_Field | Path]:
    """Read the fields of a well; what is named but not there by its folder."""
    well = read_group(folder, Well, "well")
    if well is None:
        return [folder]
    images = dict.fromkeys((image.path.rstrip("/"), image.acquisition) for image in well.images)
    return [_read_field(inside(folder, path), name, path, acquisition) for path, acquisition in images]


def _read_field(folder: Path, well: str, name: str, acquisition: int | None) -> _Field | Path:
    image = read_group(folder, Image)
    if image is None:
        return folder
    place = inside(folder, image.path)
    array = read_zarr_array(place)
    if array is None:
        return place
    axes = image.axes
    known = set(axes) <= set("tczyx") and len(set(axes)) == len(axes)
    if not known or axes[-2:] != ("y", "x") or len(axes) != len(array.shape):
        raise ReaderError(
            f"{place} has the sizes {array.shape} along the axes {', '.join(axes)}; expected one size for each axis, "
            "out of t, c, z, y, x, with y and x the last"
        )
    check_planes(prod(array.shape[:-2]), place)
    return _Field(well, name, acquisition, place, array, image)


def _field_numbers(names: Iterable[str]) -> tuple[dict[str, int], list[str]]:
    """Return the field of each image name, and a note where the names are not numbers."""
    if all(name.isdecimal() for name in names):
        return {name: int(name) for name in names}, []
    ordered = sorted(names, key=lambda name: ([part.zfill(20) for part in re.split(r"(\d+)", name)], name))
    numbers = {name: number for number, name in enumerate(ordered)}
    listed = ", ".join(f"{number} is {name}" for name, number in list(numbers.items())[:6])
    return numbers, [f"the images have names, so fields are numbered in their order: {listed}"]
