"""The plate as it lies on the bench; a tap, a box or a lasso selects wells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
from matplotlib.path import Path

from hcskit.app._content import Content
from hcskit.app._figures import notice
from hcskit.app._quantities import (
    chosen_quantity,
    colours_of,
    label_of,
    limits_of,
    quantities,
    unit_of,
    values_of,
)
from hcskit.app._selection import Selection, place_of, well_key
from hcskit.plate import FORMATS, PlateFormat, format_for, parse_well, row_name
from hcskit.results import POINTS
from hcskit.views import plate_axes, plate_drawing, style

__all__ = ["plate_pane"]

_EDGES = ["x0", "y0", "x1", "y1"]


def plate_pane(content: Content, selection: Selection, changed: Any) -> pn.viewable.Viewable:
    """Return the heat map of a plate with its choice of plate and quantity."""
    names, shown = content.plate_names, quantities(content)
    if not (names and shown):
        return notice(content.lacking(POINTS))
    plate = pn.widgets.Select(label="Plate", options=names, value=content.plate(selection), width=150)
    quantity = pn.widgets.Select(label="Quantity", options=shown, width=170)
    quantity.value = chosen_quantity(content, selection)
    plate.link(selection, value="plate")
    quantity.link(selection, value="quantity")
    selection.param.watch(lambda _: plate.param.update(value=content.plate(selection)), "plate")
    selection.param.watch(
        lambda _: quantity.param.update(value=chosen_quantity(content, selection)), ["quantity", "readout"]
    )

    def draw(**_: Any) -> hv.Overlay:
        shown = chosen_quantity(content, selection)
        values = values_of(content, shown)
        name = content.plate(selection)
        own = values[values.index.get_level_values("plate") == name].droplevel("plate")
        view = plate_drawing(
            own if len(own) else pd.Series({"A01": np.nan}),
            plate=content.plates.get(name),
            label=label_of(content, shown),
            limits=limits_of(content, shown, values),
            unit=unit_of(content, shown),
            cmap=colours_of(content, shown),
        )
        return view.view().opts(backend="bokeh", clone=True)

    heat = hv.DynamicMap(draw, streams=[hv.streams.Params(selection, ["plate", "quantity", "readout"])])
    outline = hv.DynamicMap(
        lambda **_: _outline(content, selection), streams=[hv.streams.Params(selection, ["wells", "plate"])]
    )
    _select_by_pointer(outline, content, selection)
    whole = style(
        heat * outline,
        title="",
        **plate_axes(_format(content)),
        responsive=True,
        default_tools=["box_select", "lasso_select", "save", "reset"],
        min_height=170,
    )
    plot = pn.pane.HoloViews(whole, sizing_mode="stretch_both", min_height=170)
    del changed  # a readout does not change when its fit does
    return pn.Column(pn.Row(plate, quantity), plot, sizing_mode="stretch_both")


def _format(content: Content) -> PlateFormat:
    """Return the largest format among the plates: all are drawn on one pair of axes."""
    sizes = [int(plate.attrs["plate_format"]) for plate in content.plates.values()]
    if sizes:
        return FORMATS[max(sizes)]
    return format_for([parse_well(str(well)) for well in content.table(POINTS)["well"].unique()])


def _outline(content: Content, selection: Selection) -> hv.Rectangles:
    plate = content.plate(selection)
    wells = [parse_well(well) for name, well in map(place_of, _readable(selection.wells)) if name == plate]
    boxes = [(well.column + 0.5, well.row + 0.5, well.column + 1.5, well.row + 1.5) for well in wells]
    return hv.Rectangles(boxes, _EDGES, []).opts(
        backend="bokeh",
        fill_alpha=0,
        line_color="#d81b60",
        line_width=3,
        default_tools=[],
        tools=["box_select", "lasso_select"],
        framewise=True,
    )


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


def _select_by_pointer(source: hv.DynamicMap, content: Content, selection: Selection) -> None:
    def choose(wells: list[tuple[int, int]]) -> None:
        # A quick succession of events is worked off without the lock of the document; what is scheduled has it.
        pn.state.execute(lambda: select(wells), schedule=True)

    def select(wells: list[tuple[int, int]]) -> None:
        plate = content.plate(selection)
        names = [f"{row_name(row)}{column + 1:02d}" for row, column in wells]
        there = _wells_of(content, plate)
        chosen = [(plate, name) for name in names if name in there]
        compounds = content.treated_with(chosen) or selection.compounds
        selection.param.update(wells=[well_key(*place) for place in chosen], compounds=compounds)

    def tapped(x: float | None, y: float | None) -> None:
        if x is not None and y is not None:
            choose([(round(y) - 1, round(x) - 1)] if min(x, y) >= 0.5 else [])

    def framed(bounds: tuple[float, float, float, float] | None) -> None:
        if bounds is not None:
            left, bottom, right, top = bounds
            low, high = sorted((bottom, top))
            columns = range(max(0, int(np.ceil(left)) - 1), max(0, int(np.floor(right))))
            choose(
                [
                    (row, column)
                    for row in range(max(0, int(np.ceil(low)) - 1), max(0, int(np.floor(high))))
                    for column in columns
                ]
            )

    def roped(geometry: Any = None, **_: Any) -> None:
        if geometry is not None and len(geometry) > 2:
            size = _format(content)
            inside = Path(geometry)
            places = [(row, column) for row in range(size.rows) for column in range(size.columns)]
            held = inside.contains_points([(column + 1, row + 1) for row, column in places])
            choose([place for place, own in zip(places, held, strict=True) if own])

    hv.streams.Tap(source=source).add_subscriber(tapped)
    hv.streams.Lasso(source=source).add_subscriber(roped)
    hv.streams.BoundsXY(source=source).add_subscriber(framed)


def _wells_of(content: Content, plate: str) -> set[str]:
    if plate in content.plates:
        return {str(well) for well in content.plates[plate]["well"].to_numpy()}
    points = content.table(POINTS)
    return set(points["well"][points["plate"] == plate])
