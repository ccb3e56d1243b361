"""The one data object: a screen is an `xarray.DataTree`, a plate is a labelled `xarray.Dataset` in it.

::

    /                    attrs: name, schema_version
    └── <plate id>       image (well, field, channel, y, x), present (well, field, channel)
        ├── quality      (well, field, channel)
        ├── predictions  (well, phenotype)
        └── responses    (compound, readout)

Everything is addressed by label. A field that was not acquired is ``present == False`` and zero in ``image``; it
never shifts its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hcskit.errors import InputError, PlateMapError
from hcskit.plate import format_for, parse_well, row_name

__all__ = ["DIMS", "SCHEMA_VERSION", "PlateInfo", "field_table", "make_plate", "match_plate_map", "screen_tree"]

#: Dimensions of ``image``, in order.
DIMS = ("well", "field", "channel", "y", "x")
#: Version of the layout described above; written with every plate.
SCHEMA_VERSION = 1


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
    """

    name: str
    wells: tuple[str, ...]
    fields: tuple[int, ...]
    channels: tuple[str, ...]
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    pixel_size: float | None = None
    source: str = ""


def make_plate(info: PlateInfo, image: Any, present: Any, plate_map: pd.DataFrame | None = None) -> xr.Dataset:
    """Label the images of a plate.

    Parameters
    ----------
    info : PlateInfo
        Labels and constants.
    image : array-like
        Shape (well, field, channel, y, x); normally a lazy Dask array.
    present : array-like of bool
        Shape (well, field, channel): was this image acquired?
    plate_map : pandas.DataFrame, optional
        As `hcskit.platemap.check_plate_map` returns it; its columns become coordinates of ``well``.

    Returns
    -------
    xarray.Dataset
        Variables ``image`` and ``present``; coordinates ``well, field, channel, row, column`` and those of the map.
        ``concentration`` is in the well's own ``concentration_unit``; a compound has one unit.

    Raises
    ------
    InputError
        If the arrays do not fit the labels.
    """
    shape = (len(info.wells), len(info.fields), len(info.channels), *info.shape)
    if np.shape(image) != shape or np.shape(present) != shape[:3]:
        raise InputError(
            f"plate {info.name}: image has shape {np.shape(image)} and present {np.shape(present)}; "
            f"the labels ask for {shape} and {shape[:3]}"
        )
    positions = [parse_well(name) for name in info.wells]
    coordinates: dict[str, Any] = {
        "well": ("well", np.array(info.wells, dtype=object)),
        "field": ("field", np.array(info.fields, dtype=np.int64)),
        "channel": ("channel", np.array(info.channels, dtype=object)),
        "row": ("well", [row_name(well.row) for well in positions]),
        "column": ("well", [well.column + 1 for well in positions]),
    }
    if plate_map is not None:
        rows = plate_map.reindex(list(info.wells))
        coordinates |= {str(name): ("well", rows[name].to_numpy()) for name in rows.columns}
    attributes = {
        "plate": info.name,
        "plate_format": format_for(positions).size,
        "pixel_size_um": info.pixel_size,
        "source": info.source,
    }
    return xr.Dataset(
        {"image": (DIMS, image), "present": (DIMS[:3], np.asarray(present, dtype=bool))},
        coords=coordinates,
        attrs={name: value for name, value in attributes.items() if value is not None},
    )


def match_plate_map(
    wells: Sequence[str], plate_map: pd.DataFrame, *, plate: str, allow_missing: bool = False
) -> pd.DataFrame:
    """Return the rows of a plate map for the wells that were imaged, or say what does not fit.

    Parameters
    ----------
    wells : sequence of str
        Names of the wells that have images.
    plate_map : pandas.DataFrame
        As `hcskit.platemap.check_plate_map` returns it.
    plate : str
        The plate's id, for the error.
    allow_missing : bool
        Accept wells that are in the map but were not imaged; they stay absent.

    Raises
    ------
    PlateMapError
        If an imaged well is not in the map, or a mapped well (other than ``empty``) was not imaged.
    """
    unmapped = sorted(set(wells) - set(plate_map.index), key=parse_well)
    wanted = plate_map.index[plate_map["role"] != "empty"]
    absent = sorted(set(wanted) - set(wells), key=parse_well)
    if unmapped:
        raise PlateMapError(
            f"plate {plate}: {len(unmapped)} imaged well(s) are not in the plate map: {_some(unmapped)}; "
            "add a row for each (role empty if it holds nothing of interest)"
        )
    if absent and not allow_missing:
        raise PlateMapError(
            f"plate {plate}: {len(absent)} well(s) of the plate map have no image: {_some(absent)}; remove them from "
            "the map, give them the role empty, or set allow_missing if they were not acquired"
        )
    return plate_map.loc[sorted(wells, key=parse_well)]


def field_table(plate: xr.Dataset) -> pd.DataFrame:
    """List the fields of a plate that can be used.

    A field is used if all its channels were acquired and the quality step, where it ran, did not exclude it.

    Returns
    -------
    pandas.DataFrame
        Columns ``plate, well, field`` and the plate map's; one row a field, in plate order.
    """
    usable = plate["present"].all("channel")
    if "excluded" in plate:
        usable = usable & ~plate["excluded"].astype(bool)
    rows = usable.to_series()
    table = rows[rows].index.to_frame(index=False)
    table.insert(0, "plate", plate.attrs["plate"])
    wells = plate.coords.to_dataset()[[name for name in plate.coords if plate[name].dims == ("well",)]]
    return table.merge(wells.to_dataframe().reset_index(), on="well", how="left")


def screen_tree(plates: Mapping[str, xr.Dataset], name: str) -> xr.DataTree:
    """Gather plates into a screen.

    Examples
    --------
    >>> screen_tree({}, "empty").name
    'empty'
    """
    tree = xr.DataTree.from_dict(dict(plates), name=name)
    tree.attrs = {"name": name, "schema_version": SCHEMA_VERSION}
    return tree


def _some(names: Sequence[str], limit: int = 12) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
