"""Several compounds in one plot. The layers are always the same, so that a dashboard only swaps their data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from hcskit.response import EFFECTS
from hcskit.units import convert
from hcskit.views._style import MUTED, PALETTE, format_si, log_ticks, style

__all__ = ["base_unit", "compare_responses"]

_MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex")
# Colours are numbers on one scale: names of colours could not be swapped in a plot that is there.
_SCALE = [*PALETTE, MUTED]
_COLOURED = {
    "color": "colour",
    "cmap": _SCALE,
    "clim": (-0.5, len(_SCALE) - 0.5),
    "framewise": True,
    "backend": "bokeh",
}
_NOWHERE: dict[str, Any] = {
    "bands": {"x": [1e-30] * 3, "y": [0.0] * 3, "colour": 0},  # a polygon needs places; here nobody sees it
    "lines": {"x": [np.nan] * 2, "y": [np.nan] * 2, "colour": 0},
    "bars": (np.nan, np.nan, 0),
    "ends": (np.nan, np.nan, np.nan, np.nan, 0),
    "ec50": (np.nan, np.nan, 0),
}
_COLUMNS = ["x", "value", "colour", "marker", "compound", "well", "plate", "dose"]


def base_unit(unit: str) -> str:
    """Return the unit in which a unit's concentrations are compared.

    Examples
    --------
    >>> base_unit("uM"), base_unit("ng/mL")
    ('M', 'g/L')
    """
    return {"M": "M", "L": "g/L"}.get(unit[-1:], unit)


def compare_responses(
    responses: pd.DataFrame,
    points: pd.DataFrame,
    curves: pd.DataFrame,
    chosen: Sequence[tuple[str, str]],
    *,
    masked: pd.DataFrame | None = None,
    label: str = "response",
) -> hv.Overlay:
    """Draw the responses to several compounds over one another.

    Each has its colour: the 95 % band, the curve, the wells with a marker for each plate, the EC50 with its interval,
    and a bar at the bottom over the tested concentrations. Masked wells are crosses. What has no effect is drawn by its
    wells alone. Negative controls stand left of the tested range, at concentration 0.

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
    label : str
        Label of the response axis.

    Returns
    -------
    holoviews.Overlay
        Of seven elements, whatever is chosen. Concentrations are in mol/L, or g/L.
    """
    known = [key for key in chosen if key in responses.index]
    units = {key: str(responses.loc[[key]].iloc[0]["concentration_unit"]) for key in known}
    base = base_unit(units[known[0]]) if known else "M"
    known = [key for key in known if base_unit(units[key]) == base]
    tables: dict[str, list[Any]] = {name: [] for name in ("bands", "lines", "wells", "masked", "ends", "ec50", "bars")}
    for place, key in enumerate(known):
        row = responses.loc[[key]].iloc[0]
        drawn = _drawn(row, key, points, curves, masked, convert(1.0, units[key], base), place % len(PALETTE))
        for name, content in drawn.items():
            tables[name] += content
    low, high = _tested(tables["bars"])
    for name, place in _NOWHERE.items():  # a layer that is empty at first would have no colours later
        tables[name] = tables[name] or [place]
    wells = pd.concat([*tables["wells"], _controls(points, known, low, high), _no_wells()])
    crossed = pd.concat([*tables["masked"], _no_wells()])
    bottom, top = _limits(pd.concat([wells["value"], crossed["value"]]))
    bars = [(*bar[:1], bottom, bar[1], bottom, bar[2]) for bar in tables["bars"]]
    hover = [("compound", "@compound"), ("well", "@plate @well"), ("concentration", "@dose"), (label, "@value{0.000}")]
    layers = [
        hv.Polygons(tables["bands"], ["x", "y"], "colour").opts(fill_alpha=0.12, line_alpha=0, **_COLOURED),
        hv.Contours(tables["lines"], ["x", "y"], "colour").opts(line_width=2, **_COLOURED),
        hv.Segments(bars, ["x0", "y0", "x1", "y1"], "colour").opts(line_width=5, line_alpha=0.35, **_COLOURED),
        hv.Points(wells, ["x", "value"], _COLUMNS[2:]).opts(
            marker=hv.dim("marker"), size=7, fill_alpha=0.6, tools=["hover"], hover_tooltips=hover, **_COLOURED
        ),
        hv.Points(crossed, ["x", "value"], _COLUMNS[2:]).opts(
            marker="x", size=10, line_width=2, tools=["hover"], hover_tooltips=[*hover, ("masked", "yes")], **_COLOURED
        ),
        hv.Segments(tables["ends"], ["x0", "y0", "x1", "y1"], "colour").opts(
            line_width=4, line_alpha=0.55, **_COLOURED
        ),
        hv.Points(tables["ec50"], ["x", "value"], "colour").opts(
            marker="diamond", size=13, line_color="white", line_width=1.5, **_COLOURED
        ),
    ]
    decades = np.log10(high / low)
    ticks = [(mark, format_si(mark, base)) for mark, _ in log_ticks(low * 0.9, high * 1.1)]
    return style(
        hv.Overlay(layers),
        title="",
        logx=True,
        xlim=(low * 10 ** (-0.2 * decades), high * 10 ** (0.06 * decades)),
        ylim=(bottom, top),
        xticks=[(low * 10 ** (-0.14 * decades), "0"), *ticks],
        xlabel="concentration",
        ylabel=label,
        show_legend=False,
        show_grid=True,
        gridstyle={"xgrid_line_color": None, "ygrid_line_color": "#8884", "ygrid_line_alpha": 0.3},
    )


def _drawn(
    row: pd.Series[Any],
    key: tuple[str, str],
    points: pd.DataFrame,
    curves: pd.DataFrame,
    masked: pd.DataFrame | None,
    factor: float,
    colour: int,
) -> dict[str, list[Any]]:
    """Return what is drawn of one compound and readout, by layer."""
    found: dict[str, list[Any]] = {
        "wells": [_wells(points, key, factor, colour)],
        "masked": [] if masked is None else [_wells(masked, key, factor, colour)],
        "bars": [(row["tested_low"] * factor, row["tested_high"] * factor, colour)],
    }
    if row["category"] not in EFFECTS:
        return found
    curve = curves[(curves["compound"] == key[0]) & (curves["readout"] == key[1])]
    x = curve["concentration"].to_numpy() * factor
    band = np.concatenate([curve["low"], curve["high"][::-1]])
    found["bands"] = [{"x": np.concatenate([x, x[::-1]]), "y": band, "colour": colour}]
    found["lines"] = [{"x": x, "y": curve["value"].to_numpy(), "colour": colour}]
    if row["category"] in ("active", "partial"):
        half = (row["bottom"] + row["top"]) / 2
        low = max(row["ec50_low"], row["tested_low"] / 3) * factor
        high = min(row["ec50_high"], row["tested_high"] * 3) * factor
        found["ends"] = [(low, half, high, half, colour)]
        found["ec50"] = [(row["ec50"] * factor, half, colour)]
    return found


def _wells(points: pd.DataFrame, key: tuple[str, str], factor: float, colour: int) -> pd.DataFrame:
    own = points[(points["compound"] == key[0]) & (points["readout"] == key[1]) & (points["role"] == "treatment")]
    own = own[own["concentration"] > 0]
    base = base_unit(str(own["concentration_unit"].iloc[0])) if len(own) else "M"
    x = own["concentration"] * factor
    plates = {plate: _MARKERS[place % len(_MARKERS)] for place, plate in enumerate(sorted(points["plate"].unique()))}
    dose = [format_si(value, base) for value in x]
    return own.assign(x=x, colour=colour, marker=own["plate"].map(plates), dose=dose)[_COLUMNS]


def _controls(points: pd.DataFrame, known: list[tuple[str, str]], low: float, high: float) -> pd.DataFrame:
    """Return the negative controls of the plates of what is chosen, in a narrow strip, so that each can be seen."""
    treated = points["compound"].isin([compound for compound, _ in known])
    rows = points[
        (points["role"] == "negative_control")
        & points["plate"].isin(points["plate"][treated].unique())
        & points["readout"].isin([readout for _, readout in known])
    ]
    spread = np.linspace(-0.165, -0.115, len(rows)) * np.log10(high / low)
    return rows.assign(x=low * 10**spread, colour=len(PALETTE), marker="circle", compound="negative control", dose="0")[
        _COLUMNS
    ]


def _no_wells() -> pd.DataFrame:
    return pd.DataFrame([[np.nan, np.nan, 0, "circle", "", "", "", ""]], columns=_COLUMNS)


def _tested(bars: list[tuple[float, float, int]]) -> tuple[float, float]:
    lows, highs = [bar[0] for bar in bars if bar[0] > 0], [bar[1] for bar in bars if bar[1] > 0]
    if not (lows and highs):
        return 1e-9, 1e-6
    low, high = min(lows), max(highs)
    return (low, high) if high > 1.5 * low else (low / 3, high * 3)


def _limits(values: pd.Series[Any]) -> tuple[float, float]:
    if not values.notna().any():
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if low >= -0.05 and 0.5 < high <= 1:  # probabilities are seen on their whole scale
        low, high = min(low, 0.0), 1.0
    room = 0.06 * (high - low or 1.0)
    return low - room, high + room
