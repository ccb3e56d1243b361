"""Where things are in a plate on disk, and the metadata that others read.

::

    <screen>/<plate>.zarr/zarr.json        OME-Zarr plate, and hcskit's own index of the plate
                          A/01/zarr.json   well
                          A/01/1/zarr.json field: multiscales
                          A/01/1/0         (channel, y, x): one shard, one chunk a channel
                          A/01/1/1 …       the same at half the resolution, for viewers

Layout: OME-Zarr 0.5, https://ngff.openmicroscopy.org/0.5/ (Zarr v3).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hcskit.errors import InputError, NotAScreenError
from hcskit.plate import column_name, parse_well, row_name
from hcskit.screen import SCHEMA_VERSION, PlateInfo

OME_VERSION = "0.5"
_VIEW_SIZE = 256  # viewers need no level smaller than a thumbnail
_PALETTE = ("00FF00", "0080FF", "FF0000", "FFFF00", "FF00FF", "00FFFF")


def plate_path(screen: str | Path, plate: str) -> Path:
    """Return the folder of a plate in a screen.

    Raises
    ------
    InputError
        If the plate's name cannot be the name of a folder.
    """
    if not re.fullmatch(r"[^/\\\0]{1,200}", plate) or plate.startswith("."):
        raise InputError(f"{plate!r} cannot be the name of a plate: expected a name without slashes or a leading dot")
    return Path(screen) / f"{plate}.zarr"


def well_folder(plate: Path, well: str) -> Path:
    """Return the folder of a well."""
    position = parse_well(well)
    return plate / row_name(position.row) / column_name(position.column)


def pyramid_depth(shape: tuple[int, int]) -> int:
    """Return the number of levels, each half the size of the one before.

    Examples
    --------
    >>> pyramid_depth((1024, 1280))
    3
    """
    return 1 + max(0, int(np.ceil(np.log2(min(shape) / _VIEW_SIZE))))


def write_group(path: Path, attributes: dict[str, Any]) -> None:
    """Write a Zarr group's metadata, whole or not at all."""
    path.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes}, indent=1)
    partial = path / f".zarr.json.{os.getpid()}"
    partial.write_text(text, encoding="utf-8")
    partial.replace(path / "zarr.json")


def read_attributes(path: Path) -> dict[str, Any]:
    """Read hcskit's own attributes of a plate.

    Raises
    ------
    NotAScreenError
        If the folder is not a plate that hcskit wrote.
    """
    try:
        attributes = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]["hcskit"]
        version = attributes["schema_version"]
    except (FileNotFoundError, NotADirectoryError):
        raise NotAScreenError(f"{path} is not an OME-Zarr plate: it has no zarr.json") from None
    except (KeyError, TypeError, ValueError) as error:
        raise NotAScreenError(f"{path} is not a plate that hcskit wrote: {error!r} in zarr.json") from error
    if version != SCHEMA_VERSION:
        raise NotAScreenError(
            f"{path} has schema version {version}; this hcskit reads {SCHEMA_VERSION}: import it again"
        )
    return dict(attributes)


def plate_attributes(
    info: PlateInfo, missing: Sequence[tuple[str, int, str]], plate_map: pd.DataFrame, *, complete: bool
) -> dict[str, Any]:
    """Describe a plate: ``ome`` for everyone, ``hcskit`` for opening it with one read."""
    wells = [parse_well(name) for name in info.wells]
    rows = [row_name(row) for row in sorted({well.row for well in wells})]
    columns = [column_name(column) for column in sorted({well.column for well in wells})]
    ome = {
        "version": OME_VERSION,
        "plate": {
            "version": OME_VERSION,
            "name": info.name,
            "rows": [{"name": name} for name in rows],
            "columns": [{"name": name} for name in columns],
            "wells": [
                {
                    "path": f"{row_name(well.row)}/{column_name(well.column)}",
                    "rowIndex": rows.index(row_name(well.row)),
                    "columnIndex": columns.index(column_name(well.column)),
                }
                for well in wells
            ],
            "field_count": len(info.fields),
        },
    }
    table = plate_map.reset_index()
    own = {
        "schema_version": SCHEMA_VERSION,
        "complete": complete,
        "name": info.name,
        "wells": list(info.wells),
        "fields": list(info.fields),
        "channels": list(info.channels),
        "shape": list(info.shape),
        "dtype": info.dtype.name,
        "pixel_size_um": info.pixel_size,
        "source": info.source,
        "missing": [list(image) for image in missing],
        "plate_map": table.astype(object).where(table.notna(), None).to_dict("list"),
    }
    return {"ome": ome, "hcskit": own}


def plate_info(own: dict[str, Any]) -> PlateInfo:
    """Read back what `plate_attributes` wrote."""
    return PlateInfo(
        name=own["name"],
        wells=tuple(own["wells"]),
        fields=tuple(own["fields"]),
        channels=tuple(own["channels"]),
        shape=(own["shape"][0], own["shape"][1]),
        dtype=np.dtype(own["dtype"]),
        pixel_size=own["pixel_size_um"],
        source=own["source"],
    )


def well_attributes(fields: Sequence[int]) -> dict[str, Any]:
    """Describe a well: the fields that were acquired."""
    return {"ome": {"version": OME_VERSION, "well": {"images": [{"path": str(field)} for field in fields]}}}


def field_attributes(info: PlateInfo) -> dict[str, Any]:
    """Describe a field: its pyramid, its axes in micrometre and its channels."""
    unit = {} if info.pixel_size is None else {"unit": "micrometer"}
    size = info.pixel_size or 1.0
    levels = [
        {
            "path": str(level),
            "coordinateTransformations": [{"type": "scale", "scale": [1.0, size * 2**level, size * 2**level]}],
        }
        for level in range(pyramid_depth(info.shape))
    ]
    axes = [
        {"name": "c", "type": "channel"},
        {"name": "y", "type": "space", **unit},
        {"name": "x", "type": "space", **unit},
    ]
    top = float(np.iinfo(info.dtype).max)
    channels = [
        {
            "label": name,
            "color": _PALETTE[number % len(_PALETTE)],
            "active": True,
            "window": {"min": 0.0, "max": top, "start": 0.0, "end": top},
        }
        for number, name in enumerate(info.channels)
    ]
    return {
        "ome": {
            "version": OME_VERSION,
            "multiscales": [{"name": "field", "axes": axes, "datasets": levels}],
            "omero": {"channels": channels},
        }
    }
