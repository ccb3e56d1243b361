"""Opening: one read of metadata per plate, pixels only when they are asked for."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import distributed  # noqa: F401 - Dask loads it when it first computes: the first pixel shall not wait for it
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from hcskit.errors import DamagedError, InputError, NotAScreenError, StoreError
from hcskit.lazy import PlaneArray
from hcskit.results import (
    DISTANCES,
    PREDICTIONS,
    PROFILES,
    QUALITY,
    RESPONSES,
    STRENGTHS,
    Table,
    has_table,
    plates_set_aside,
    read_table,
)
from hcskit.screen import PlateInfo, make_plate, max_projection, screen_tree
from hcskit.store import _layout
from hcskit.store._shard import read_image_of_shard

__all__ = [
    "at_level",
    "chunked",
    "finished_plates",
    "lazy_plates",
    "open_plate",
    "open_plates",
    "plate_folders",
    "with_results",
]

#: Results that have a row for each label of a plate.
_PLATE_RESULTS = (QUALITY, PREDICTIONS, STRENGTHS, DISTANCES, PROFILES)


def open_plates(path: str | Path) -> dict[str, xr.Dataset]:
    """Open the imported plates of a screen by name, ready to be analysed: lazy, and of two-dimensional images.

    Raises
    ------
    NotAScreenError
        If there is no plate.
    InputError
        If a plate has several time points; see `hcskit.screen.max_projection`.
    """
    return {name: max_projection(chunked(plate)) for name, plate in lazy_plates(path).items()}


def open_plate(path: str | Path) -> xr.Dataset:
    """Open one plate lazily.

    Returns
    -------
    xarray.Dataset
        As `hcskit.screen.make_plate` describes; ``excluded`` (well, field) is added where the quality step ran.

    Raises
    ------
    NotAScreenError
        If the folder is not a plate.
    StoreError
        If its import was not finished.
    """
    path = Path(path)
    return chunked(_lazy_plate(path, _Results(path.parent).of_plates(QUALITY)))


def lazy_plates(path: str | Path) -> dict[str, xr.Dataset]:
    """Open the plates of a screen by name, without Dask: an image is read when it is indexed.

    A plate whose import was not finished is left out with a warning, if there are others. So are plates that a step
    has set aside, without a warning.

    Parameters
    ----------
    path : path-like
        Folder of a screen, or of one plate.

    Raises
    ------
    StoreError
        If no plate's import was finished.
    InputError
        If two plates have one name, as a copied folder has.
    """
    quality = _Results(_screen_of(path)).of_plates(QUALITY)
    plates: dict[str, xr.Dataset] = {}
    folders: dict[str, Path] = {}
    unfinished: list[StoreError] = []
    aside = plates_set_aside(_screen_of(path))
    for folder in plate_folders(path):
        if folder.stem in aside and folder != Path(path):
            continue
        try:
            plate = _lazy_plate(folder, quality)
        except StoreError as error:
            unfinished.append(error)
            continue
        name = str(plate.attrs["plate"])
        if name in plates:
            raise InputError(
                f"the plate {name} is there twice: {folders[name]} and {folder}; move one of them to another screen"
            )
        plates[name], folders[name] = plate, folder
    if unfinished and not plates:
        raise unfinished[0]
    for reason in unfinished:
        warnings.warn(f"left out: {reason}", stacklevel=2)
    return plates


def chunked(plate: xr.Dataset) -> xr.Dataset:
    """Turn the images of a lazy plate into a Dask array with one block an image."""
    image = plate.variables["image"]
    array: PlaneArray = image._data.array  # type: ignore[union-attr]
    return plate.assign(image=array.chunked(tuple(map(str, image.dims))))


def with_results(path: str | Path, plates: dict[str, xr.Dataset]) -> xr.DataTree:
    """Gather plates into a screen, each with the results that were computed for it, joined by label."""
    nodes = dict(plates)
    results = _Results(_screen_of(path))
    for table in _PLATE_RESULTS:
        for name, rows in results.of_plates(table).items():
            if name in plates:
                labelled = _features(rows) if table is PROFILES else rows.to_xarray()
                nodes[f"{name}/{table.name}"] = _with_labels(labelled, plates[name])
    for name, plate in plates.items():
        responses = results.of_compounds(plate)
        if responses is not None:
            nodes[f"{name}/{RESPONSES.name}"] = responses
    return screen_tree(nodes, Path(path).resolve().name)


def plate_folders(path: str | Path) -> list[Path]:
    """Return the folders of a screen's plates, sorted by name.

    Raises
    ------
    NotAScreenError
        If there is none.
    """
    path = Path(path)
    if path.suffix != ".zarr" and not path.is_dir():
        raise NotAScreenError(f"there is no folder {path}")
    folders = [path] if path.suffix == ".zarr" else sorted(path.glob("*.zarr"))
    if not folders:
        raise NotAScreenError(f"{path} holds no plate (a folder <name>.zarr); import one first")
    return folders


def finished_plates(path: str | Path) -> set[str]:
    """Return the names of the plates of a screen whose import was finished."""
    return {folder.stem for folder in Path(path).glob("*.zarr") if _layout.read_attributes(folder).get("complete")}


def at_level(plate: xr.Dataset, level: int) -> xr.Dataset:
    """Return a plate of `lazy_plates` at another level of its image pyramid; its labels are not read again.

    Parameters
    ----------
    plate : xarray.Dataset
        The plate at level 0, as it was opened.
    level : int
        Each has half the rows and columns of the one before. A plate that has fewer levels is returned at its last.
    """
    source: _StoredImages = plate.variables["image"]._data.array.read  # type: ignore[union-attr]
    level = min(level, _layout.pyramid_depth(source.info.shape) - 1)
    rows, columns = _layout.field_shape(source.info, level)[-2:]
    pixel = None if source.info.pixel_size is None else source.info.pixel_size * 2**level
    info, present = replace(source.info, shape=(rows, columns), pixel_size=pixel), plate["present"].to_numpy()
    array = PlaneArray(replace(source, info=info, level=level), present, info.shape, info.dtype)
    there = make_plate(info, array.variable(info.dims), present)
    there = there.assign_coords({name: plate[name] for name in plate.coords if name not in there.coords})
    return there.assign(excluded=plate["excluded"]) if "excluded" in plate else there


def _lazy_plate(path: Path, quality: Mapping[str, pd.DataFrame]) -> xr.Dataset:
    own = _layout.read_attributes(path)
    if not own.get("complete"):
        raise StoreError(f"the import of {path} was not finished; import it again to add the missing wells")
    try:
        info, present = _layout.plate_info(own), _layout.plate_presence(own)
        array = PlaneArray(_StoredImages(path.resolve(), info, 0), present, info.shape, info.dtype)
        plate = make_plate(info, array.variable(info.dims), present, _layout.plate_map(own))
        plate.encoding["source"] = str(path)  # as xarray names it
    except Exception as error:  # whatever a damaged file makes of these
        raise NotAScreenError(f"{path} is not a plate that hcskit wrote: {error!r} in zarr.json") from error
    if info.name in quality:
        excluded = quality[info.name]["excluded"].groupby(level=["well", "field"]).any()
        fields = pd.MultiIndex.from_product([info.wells, info.fields])
        flags = excluded.reindex(fields, fill_value=False).to_numpy(dtype=bool)
        plate["excluded"] = ("well", "field"), flags.reshape(len(info.wells), len(info.fields))
    return plate


@dataclass(frozen=True, eq=False)
class _StoredImages:
    """Reads the image at a position out of its shard; see `hcskit.lazy.PlaneArray`."""

    path: Path
    info: PlateInfo
    level: int

    def __call__(self, position: tuple[int, ...]) -> npt.NDArray[Any]:
        well, field, *rest = position
        info = self.info
        folder = _layout.well_folder(self.path, info.wells[well]) / str(info.fields[field])
        sizes = _layout.field_shape(info, 0)[:-2]
        number = 0
        for place, size in zip(rest, sizes, strict=True):
            number = number * size + place
        try:
            shard = _layout.shard_path(folder, self.level, len(sizes) + 2)
            return read_image_of_shard(shard, number, math.prod(sizes), info.shape, info.dtype)
        except FileNotFoundError:
            raise DamagedError(f"{folder} cannot be read: its pixels are gone; was the plate copied whole?") from None
        except (OSError, ValueError, RuntimeError) as error:
            raise DamagedError(f"{folder} cannot be read: {error}; was the plate copied whole?") from error


def _screen_of(path: str | Path) -> Path:
    return Path(path).parent if Path(path).suffix == ".zarr" else Path(path)


@dataclass(frozen=True)
class _Results:
    """The result tables of a screen; none where a step has not run."""

    screen: Path

    def of_plates(self, table: Table) -> dict[str, pd.DataFrame]:
        """Return a table's rows of each plate."""
        if not has_table(self.screen, table):
            return {}
        groups = read_table(self.screen, table).groupby(level="plate")
        return {str(plate): rows.droplevel("plate") for plate, rows in groups}

    def of_compounds(self, plate: xr.Dataset) -> xr.Dataset | None:
        """Return the responses of the compounds on a plate; they are fitted to all plates of the screen together."""
        if "compound" not in plate.coords or not has_table(self.screen, RESPONSES):
            return None
        table = read_table(self.screen, RESPONSES)
        rows = table[table.index.get_level_values("compound").isin(plate["compound"].to_numpy())]
        return None if rows.empty else rows.to_xarray()


def _with_labels(labelled: xr.Dataset, plate: xr.Dataset) -> xr.Dataset:
    """Return the results of a plate with all its labels."""
    shared = {name: plate[name].to_numpy() for name in labelled.dims if name in plate.dims}
    empty = {name: False if values.dtype.kind == "b" else np.nan for name, values in labelled.items()}
    return labelled.reindex(shared, fill_value=empty)


def _features(wells: pd.DataFrame) -> xr.Dataset:
    """Return the features of wells as one array ``value`` (well, feature), and those that are no numbers apart."""
    numbers = wells.select_dtypes("number")
    labels = {"well": wells.index, "feature": numbers.columns.astype(str)}
    features = xr.DataArray(numbers.to_numpy(float), labels, tuple(labels))
    others = wells.drop(columns=numbers.columns)
    # A slash would be a path to a DataTree.
    return others.rename(columns=lambda name: str(name).replace("/", "_")).to_xarray().assign(value=features)
