"""All plates of a screen beside one another, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from hcskit.errors import InputError
from hcskit.plate import PlateFormat, format_for, parse_well
from hcskit.views._drawing import Drawing, Layer, colour_ticks
from hcskit.views._plate_tables import CORNERS, decades, limits_of
from hcskit.views._style import COLOUR_BAR, MUTED, format_number, format_si

__all__ = ["panel_drawing", "plate_panels"]

_GAP, _NAME = 1.0, 0.16  # wells between two plates; of a plate's rows, for its name
_WIDE = 1.9  # width of the whole, in heights
_LETTERS = 22  # of the name of a plate


def plate_panels(
    values: pd.Series[Any],
    *,
    title: str = "",
    label: str = "value",
    limits: tuple[float, float] | None = None,
    cmap: str = "viridis",
) -> hv.Overlay:
    """Draw one value a well for all plates of a screen, as small plates on one scale.

    Parameters
    ----------
    values : pandas.Series
        Numbers, index ``plate, well``. A well without a number is left empty.
    title, label : str
        Title of the plot and of its colour scale.
    limits : tuple of float, optional
        Ends of the colour scale; those of the data by default.
    cmap : str
        A colour map that HoloViews knows.

    Raises
    ------
    InputError
        If there is no value.
    """
    return panel_drawing(values, label=label, limits=limits, cmap=cmap).view(title=title)


def panel_drawing(
    values: pd.Series[Any],
    *,
    label: str = "value",
    limits: tuple[float, float] | None = None,
    unit: str = "",
    cmap: str = "viridis",
) -> Drawing:
    """Return what `plate_panels` draws, to be swapped in a figure; `unit` as `plate_drawing` takes it."""
    if values.empty:
        raise InputError("there is no value to draw on the plates; expected a series, index plate and well")
    wells = {str(well): parse_well(str(well)) for well in values.index.get_level_values("well").unique()}
    format = format_for(list(wells.values()))
    plates = [str(name) for name in values.index.get_level_values("plate").unique()]
    corners = _corners(plates, format)
    table = values.rename("value").dropna().reset_index()
    at = corners.reindex(table["plate"].astype(str).to_numpy())
    row, column = (
        np.array([getattr(wells[str(well)], axis) for well in table["well"]], dtype=float) for axis in ("row", "column")
    )
    x, y = at["x"].to_numpy() + column, at["y"].to_numpy() + row
    ends = limits if limits is not None else limits_of(table["value"])
    ticks = decades(*ends, unit) if unit else None
    told = [format_si(10**value, unit) if unit else format_number(value) for value in table["value"]]
    layers = [
        Layer(hv.Rectangles, _frames(corners, format), CORNERS, options={"color": "#8883", "line_color": None}),
        Layer(
            hv.Rectangles,
            table.assign(x0=x, y0=y, x1=x + 1, y1=y + 1, text=told),
            CORNERS,
            ["value", "plate", "well", "text"],
            {**_look(cmap, ends, label, ticks), "line_color": None},
            {"color": ("value", ends)},
        ),
        Layer(hv.Labels, _names(corners), ["x", "y"], ["name"], _NAMES),
    ]
    right, bottom = float(corners["x"].max()) + format.columns, float(corners["y"].max()) + format.rows
    return Drawing(
        layers,
        _AXES,
        xlim=(-0.5, right + 0.5),
        ylim=(-_NAME * format.rows - 0.2, bottom + 0.3),
        clim=ends,
        clabel=label,
        cticks=ticks,
        cmap=cmap,
    )


_AXES: dict[str, Any] = {
    "width": 900,
    "height": 480,
    "xaxis": None,
    "yaxis": None,
    "invert_yaxis": True,
    "show_grid": False,
    "show_legend": False,
}
_NAMES: dict[str, Any] = {
    "text_align": "left",
    "text_baseline": "bottom",
    "text_font_size": "9pt",
    "text_color": MUTED,
}


def _look(cmap: str, limits: tuple[float, float], label: str, ticks: Any) -> dict[str, Any]:
    return {
        "cmap": cmap,
        "clim": limits,
        "colorbar": True,
        "colorbar_opts": COLOUR_BAR | (colour_ticks(ticks) if ticks else {}),
        "clabel": label,
        "tools": ["hover"],
        "hover_tooltips": [("well", "@plate @well"), ("value", "@text")],
        "nonselection_alpha": 1,
    }


def _corners(plates: Sequence[str], format: PlateFormat) -> pd.DataFrame:
    """Return the upper left corner of each plate, in wells."""
    width, height = format.columns + _GAP, format.rows * (1 + _NAME) + _GAP
    across = int(np.clip(np.ceil(np.sqrt(len(plates) * _WIDE * height / width)), 1, len(plates)))
    place = np.arange(len(plates))
    return pd.DataFrame({"x": place % across * width, "y": place // across * height}, index=list(plates))


def _frames(corners: pd.DataFrame, format: PlateFormat) -> pd.DataFrame:
    frames = pd.DataFrame({"x0": corners["x"], "y0": corners["y"]})
    return frames.assign(x1=frames["x0"] + format.columns, y1=frames["y0"] + format.rows)


def _names(corners: pd.DataFrame) -> pd.DataFrame:
    names = [name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…" for name in map(str, corners.index)]
    return pd.DataFrame({"x": corners["x"], "y": corners["y"] - 0.1, "name": names})
