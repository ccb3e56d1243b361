"""The plate as it lies on the bench; a tap, a box or a lasso selects wells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
from bokeh.events import SelectionGeometry, Tap
from bokeh.models import BoxSelectTool, LassoSelectTool
from matplotlib.path import Path

from hcskit.app._content import Content
from hcskit.app._figures import notice, picture_buttons
from hcskit.app._panes import later
from hcskit.app._quantities import chosen_quantity, look_of, quantities, values_of
from hcskit.app._selection import Selection, known, place_of, well_key
from hcskit.app._templates import figure_of
from hcskit.plate import FORMATS, PlateFormat, format_for, parse_well, row_name
from hcskit.results import POINTS
from hcskit.views import Drawing, Layer, plate_axes, plate_drawing

__all__ = ["plate_pane"]

_EDGES = ["x0", "y0", "x1", "y1"]
_SELECTED = {"fill_alpha": 0, "line_color": "#d81b60", "line_width": 3}

Places = Iterable[tuple[int, int]]


def plate_pane(content: Content, selection: Selection, changed: Any) -> pn.viewable.Viewable:
    """Return the heat map of a plate with its choice of plate and quantity. It is built once; its data are swapped."""
    names, shown = content.plate_names, quantities(content)
    if not (names and shown):
        return notice(content.lacking(POINTS))
    plate = pn.widgets.Select(label="Plate", options=names, value=content.plate(selection), width=150)
    quantity = pn.widgets.Select(label="Quantity", options=shown, width=170)
    quantity.value = chosen_quantity(content, selection)
    plate.link(selection, value="plate")
    quantity.link(selection, value="quantity")
    size = _format(content)
    wide = {name: value for name, value in plate_axes(size).items() if name not in ("xlim", "ylim")}
    figure = figure_of(_drawing(content, selection, size), ("plate", size), default_tools=["save", "reset"], **wide)
    figure.add_tools(BoxSelectTool(renderers=[]), LassoSelectTool(renderers=[]))
    _follow_pointer(figure, size, lambda places: _select(content, selection, places))

    def swap() -> None:
        plate.value, quantity.value = content.plate(selection), chosen_quantity(content, selection)
        _drawing(content, selection, size).swap(figure)

    def outline() -> None:
        figure.renderers[-1].data_source.data = _outline(content, selection).columns()

    anew = later(swap)
    selection.param.watch(anew, ["plate", "quantity", "readout"])
    changed.param.watch(anew, "version")  # residuals change with the fits
    selection.param.watch(later(outline), "wells")
    plot = pn.pane.Bokeh(figure, sizing_mode="stretch_both", min_height=170)
    buttons = picture_buttons(lambda: figure, "plate")
    return pn.Column(pn.Row(plate, quantity, buttons), plot, sizing_mode="stretch_both")


def _drawing(content: Content, selection: Selection, size: PlateFormat) -> Drawing:
    """Return the heat map of the plate that is looked at, on the axes of the largest, and the selected wells."""
    shown, name = chosen_quantity(content, selection), content.plate(selection)
    values = values_of(content, shown)
    own = values[values.index.get_level_values("plate") == name].droplevel("plate")
    drawing = plate_drawing(
        own if len(own) else pd.Series({"A01": np.nan}),
        plate=content.plates.get(name),
        **look_of(content, shown, values),
    )
    axes = plate_axes(size)
    ends = {name: axes[name] for name in ("xlim", "ylim", "xticks")}
    return replace(drawing, layers=[*drawing.layers, _outline(content, selection)], **ends)


def _format(content: Content) -> PlateFormat:
    """Return the largest format among the plates: all are drawn on one pair of axes."""
    sizes = [int(plate.attrs["plate_format"]) for plate in content.plates.values()]
    if sizes:
        return FORMATS[max(sizes)]
    return format_for([parse_well(str(well)) for well in content.table(POINTS)["well"].unique()])


def _outline(content: Content, selection: Selection) -> Layer:
    plate = content.plate(selection)
    wells = [parse_well(well) for name, well in map(place_of, _readable(selection.wells)) if name == plate]
    boxes = [(well.column + 0.5, well.row + 0.5, well.column + 1.5, well.row + 1.5) for well in wells]
    table = pd.DataFrame(boxes, columns=_EDGES, dtype=float)
    return Layer(hv.Rectangles, table, _EDGES, options=_SELECTED)


def _readable(keys: Iterable[str]) -> list[str]:
    """Return the names that are wells; an address may hold anything."""
    found = []
    for key in keys:
        try:
            parse_well(place_of(key)[1])
        except ValueError:
            continue
        found.append(key)
    return found


def _select(content: Content, selection: Selection, places: Places) -> None:
    """Select the wells at some rows and columns, and their compounds."""
    plate = content.plate(selection)
    named = [(plate, f"{row_name(row)}{column + 1:02d}") for row, column in places]
    chosen = known(named, _wells_of(content, plate))
    compounds = content.treated_with(chosen) or selection.compounds
    selection.param.update(wells=[well_key(*place) for place in chosen], compounds=compounds)


def _follow_pointer(figure: Any, size: PlateFormat, choose: Callable[[Places], None]) -> None:
    """Call a function with the rows and columns of the wells that are tapped, or inside a box or a lasso."""
    grid = [(row, column) for row in range(size.rows) for column in range(size.columns)]
    centres = np.array([(column + 1, row + 1) for row, column in grid])

    def tapped(event: Any) -> None:
        choose([(round(event.y) - 1, round(event.x) - 1)] if min(event.x, event.y) >= 0.5 else [])

    def framed(event: Any) -> None:
        shape = event.geometry
        if shape["type"] == "rect":
            x0, x1, y0, y1 = (shape[name] for name in ("x0", "x1", "y0", "y1"))
            corners: Any = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        else:
            corners = np.column_stack([shape["x"], shape["y"]])
        if event.final and len(corners) > 2:
            inside = Path(corners).contains_points(centres)
            choose([place for place, own in zip(grid, inside, strict=True) if own])

    figure.on_event(Tap, tapped)
    figure.on_event(SelectionGeometry, framed)


def _wells_of(content: Content, plate: str) -> set[tuple[str, str]]:
    if plate in content.plates:
        return set(content.treatments.loc[[plate]].index)
    points = content.table(POINTS)
    return {(plate, str(well)) for well in points["well"][points["plate"] == plate]}
