"""Where things are in a plate on disk, and the metadata that others read.

::

    <screen>/<plate>.zarr/zarr.json        OME-Zarr plate, and hcskit's own index of the plate
                          A/01/zarr.json   well
                          A/01/1/zarr.json field: multiscales
                          A/01/1/0         ([time,] channel, [z,] y, x): one shard, one chunk an image
                          A/01/1/1 …       the same at half the resolution, for viewers

Layout: OME-Zarr 0.5, https://ngff.openmicroscopy.org/0.5/ (Zarr v3).
"""

from __future__ import annotations

import json
import math
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hcskit.errors import InputError, NotAScreenError
from hcskit.files import make_folder, write_text
from hcskit.flatfield import Flatfield
from hcskit.inputs import read_json
from hcskit.names import child
from hcskit.plate import column_name, parse_well, row_name
from hcskit.screen import SCHEMA_VERSION, Coordinate, PlateInfo

OME_VERSION = "0.5"
_VIEW_SIZE = 256  # viewers need no level smaller than a thumbnail
_AXES = {"time": "t", "channel": "c", "z": "z", "y": "y", "x": "x"}
_PALETTE = ("00FF00", "0080FF", "FF0000", "FFFF00", "FF00FF", "00FFFF")


def plate_path(screen: str | Path, plate: str) -> Path:
    """Return the folder of a plate in a screen.

    Raises
    ------
    InputError
        If the plate's name cannot be the name of a folder.
    """
    return child(screen, plate, ".zarr")


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


def group(attributes: dict[str, Any]) -> str:
    """Return the text of a Zarr group's metadata."""
    return json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes}, indent=1)


def write_group(path: Path, attributes: dict[str, Any]) -> None:
    """Write a Zarr group's metadata, whole or not at all."""
    write_text(make_folder(path) / "zarr.json", group(attributes))


def read_attributes(path: Path) -> dict[str, Any]:
    """Read hcskit's own attributes of a plate.

    Raises
    ------
    NotAScreenError
        If the folder is not a plate that hcskit wrote.
    """
    try:
        attributes = read_json(path / "zarr.json")["attributes"]["hcskit"]
        version = attributes["schema_version"]
    except (FileNotFoundError, NotADirectoryError):
        raise NotAScreenError(f"{path} is not an OME-Zarr plate: it has no zarr.json") from None
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise NotAScreenError(f"{path} is not a plate that hcskit wrote: {error!r} in zarr.json") from error
    if version != SCHEMA_VERSION:
        raise NotAScreenError(f"{path} has schema version {version}; expected {SCHEMA_VERSION}: import it again")
    _check_names(path, attributes)
    return dict(attributes)


def _check_names(path: Path, own: dict[str, Any]) -> None:
    """Refuse names that would lead out of the plate's folder, or its screen's: whoever wrote the file chose them."""
    try:
        child(path, own["name"])
        for well in own["labels"]["well"]:
            parse_well(well)
        strange = [field for field in own["labels"]["field"] if type(field) is not int]
    except (AttributeError, InputError, KeyError, TypeError) as error:
        raise NotAScreenError(f"{path} is not a plate that hcskit wrote: {error} (zarr.json)") from error
    if strange:
        raise NotAScreenError(f"{path} is not a plate that hcskit wrote: field {strange[0]!r} is no number (zarr.json)")


def plate_attributes(
    info: PlateInfo,
    present: npt.NDArray[np.bool_],
    plate_map: pd.DataFrame | None,
    *,
    fingerprint: str,
    complete: bool,
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
    own = {
        "schema_version": SCHEMA_VERSION,
        "complete": complete,
        "fingerprint": fingerprint,
        "name": info.name,
        "labels": {dim: list(labels) for dim, labels in info.labels.items()},
        "shape": list(info.shape),
        "dtype": info.dtype.name,
        "pixel_size_um": info.pixel_size,
        "z_step_um": info.z_step,
        "plate_format": info.plate_format,
        "source": info.source,
        **({"barcode": info.barcode} if info.barcode else {}),
        "coordinates": {
            name: {"dims": list(extra.dims), "values": _without_nan(extra.values), "unit": extra.unit}
            for name, extra in info.coordinates.items()
        },
        "flatfield": {name: asdict(profile) for name, profile in info.flatfield.items()},
        # One bit an image, in the order of `labels`: zlib, base64. A list would outgrow the rest of the file.
        "present": b64encode(zlib.compress(np.packbits(present).tobytes())).decode("ascii"),
        "plate_map": None if plate_map is None else _columns(plate_map),
    }
    plain: dict[str, Any] = json.loads(
        json.dumps({"ome": ome, "hcskit": own})
    )  # tuples as lists, as they are read back
    return plain


def plate_info(own: dict[str, Any]) -> PlateInfo:
    """Read back what `plate_attributes` wrote."""
    labels = {dim: tuple(values) for dim, values in own["labels"].items()}
    return PlateInfo(
        name=own["name"],
        wells=labels["well"],
        fields=labels["field"],
        channels=labels["channel"],
        shape=(own["shape"][0], own["shape"][1]),
        dtype=np.dtype(own["dtype"]),
        pixel_size=own["pixel_size_um"],
        source=own["source"],
        time=labels.get("time", ()),
        z=labels.get("z", ()),
        z_step=own["z_step_um"],
        plate_format=own["plate_format"],
        coordinates={
            name: Coordinate(tuple(extra["dims"]), np.array(extra["values"], dtype=float), extra["unit"])
            for name, extra in own["coordinates"].items()
        },
        flatfield={name: Flatfield.from_dict(profile) for name, profile in own["flatfield"].items()},
        barcode=own.get("barcode", ""),
    )


def plate_presence(own: dict[str, Any]) -> npt.NDArray[np.bool_]:
    """Return which images were acquired, on the axes of the plate's labels."""
    shape = [len(values) for values in own["labels"].values()]
    most = -(-math.prod(shape) // 8)
    bits = np.frombuffer(zlib.decompressobj().decompress(b64decode(own["present"]), most), dtype=np.uint8)
    if len(bits) < most:
        raise ValueError(f"it has labels of {math.prod(shape):,} images, and does not say of each whether it is there")
    return np.unpackbits(bits, count=math.prod(shape)).astype(bool).reshape(shape)


def plate_map(own: dict[str, Any]) -> pd.DataFrame | None:
    """Return the plate map that was kept with a plate; it was checked then."""
    if own["plate_map"] is None:
        return None
    table = pd.DataFrame(own["plate_map"]).set_index("well")
    return table.astype({name: float for name in ("concentration",) if name in table.columns})


def well_attributes(fields: Sequence[int], digest: str) -> dict[str, Any]:
    """Describe a well: the fields that were acquired, and the digest of what they were made from."""
    ome = {"version": OME_VERSION, "well": {"images": [{"path": str(field)} for field in fields]}}
    return {"ome": ome, "hcskit": {"sha256": digest}}


def well_digest(plate: Path, well: str) -> str | None:
    """Return the digest of a well that is there, None of one that is not."""
    try:
        return str(read_json(well_folder(plate, well) / "zarr.json")["attributes"]["hcskit"]["sha256"])
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError):
        return ""  # not ours, or damaged


def field_axes(info: PlateInfo) -> tuple[str, ...]:
    """Names of a field's axes, as OME-Zarr spells them: out of t, c, z, y, x."""
    return tuple(_AXES[dim] for dim in info.dims[2:])


def field_shape(info: PlateInfo, level: int) -> tuple[int, ...]:
    """Return the shape of a field's array; each level has half the rows and columns of the one before, rounded up."""
    leading = [len(labels) for labels in list(info.labels.values())[2:]]
    return (*leading, *(-(-size // 2**level) for size in info.shape))


def shard_path(field: Path, level: int, axes: int) -> Path:
    """Return the file of a level's only shard."""
    return field.joinpath(str(level), "c", *"0" * axes)


def field_attributes(info: PlateInfo) -> dict[str, Any]:
    """Describe a field: its pyramid, its axes in micrometre and its channels."""
    size = {"z": info.z_step, "y": info.pixel_size, "x": info.pixel_size}
    kinds = {"t": "time", "c": "channel"}
    axes = [
        {"name": name, "type": kinds.get(name, "space"), **({"unit": "micrometer"} if size.get(name) else {})}
        for name in field_axes(info)
    ]
    levels = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {
                    "type": "scale",
                    "scale": [(size.get(axis) or 1.0) * (2**level if axis in "yx" else 1) for axis in field_axes(info)],
                }
            ],
        }
        for level in range(pyramid_depth(info.shape))
    ]
    # A corrected image of floats has about the counts of the camera's 16 bits.
    top = float(np.iinfo(np.uint16 if info.dtype.kind == "f" else info.dtype).max)
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


def _without_nan(values: Any) -> Any:
    array = np.asarray(values, dtype=float)
    known = array.astype(object)
    known[np.isnan(array)] = None
    return known.tolist()


def _columns(plate_map: pd.DataFrame) -> dict[str, list[Any]]:
    table = plate_map.reset_index()
    return {
        str(name): values for name, values in table.astype(object).where(table.notna(), None).to_dict("list").items()
    }
