"""A plate as a labelled dataset: built, described, projected, and gathered into a screen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from dask.delayed import delayed

from hcskit.errors import InputError
from hcskit.flatfield import Flatfield
from hcskit.plate import format_for, parse_well, row_name
from hcskit.screen._labels import DIMS, SCHEMA_VERSION, Coordinate, PlateInfo

__all__ = ["describe_plate", "make_plate", "max_projection", "screen_tree"]

# What an export may say of a plate beside its labels; see `hcskit.readers.ImageIndex`.
_MEASURED = ("exposure", "excitation", "emission", "position_x", "position_y", "elapsed", "acquired")


def make_plate(info: PlateInfo, image: Any, present: Any, plate_map: pd.DataFrame | None = None) -> xr.Dataset:
    """Label the images of a plate.

    Parameters
    ----------
    info : PlateInfo
        Labels and constants.
    image : array-like
        Shape (well, field, [time,] channel, [z,] y, x); normally lazy.
    present : array-like of bool
        The same without y and x: was this image acquired?
    plate_map : pandas.DataFrame, optional
        As `hcskit.platemap.check_plate_map` returns it; its columns become coordinates of ``well``.

    Returns
    -------
    xarray.Dataset
        Variables ``image`` and ``present``, and ``flatfield`` (channel, y, x) where the export has it; coordinates
        ``well, field, channel, row, column``, those of the map and those of `info`. ``concentration`` is in the well's
        own ``concentration_unit``; a compound has one unit.

    Raises
    ------
    InputError
        If the arrays do not fit the labels.
    """
    shape = (*map(len, info.labels.values()), *info.shape)
    if np.shape(image) != shape or np.shape(present) != shape[:-2]:
        raise InputError(
            f"plate {info.name}: image has shape {np.shape(image)} and present {np.shape(present)}; "
            f"the labels ask for {shape} and {shape[:-2]}"
        )
    positions = [parse_well(name) for name in info.wells]
    coordinates: dict[str, Any] = {
        dim: (dim, np.array(labels, dtype=object if dim in ("well", "channel") else np.int64))
        for dim, labels in info.labels.items()
    }
    coordinates |= {
        "row": ("well", [row_name(well.row) for well in positions]),
        "column": ("well", [well.column + 1 for well in positions]),
    }
    coordinates |= {
        name: (extra.dims, np.asarray(extra.values, dtype=float), {"units": extra.unit})
        for name, extra in info.coordinates.items()
        if set(extra.dims) <= set(info.labels)
    }
    if plate_map is not None:
        rows = plate_map.reindex(list(info.wells))
        coordinates |= {str(name): ("well", rows[name].to_numpy()) for name in rows.columns}
    variables: dict[str, Any] = {
        "image": image if isinstance(image, xr.Variable) else (info.dims, image),
        "present": (info.dims[:-2], np.asarray(present, dtype=bool)),
    }
    if info.flatfield:
        polynomials = json.dumps({name: asdict(flatfield) for name, flatfield in info.flatfield.items()})
        variables["flatfield"] = ("channel", "y", "x"), _flatfields(info), {"polynomials": polynomials}
    attributes = {
        "plate": info.name,
        "plate_format": info.plate_format or format_for(positions).size,
        "pixel_size_um": info.pixel_size,
        "z_step_um": info.z_step,
        "source": info.source,
        "barcode": info.barcode or None,
    }
    return xr.Dataset(
        variables, coords=coordinates, attrs={name: value for name, value in attributes.items() if value is not None}
    )


def describe_plate(plate: xr.Dataset) -> tuple[PlateInfo, pd.DataFrame | None]:
    """Return what `make_plate` was given: a plate's labels, and its plate map if it has one.

    Raises
    ------
    InputError
        If a dimension or an attribute of a plate is missing, or it has a coordinate or a flat field that `make_plate`
        does not know.
    """
    lacking = [name for name in ("image", "present") if name not in plate.variables]
    lacking += [name for name in ("well", "field", "channel", "y", "x") if name not in plate.dims]
    if lacking or "plate" not in plate.attrs:
        raise InputError(
            f"this is no plate: it has no {', '.join(lacking) or 'attribute plate'}; select with lists, so that "
            'dimensions stay: plate.sel(well=["A01"])'
        )
    labels = {dim: tuple(plate[dim].to_numpy().tolist()) for dim in DIMS[:-2] if dim in plate.dims}
    info = PlateInfo(
        name=plate.attrs["plate"],
        wells=labels["well"],
        fields=labels["field"],
        channels=labels["channel"],
        shape=(plate.sizes["y"], plate.sizes["x"]),
        dtype=plate["image"].dtype,
        pixel_size=plate.attrs.get("pixel_size_um"),
        source=plate.attrs.get("source", ""),
        time=labels.get("time", ()),
        z=labels.get("z", ()),
        z_step=plate.attrs.get("z_step_um"),
        plate_format=plate.attrs.get("plate_format"),
        coordinates={
            name: Coordinate(tuple(map(str, plate[name].dims)), plate[name].to_numpy(), plate[name].attrs["units"])
            for name in _MEASURED
            if name in plate.coords
        },
        flatfield=_polynomials(plate),
        barcode=plate.attrs.get("barcode", ""),
    )
    rest = [str(name) for name in plate.coords if name not in (*plate.dims, *_MEASURED, "row", "column")]
    strange = [name for name in rest if plate[name].dims != ("well",) or plate[name].dtype.kind not in "OUSTbiuf"]
    if strange:
        raise InputError(
            f"plate {info.name}: the coordinate {', '.join(strange)} is neither text nor a number for each well; drop "
            "it: plate.drop_vars(...)"
        )
    return info, plate[rest].to_dataframe()[rest] if rest else None


def _polynomials(plate: xr.Dataset) -> dict[str, Flatfield]:
    """Read back the vendor's illumination, which is of whole images."""
    if "flatfield" not in plate:
        return {}
    text = plate["flatfield"].attrs.get("polynomials", "{}")
    flatfields = {name: Flatfield.from_dict(flatfield) for name, flatfield in json.loads(text).items()}
    shape = (plate.sizes["y"], plate.sizes["x"])
    for channel, drawn in zip(plate["channel"].to_numpy(), plate["flatfield"].to_numpy(), strict=True):
        if not np.allclose(drawn, flatfields.get(channel, Flatfield()).draw(shape)):
            raise InputError(
                f"plate {plate.attrs['plate']}: its flatfield of {channel} is not the vendor's for whole images, and "
                "only that can be kept; drop it: plate.drop_vars('flatfield')"
            )
    return {name: flatfield for name, flatfield in flatfields.items() if name in plate["channel"].to_numpy()}


def _flatfields(info: PlateInfo) -> Any:
    """Draw the illumination when it is asked for; a channel without one is even."""
    flatfields = [info.flatfield.get(channel, Flatfield()) for channel in info.channels]
    return da.stack(  # type: ignore[no-untyped-call]
        [
            da.from_delayed(delayed(flatfield.draw)(info.shape), info.shape, np.float32)  # type: ignore[no-untyped-call]
            for flatfield in flatfields
        ]
    )


def max_projection(plate: xr.Dataset) -> xr.Dataset:
    """Bring a plate to two-dimensional images: the brightest of each pixel's planes.

    Raises
    ------
    InputError
        If the plate has several time points.

    See Also
    --------
    field_table : wants such a plate.
    """
    if "time" in plate.dims:
        times, last = ", ".join(map(str, plate["time"].to_numpy()[:6])), plate["time"].to_numpy()[-1]
        raise InputError(
            f"plate {plate.attrs['plate']} has {plate.sizes['time']} time points ({times} …), and this looks at one; "
            f"choose it when it is imported (hcskit import --time {last}, hcskit run -p time={last}), or in Python: "
            f"plate.sel(time={last})"
        )
    if "z" not in plate.dims:
        return plate
    brightest = plate["image"].max("z")
    flat = plate.drop_dims("z").assign(image=brightest, present=plate["present"].any("z"))
    return flat.assign_attrs({name: value for name, value in plate.attrs.items() if name != "z_step_um"})


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
