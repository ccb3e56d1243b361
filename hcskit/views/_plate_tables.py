"""The wells and fields of a plate as tables of rectangles, in the plate's own geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hcskit.errors import InputError
from hcskit.plate import FORMATS, PlateFormat, format_for, parse_well, row_name
from hcskit.views._style import format_concentration, format_number, format_si, log_ticks

__all__ = [
    "CORNERS",
    "acquired_wells",
    "blank_wells",
    "control_marks",
    "decades",
    "field_table",
    "limits_of",
    "plate_format",
    "values_by_well",
    "well_table",
]

CORNERS = ["x0", "y0", "x1", "y1"]


def values_by_well(values: xr.DataArray | pd.Series[Any]) -> pd.Series[Any]:
    if isinstance(values, xr.DataArray):
        if set(values.dims) != {"row", "column"}:
            raise InputError(
                "a plate heat map needs values by row and column, found the dimensions "
                f"{', '.join(map(str, values.dims))}; plate.hcs.grid(...) brings a variable into this form"
            )
        flat = values.transpose("row", "column").to_series()
        values = flat.set_axis([parse_well(f"{row}{column}").name for row, column in flat.index])
    if not pd.api.types.is_numeric_dtype(values):
        raise InputError(f"a heat map needs numbers, found {values.dtype}")
    return values.astype(float)


def plate_format(
    values: xr.DataArray | pd.Series[Any], series: pd.Series[Any], plate: xr.Dataset | None
) -> PlateFormat:
    if plate is not None:
        return FORMATS[int(plate.attrs["plate_format"])]
    if isinstance(values, xr.DataArray):
        return PlateFormat(values.sizes["row"], values.sizes["column"])
    return format_for([parse_well(str(well)) for well in series.index])


def well_table(values: pd.Series[Any], plate: xr.Dataset | None) -> pd.DataFrame:
    """Return the wells that have a value, with their treatment and their corners."""
    known = values[values.notna()]
    table = pd.DataFrame({"well": [str(well) for well in known.index], "value": known.to_numpy(dtype=float)})
    table["role"], table["treatment"] = "", ""
    if plate is not None and "role" in plate.coords:
        treatments = _treatments(plate)
        table["role"] = table["well"].map(_roles(plate)).fillna("")
        table["treatment"] = table["well"].map(treatments).fillna("")
    table["text"] = [format_number(value) for value in table["value"]]
    return _cornered(table)


def control_marks(plate: xr.Dataset | None, role: str) -> pd.DataFrame:
    """Return the centres of the wells of a role."""
    wells = (
        []
        if plate is None or "role" not in plate.coords
        else [well for well, own in _roles(plate).items() if own == role.replace("_", " ")]
    )
    table = _cornered(pd.DataFrame({"well": wells}))
    return pd.DataFrame({"column": table["x0"] + 0.5, "row": table["y0"] + 0.5})


def blank_wells(format: PlateFormat, *, skip: set[str], only: set[str] | None = None) -> pd.DataFrame:
    """Return the corners of all wells of a format but some."""
    names = [f"{row_name(row)}{column + 1:02d}" for row in range(format.rows) for column in range(format.columns)]
    wells = [name for name in names if name not in skip and (only is None or name in only)]
    return _cornered(pd.DataFrame({"well": wells}))


def _cornered(table: pd.DataFrame) -> pd.DataFrame:
    places = [parse_well(well) for well in table["well"]]
    return _with_corners(table, [place.row for place in places], [place.column for place in places])


def _roles(plate: xr.Dataset) -> dict[str, str]:
    roles = plate["role"].to_series().fillna("").astype(str)
    return {str(well): role.replace("_", " ") for well, role in roles.items()}


def _treatments(plate: xr.Dataset) -> dict[str, str]:
    """Write what each well received: compound and concentration, or its role."""
    columns = ["compound", "concentration", "concentration_unit", "role"]
    rows = plate[columns].to_dataframe().fillna({"compound": "", "concentration_unit": "", "role": ""})
    doses = {
        dose: f" {format_concentration(*dose)}" if np.isfinite(dose[0]) else ""
        for dose in set(zip(rows["concentration"], rows["concentration_unit"], strict=True))
    }
    return {
        str(well): f"{compound}{doses.get((dose, unit), '')}".strip() or str(role).replace("_", " ")
        for well, compound, dose, unit, role in rows[columns].itertuples()
    }


def acquired_wells(plate: xr.Dataset) -> set[str]:
    """Return the wells that have an image."""
    present = plate["present"].any(["field", "channel"]).to_series()
    return {str(well) for well in present.index[present]}


def _with_corners(table: pd.DataFrame, rows: list[int], columns: list[int]) -> pd.DataFrame:
    y, x = np.asarray(rows) + 1.0, np.asarray(columns) + 1.0
    return table.assign(x0=x - 0.5, y0=y - 0.5, x1=x + 0.5, y1=y + 0.5)


def field_table(table: pd.DataFrame) -> pd.DataFrame:
    """Divide each well into a square of places, filled by its fields in order."""
    order = {field: index for index, field in enumerate(sorted(table["field"].unique()))}
    side = int(np.ceil(np.sqrt(len(order))))
    down = int(np.ceil(len(order) / side))
    place = table["field"].map(order).to_numpy()
    wells = [parse_well(well) for well in table["well"]]
    x = np.array([well.column for well in wells]) + 0.54 + 0.92 * (place % side) / side
    y = np.array([well.row for well in wells]) + 0.54 + 0.92 * (place // side) / down
    return table.assign(x0=x, y0=y, x1=x + 0.92 / side, y1=y + 0.92 / down)


def limits_of(values: pd.Series[Any]) -> tuple[float, float]:
    """Return the ends of a colour scale."""
    if values.notna().any():
        low, high = float(values.min()), float(values.max())
        return (low, high) if high > low else (low - 0.5, high + 0.5)
    return 0.0, 1.0


def decades(low: float, high: float, unit: str) -> list[tuple[float, str]]:
    """Return ticks of a scale of logarithms to the base of 10, with the amounts that they stand for.

    Examples
    --------
    >>> decades(-9.2, -6.8, "M")
    [(-9.0, '1 nM'), (-8.0, '10 nM'), (-7.0, '100 nM')]
    """
    return [(float(np.log10(mark)), format_si(mark, unit)) for mark, _ in log_ticks(10**low * 0.99, 10**high * 1.01)]
