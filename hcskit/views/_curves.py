"""Concentration and response. The layers are always the same, so that a dashboard only swaps their data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from hcskit.errors import InputError
from hcskit.response import EFFECTS
from hcskit.views._curve_tables import WELL, CurveTables, Key, curve_tables, response_label
from hcskit.views._drawing import Drawing, Layer
from hcskit.views._style import INK, MUTED, PALETTE, format_ec50, format_si, log_ticks

__all__ = ["compare_responses", "dose_response", "response_drawing"]

# Colours are numbers on one scale: names of colours could not be swapped in a plot that is there.
_SCALE = [*PALETTE, MUTED, "#000000"]
_COLOURED = {"cmap": _SCALE, "clim": (-0.5, len(_SCALE) - 0.5)}
_BY_COLOUR = {"color": ("colour", (len(PALETTE), len(PALETTE) + 1))}
_BY_PLATE = {**_BY_COLOUR, "marker": ("marker", ("dash", "dot"))}
_PATHS, _ENDS, _WELLS = ["x", "y"], ["x0", "y0", "x1", "y1"], ["x", "value"]
_SIZE = {"width": 460, "height": 320}
_LOOK = {
    "logx": True,
    "show_legend": False,
    "show_grid": True,
    "gridstyle": {"xgrid_line_color": None, "ygrid_line_color": "#8884", "ygrid_line_alpha": 0.3},
}


def compare_responses(
    responses: pd.DataFrame,
    points: pd.DataFrame,
    curves: pd.DataFrame,
    chosen: Sequence[Key],
    *,
    masked: pd.DataFrame | None = None,
    truth: pd.DataFrame | None = None,
    networks: bool = False,
    effective: pd.DataFrame | None = None,
    label: str | None = None,
) -> hv.Overlay:
    """Draw the responses to several compounds over one another.

    Each has its colour: the 95 % band, the curve, the wells with a marker for each plate, the EC50 with its interval,
    and a bar at the bottom over the tested concentrations. Masked wells are crosses. What has no effect is drawn by its
    wells alone. Negative controls stand left of the dotted line, at concentration 0.

    Parameters
    ----------
    responses : pandas.DataFrame
        Fits, index ``compound, readout``.
    points, curves : pandas.DataFrame
        The fitted wells and the fitted curves, tidy.
    chosen : sequence of (str, str)
        Compounds and readouts, in the order of their colours. Those whose unit cannot be compared with that of the
        first are left out.
    masked : pandas.DataFrame, optional
        Wells that are not fitted, with the columns of `points`.
    truth : pandas.DataFrame, optional
        Known EC50s of a simulated plate (columns ``compound, ec50, concentration_unit``), marked by a triangle.
    networks : bool
        Draw what each network of an ensemble reads, as thin lines.
    effective : pandas.DataFrame, optional
        As `hcskit.response.effective_concentrations` returns it: marked on the curve as the EC50 is.
    label : str, optional
        Label of the response axis; by default what `response_label` says.

    Returns
    -------
    holoviews.Overlay
        Of the same elements whatever is chosen. Concentrations are in mol/L, or g/L.
    """
    return response_drawing(
        responses,
        points,
        curves,
        chosen,
        masked=masked,
        truth=truth,
        networks=networks,
        effective=effective,
        label=label,
    ).view()


def response_drawing(
    responses: pd.DataFrame,
    points: pd.DataFrame,
    curves: pd.DataFrame,
    chosen: Sequence[Key] | Mapping[Key, int],
    *,
    masked: pd.DataFrame | None = None,
    truth: pd.DataFrame | None = None,
    networks: bool = False,
    effective: pd.DataFrame | None = None,
    label: str | None = None,
) -> Drawing:
    """Return what `compare_responses` draws, to be swapped in a figure; `chosen` may give each its colour's place."""
    if not isinstance(chosen, Mapping):
        chosen = {key: place % len(PALETTE) for place, key in enumerate(dict.fromkeys(chosen))}
    tables = curve_tables(
        responses, points, curves, chosen, masked=masked, truth=truth, networks=networks, effective=effective
    )
    return _drawing(tables, label or response_label(points, [readout for _, readout in chosen]))


def dose_response(
    responses: pd.DataFrame,
    points: pd.DataFrame,
    curves: pd.DataFrame,
    compound: str,
    readout: str | None = None,
    *,
    truth: pd.DataFrame | None = None,
) -> hv.Overlay:
    """Draw the response to one compound, as `compare_responses` does, with a title and the colours of the readouts.

    Parameters
    ----------
    responses, points, curves, truth
        As `compare_responses` takes them.
    compound : str
        Which compound.
    readout : str, optional
        Which readout; by default all of them, each in its colour and named in a legend.

    Raises
    ------
    InputError
        If there is no such compound or readout, or none of its wells has a value.
    """
    names = list(dict.fromkeys(str(name) for name in responses.index.get_level_values("readout")))
    wanted = names if readout is None else [readout]
    colours = {
        (compound, name): names.index(name) % len(PALETTE) for name in wanted if (compound, name) in responses.index
    }
    if not colours:
        raise InputError(
            f"there is no response of compound {compound!r}" + (f" in readout {readout!r}" if readout else "")
        )
    if not (
        (points["compound"] == compound) & (points["role"] != "negative_control") & (points["concentration"] > 0)
    ).any():
        raise InputError(f"no well with a concentration of {compound!r} has a value; there is nothing to draw")
    drawing = response_drawing(responses, points, curves, colours, truth=truth)
    if readout is not None:
        category = responses.loc[[(compound, readout)]].iloc[0]["category"]
        return drawing.view(title=f"{compound} · {readout} · {category}", **_SIZE)
    named = [_named(responses.loc[[key]].iloc[0], key[1], colour) for key, colour in colours.items()]
    return drawing.view(*named, title=compound, show_legend=True, legend_position="bottom", **_SIZE)


def _named(row: pd.Series[Any], readout: str, colour: int) -> hv.Scatter:
    """Return an element that is nowhere but in the legend."""
    label = f"{readout}: {format_ec50(row) if row['category'] in EFFECTS else 'no effect'}"
    return hv.Scatter([(np.nan, np.nan)], "x", "value", label=label).opts(
        backend="bokeh", color=PALETTE[colour], size=7
    )


def _drawing(tables: CurveTables, label: str) -> Drawing:
    hover = {
        "tools": ["hover"],
        "hover_tooltips": [
            ("compound", "@compound"),
            ("well", "@plate @well"),
            ("concentration", "@dose"),
            ("value", "@value{0.000}"),
        ],
    }
    rows = tables.layers
    more = WELL[2:]
    layers = [
        _layer(hv.Polygons, rows["bands"], _PATHS, fill_alpha=0.12, line_alpha=0),
        _layer(hv.Contours, rows["networks"], _PATHS, line_width=1, line_alpha=0.5),
        _layer(hv.Contours, rows["lines"], _PATHS, line_width=2),
        _layer(hv.Segments, rows["bars"], _ENDS, line_width=5, line_alpha=0.35),
        Layer(hv.Points, tables.wells, _WELLS, more, {"size": 7, "fill_alpha": 0.6, **hover, **_COLOURED}, _BY_PLATE),
        Layer(
            hv.Points,
            tables.masked,
            _WELLS,
            more,
            {"marker": "x", "size": 10, "line_width": 2, **hover, **_COLOURED},
            _BY_COLOUR,
        ),
        _layer(hv.Segments, rows["ends"], _ENDS, line_width=4, line_alpha=0.55),
        _layer(hv.Points, rows["ec50"], _WELLS, marker="diamond", size=13, line_color="white", line_width=1.5),
        Layer(
            hv.Points,
            pd.DataFrame(rows["truth"], columns=_WELLS, dtype=float),
            _WELLS,
            options={"marker": "inverted_triangle", "size": 11, "color": INK, "line_color": "white"},
        ),
        Layer(
            hv.VLines,
            pd.DataFrame({"x": [tables.beyond(-0.06)]}),
            ["x"],
            options={"color": MUTED, "line_dash": "dotted", "line_width": 1, "line_alpha": 0.7},
        ),
    ]
    ticks = [(mark, format_si(mark, tables.base)) for mark, _ in log_ticks(tables.low * 0.9, tables.beyond(0.05))]
    return Drawing(
        layers,
        _LOOK,
        xlim=(tables.beyond(-0.2), tables.beyond(0.06)),
        ylim=tables.limits,
        xticks=[(tables.beyond(-0.14), "0"), *ticks],
        xlabel="concentration",
        ylabel=label,
    )


def _layer(element: Any, rows: list[Any], places: list[str], **options: Any) -> Layer:
    table = pd.DataFrame(rows, columns=[*places, "colour"])
    return Layer(element, table, places, ["colour"], {**options, **_COLOURED}, _BY_COLOUR)
