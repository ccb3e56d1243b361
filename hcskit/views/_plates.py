"""Plates as they lie on the bench: one value a well, or one a field inside its well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import xarray as xr

from hcskit.plate import FORMATS, PlateFormat, row_name
from hcskit.views._drawing import Drawing, Layer, colour_ticks
from hcskit.views._plate_tables import (
    CORNERS,
    acquired_wells,
    blank_wells,
    control_marks,
    decades,
    field_table,
    limits_of,
    plate_format,
    values_by_well,
    well_table,
)
from hcskit.views._style import COLOUR_BAR, INK, format_number, format_si

__all__ = ["field_drawing", "field_heatmap", "plate_axes", "plate_drawing", "plate_heatmap"]

_ABSENT, _NO_VALUE = "#eef0f2", "#cdd3d9"
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
    drawing = plate_drawing(values, plate=plate, label=label, limits=limits, log=log, cmap=cmap)
    return drawing.view(title=title)


def plate_drawing(
    values: xr.DataArray | pd.Series[Any],
    *,
    plate: xr.Dataset | None = None,
    label: str = "value",
    limits: tuple[float, float] | None = None,
    log: bool = False,
    unit: str = "",
    cmap: str = "viridis",
) -> Drawing:
    """Return what `plate_heatmap` draws, to be swapped in a figure with the same `log`.

    With a `unit`, the values are logarithms to the base of 10 of amounts in it, such as mol/L: on a scale of logarithms
    their colours can be swapped for those of any other values.
    """
    series = values_by_well(values)
    series = series.where(series > 0) if log else series
    format = plate_format(values, series, plate)
    table = well_table(series, plate)
    if unit:
        table["text"] = [format_si(10**value, unit) for value in table["value"]]
    ends = limits if limits is not None else limits_of(table["value"])
    known = set(table["well"])
    acquired = known if plate is None else acquired_wells(plate)
    hover = [("well", "@well"), ("treatment", "@treatment"), ("role", "@role"), ("value", "@text")]
    ticks = decades(*ends, unit) if unit else None
    measured = _coloured(ends, cmap, label, log=log, ticks=ticks) | {"line_width": 1, "hover_tooltips": hover}
    layers = [
        _blanks(blank_wells(format, skip=known | acquired), hatched=True),
        _blanks(blank_wells(format, skip=known, only=acquired), hatched=False),
        Layer(
            hv.Rectangles,
            table,
            CORNERS,
            ["value", "well", "treatment", "role", "text"],
            measured,
            {"color": ("value", ends)},
        ),
        _marks(plate, "negative_control", "circle"),
        _marks(plate, "positive_control", "triangle"),
    ]
    return replace(_on_plate(layers, format, ends, label), cticks=ticks, cmap=cmap)


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
    return field_drawing(quality, plate, column, label=label).view(title=title)


def field_drawing(quality: pd.DataFrame, plate: xr.Dataset, column: str = "focus_z", *, label: str = "") -> Drawing:
    """Return what `field_heatmap` draws, to be swapped in a figure of the same measure."""
    rows = quality.xs(plate.attrs["plate"], level="plate")
    fields = rows.groupby(level=["well", "field"])
    values = fields[column].max() if column == "saturation" else fields[column].mean()
    shown = pd.DataFrame({"value": values, "excluded": fields["excluded"].any(), "reason": fields["reason"].first()})
    table = field_table(shown.reset_index())
    table["text"] = [format_number(value) for value in table["value"]]
    if column == "focus_z":
        limits, cmap = (-8.0, 0.0), _FOCUS_COLOURS  # only a low focus is bad
    elif column == "saturation":
        limits, cmap = (0.0, max(0.01, float(table["value"].max()))), _SATURATION_COLOURS
    else:
        limits, cmap = limits_of(table["value"]), "cividis"
    format = FORMATS[int(plate.attrs["plate_format"])]
    hover = [("well", "@well"), ("field", "@field"), ("value", "@text"), ("excluded", "@reason")]
    measured = _coloured(limits, cmap, label or column) | {"line_width": 0.5, "hover_tooltips": hover}
    # Under a well with fewer fields than others the hatch shows where one is missing.
    fields_in = table["well"].value_counts()
    whole = {str(well) for well in fields_in.index[fields_in == fields_in.max()]}
    layers = [
        _blanks(blank_wells(format, skip=whole), hatched=True),
        Layer(
            hv.Rectangles,
            table,
            CORNERS,
            ["value", "well", "field", "text", "reason"],
            measured,
            {"color": ("value", limits)},
        ),
        Layer(
            hv.Rectangles,
            table[table["excluded"]],
            CORNERS,
            options={"fill_alpha": 0, "line_color": INK, "line_width": 2},
        ),
    ]
    return _on_plate(layers, format, limits, label or column)


def _coloured(
    limits: tuple[float, float], cmap: str, label: str, *, log: bool = False, ticks: Any = None
) -> dict[str, Any]:
    return {
        "cmap": cmap,
        "clim": limits,
        "cnorm": "log" if log else "linear",
        "colorbar": True,
        "colorbar_opts": COLOUR_BAR | (colour_ticks(ticks) if ticks else {}),
        "clabel": label,
        "line_color": "white",
        "tools": ["hover"],
    }


def _blanks(table: pd.DataFrame, *, hatched: bool) -> Layer:
    colour, hooks = (_ABSENT, [_hatch]) if hatched else (_NO_VALUE, [])
    options = {"color": colour, "line_color": "white", "line_width": 1, "hooks": hooks}
    return Layer(hv.Rectangles, table, CORNERS, options=options)


def _marks(plate: xr.Dataset | None, role: str, marker: str) -> Layer:
    options = {"marker": marker, "size": 7, "fill_color": "white", "line_color": INK, "line_width": 1.2}
    return Layer(hv.Points, control_marks(plate, role), ["column", "row"], options=options)


def _hatch(plot: Any, _element: Any) -> None:
    """Hatch a glyph: Bokeh can, HoloViews has no option for it."""
    plot.handles["glyph"].update(
        hatch_pattern="right_diagonal_line", hatch_color="#c3cad1", hatch_weight=0.7, hatch_scale=7
    )


def _no_axis_lines(plot: Any, _element: Any) -> None:
    for axis in plot.state.axis:
        axis.update(axis_line_color=None, major_tick_line_color=None, minor_tick_line_color=None)


def _on_plate(layers: list[Layer], format: PlateFormat, limits: tuple[float, float], label: str) -> Drawing:
    cell = int(np.clip(480 // format.columns, 13, 34))
    size = {"frame_width": cell * format.columns, "frame_height": cell * format.rows}
    axes = plate_axes(format)
    ends = {name: axes.pop(name) for name in ("xlim", "ylim")}
    return Drawing(layers, {**size, **axes}, **ends, clim=limits, clabel=label)


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
