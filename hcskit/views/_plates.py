"""Plates as they lie on the bench: one value a well, or one a field inside its well."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import xarray as xr

from hcskit.errors import InputError
from hcskit.plate import FORMATS, PlateFormat, format_for, parse_well, row_name
from hcskit.views._style import COLOUR_BAR, INK, format_concentration, format_number, style

__all__ = ["field_heatmap", "plate_axes", "plate_heatmap"]

_CORNERS = ["x0", "y0", "x1", "y1"]
_ABSENT = "#eef0f2"
# ColorBrewer: of both measures, what is orange is bad and what is white is as it should be.
_FOCUS_COLOURS = "Oranges_r"
_SATURATION_COLOURS = "Oranges"


def plate_heatmap(
    values: xr.DataArray | pd.Series[Any],
    *,
    plate: xr.Dataset | None = None,
    title: str = "",
    label: str = "value",
    limits: tuple[float, float] | None = None,
    log: bool = False,
    cmap: str = "viridis",
) -> hv.Overlay:
    """Draw one value a well in the plate's own geometry, row A at the top.

    A well without images is hatched, one that has images but no value is plain grey; neither is a zero. A ring marks
    a negative control, a triangle a positive control.

    Parameters
    ----------
    values : xarray.DataArray or pandas.Series
        Numbers by ``row`` and ``column`` (as `plate.hcs.grid` gives them), or a Series indexed by well name.
    plate : xarray.Dataset, optional
        The plate; adds its format, the treatment of each well (hover) and the control marks.
    title, label : str
        Title of the plot and of its colour scale.
    limits : tuple of float, optional
        Ends of the colour scale; those of the data by default.
    log : bool
        Whether the colour scale is logarithmic; a value of 0 or less is then none.
    cmap : str
        A colour map that HoloViews knows.

    Raises
    ------
    InputError
        If `values` are not numbers, or have neither form.
    """
    series = _by_well(values)
    series = series.where(series > 0) if log else series
    format = _plate_format(values, series, plate)
    table = _well_table(series, plate)
    low, high = limits if limits is not None else _limits(table["value"])
    known = table[table["value"].notna()]
    acquired = known["well"] if plate is None else _acquired(plate)
    layers = [
        _blanks(format, skip=set(known["well"]) | set(acquired), hatched=True),
        _blanks(format, skip=set(known["well"]), only=set(acquired), hatched=False),
        hv.Rectangles(known, kdims=_CORNERS, vdims=["value", "well", "treatment", "role", "text"]).opts(
            backend="bokeh",
            color="value",
            cmap=cmap,
            clim=(low, high),
            cnorm="log" if log else "linear",
            colorbar=True,
            colorbar_opts=COLOUR_BAR,
            clabel=label,
            line_color="white",
            line_width=1,
            tools=["hover"],
            hover_tooltips=[
                ("well", "@well"),
                ("treatment", "@treatment"),
                ("role", "@role"),
                (label, "@text"),
            ],
        ),
        _marks(table, "negative_control", "circle"),
        _marks(table, "positive_control", "triangle"),
    ]
    return _on_plate(hv.Overlay(layers), format, title)


def field_heatmap(
    quality: pd.DataFrame, plate: xr.Dataset, column: str = "focus_z", *, title: str = "", label: str = ""
) -> hv.Overlay:
    """Draw a quality measure of every field, each well divided among its fields; excluded fields are outlined.

    Of a field's channels the mean is shown, as `hcskit.preprocess.assess_fields` judges focus, or the most saturated.

    Parameters
    ----------
    quality : pandas.DataFrame
        Index ``plate, well, field, channel``; columns `column`, ``excluded``, ``reason``.
    plate : xarray.Dataset
        The plate whose fields are shown.
    column : {"focus_z", "focus", "saturation"}
        The measure.
    title, label : str
        Title of the plot and of its colour scale.
    """
    rows = quality.xs(plate.attrs["plate"], level="plate")
    fields = rows.groupby(level=["well", "field"])
    values = fields[column].max() if column == "saturation" else fields[column].mean()
    shown = pd.DataFrame({"value": values, "excluded": fields["excluded"].any(), "reason": fields["reason"].first()})
    table = _field_rectangles(shown.reset_index())
    table["text"] = [format_number(value) for value in table["value"]]
    if column == "focus_z":
        limits, cmap = (-8.0, 0.0), _FOCUS_COLOURS  # only a low focus is bad
    elif column == "saturation":
        limits, cmap = (0.0, max(0.01, float(table["value"].max()))), _SATURATION_COLOURS
    else:
        limits, cmap = _limits(table["value"]), "cividis"
    format = FORMATS[int(plate.attrs["plate_format"])]
    hover = [("well", "@well"), ("field", "@field"), (label or column, "@text"), ("excluded", "@reason")]
    measured = hv.Rectangles(table, kdims=_CORNERS, vdims=["value", "well", "field", "text", "reason"]).opts(
        backend="bokeh",
        color="value",
        cmap=cmap,
        clim=limits,
        colorbar=True,
        colorbar_opts=COLOUR_BAR,
        clabel=label or column,
        line_color="white",
        line_width=0.5,
        tools=["hover"],
        hover_tooltips=hover,
    )
    excluded = hv.Rectangles(table[table["excluded"]], kdims=_CORNERS, vdims=[]).opts(
        backend="bokeh", fill_alpha=0, line_color=INK, line_width=2
    )
    # Under a well with fewer fields than others the hatch shows where one is missing.
    fields_in = table["well"].value_counts()
    blanks = _blanks(format, skip=set(fields_in.index[fields_in == fields_in.max()]), hatched=True)
    return _on_plate(blanks * measured * excluded, format, title)


def _by_well(values: xr.DataArray | pd.Series[Any]) -> pd.Series[Any]:
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


def _plate_format(
    values: xr.DataArray | pd.Series[Any], series: pd.Series[Any], plate: xr.Dataset | None
) -> PlateFormat:
    if plate is not None:
        return FORMATS[int(plate.attrs["plate_format"])]
    if isinstance(values, xr.DataArray):
        return PlateFormat(values.sizes["row"], values.sizes["column"])
    return format_for([parse_well(str(well)) for well in series.index])


def _well_table(values: pd.Series[Any], plate: xr.Dataset | None) -> pd.DataFrame:
    table = pd.DataFrame({"well": list(values.index), "value": values.to_numpy()})
    table["role"], table["treatment"] = "", ""
    if plate is not None and "role" in plate.coords:
        known = plate["role"].to_series().fillna("").astype(str)
        table["role"] = table["well"].map(known).fillna("").str.replace("_", " ")
        table["treatment"] = table["well"].map(_treatments(plate)).fillna("")
    table["text"] = [format_number(value) for value in table["value"]]
    places = [parse_well(well) for well in table["well"]]
    return _with_corners(table, [place.row for place in places], [place.column for place in places])


def _treatments(plate: xr.Dataset) -> pd.Series[str]:
    """Write what each well received: compound and concentration, or its role."""
    rows = plate[["compound", "concentration", "concentration_unit", "role"]].to_dataframe()
    rows = rows.fillna({"compound": "", "concentration_unit": "", "role": ""})
    texts = []
    for _, row in rows.iterrows():
        dose = f" {format_concentration(row['concentration'], row['concentration_unit'])}"
        given = f"{row['compound']}{dose if np.isfinite(row['concentration']) else ''}"
        texts.append(given.strip() or str(row["role"]).replace("_", " "))
    return pd.Series(texts, index=rows.index.astype(str))


def _acquired(plate: xr.Dataset) -> pd.Series[Any]:
    present = plate["present"].any(["field", "channel"]).to_series()
    return present.index[present].to_series()


def _with_corners(table: pd.DataFrame, rows: list[int], columns: list[int]) -> pd.DataFrame:
    y, x = np.asarray(rows) + 1.0, np.asarray(columns) + 1.0
    return table.assign(x0=x - 0.5, y0=y - 0.5, x1=x + 0.5, y1=y + 0.5)


def _field_rectangles(table: pd.DataFrame) -> pd.DataFrame:
    """Divide each well into a square of places, filled by its fields in order."""
    order = {field: index for index, field in enumerate(sorted(table["field"].unique()))}
    side = int(np.ceil(np.sqrt(len(order))))
    down = int(np.ceil(len(order) / side))
    place = table["field"].map(order).to_numpy()
    wells = [parse_well(well) for well in table["well"]]
    x = np.array([well.column for well in wells]) + 0.54 + 0.92 * (place % side) / side
    y = np.array([well.row for well in wells]) + 0.54 + 0.92 * (place // side) / down
    return table.assign(x0=x, y0=y, x1=x + 0.92 / side, y1=y + 0.92 / down)


def _blanks(format: PlateFormat, *, skip: set[str], only: set[str] | None = None, hatched: bool) -> hv.Rectangles:
    places = [
        (row, column)
        for row in range(format.rows)
        for column in range(format.columns)
        if (name := f"{row_name(row)}{column + 1:02d}") not in skip and (only is None or name in only)
    ]
    table = _with_corners(pd.DataFrame(index=range(len(places))), [p[0] for p in places], [p[1] for p in places])
    hooks = [_hatch] if hatched else []
    return hv.Rectangles(table, kdims=_CORNERS, vdims=[]).opts(
        backend="bokeh", color=_ABSENT if hatched else "#cdd3d9", line_color="white", line_width=1, hooks=hooks
    )


def _hatch(plot: Any, _element: Any) -> None:
    """Hatch a glyph: Bokeh can, HoloViews has no option for it."""
    plot.handles["glyph"].update(
        hatch_pattern="right_diagonal_line", hatch_color="#c3cad1", hatch_weight=0.7, hatch_scale=7
    )


def _no_axis_lines(plot: Any, _element: Any) -> None:
    for axis in plot.state.axis:
        axis.update(axis_line_color=None, major_tick_line_color=None, minor_tick_line_color=None)


def _marks(table: pd.DataFrame, role: str, marker: str) -> hv.Points:
    rows = table[table["role"] == role.replace("_", " ")]
    centres = pd.DataFrame({"column": (rows["x0"] + rows["x1"]) / 2, "row": (rows["y0"] + rows["y1"]) / 2})
    return hv.Points(centres, kdims=["column", "row"]).opts(
        backend="bokeh", marker=marker, size=7, fill_color="white", line_color=INK, line_width=1.2
    )


def _limits(values: pd.Series[Any]) -> tuple[float, float]:
    if values.notna().any():
        low, high = float(values.min()), float(values.max())
        return (low, high) if high > low else (low - 0.5, high + 0.5)
    return 0.0, 1.0


def _on_plate(overlay: hv.Overlay, format: PlateFormat, title: str) -> hv.Overlay:
    cell = int(np.clip(480 // format.columns, 13, 34))
    size = {"frame_width": cell * format.columns, "frame_height": cell * format.rows}
    return style(overlay, title=title, **size, **plate_axes(format))


def plate_axes(format: PlateFormat) -> dict[str, Any]:
    """Return the options of a plot that lies as a plate on the bench: letters down the side, numbers on top."""
    return {
        "xlabel": "",
        "ylabel": "",
        "hooks": [_no_axis_lines],
        "xaxis": "top",
        "invert_yaxis": True,
        "show_legend": False,
        "show_grid": False,
        "xlim": (0.5, format.columns + 0.5),
        "ylim": (0.5, format.rows + 0.5),
        "xticks": [(column + 1, str(column + 1)) for column in range(format.columns)],
        "yticks": [(row + 1, row_name(row)) for row in range(format.rows)],
    }
