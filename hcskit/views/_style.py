"""One look for every view: colours, plot options, and numbers written for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import holoviews.plotting.bokeh  # noqa: F401 (this import is what makes the Bokeh backend known)
import numpy as np
import pandas as pd

from hcskit.errors import UnitError
from hcskit.response import EFFECTS
from hcskit.units import convert

__all__ = [
    "CATEGORY_COLOURS",
    "COLOUR_BAR",
    "INK",
    "MUTED",
    "PALETTE",
    "base_unit",
    "category_colours",
    "format_concentration",
    "format_ec50",
    "format_effective",
    "format_interval",
    "format_number",
    "format_range",
    "format_si",
    "format_unit",
    "log_ticks",
    "style",
]

# Okabe & Ito (2008), Color Universal Design: told apart with any common colour vision.
#: Colours of readouts and lines, in the order they are handed out.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B5B5B")
#: Colours of the categories of a response; the name is always written beside them.
CATEGORY_COLOURS = {
    "active": "#00795A",
    "partial": "#8F5B00",
    "bell-shaped": "#A0527F",
    "outside the tested range": "#0072B2",
    "unconfirmed": "#5F6B78",
    "inactive": "#5F6B78",
    "not fitted": "#5F6B78",
}
INK = "#1f2933"
MUTED = "#6b7785"

_SHARED = {
    "active_tools": [],
    "default_tools": ["box_zoom", "pan", "save", "reset"],
    "autohide_toolbar": True,
    "fontsize": {"title": "11pt", "labels": "9pt", "ticks": "8pt", "legend": "8pt", "clabel": "9pt"},
}
#: A thin, quiet colour bar.
COLOUR_BAR = {"width": 10, "bar_line_color": None, "major_tick_line_color": None}
#: By power of a thousand.
_PREFIXES = {0: "", -1: "m", -2: "µ", -3: "n", -4: "p", -5: "f"}
_THIN_SPACE_DASH = " – "


def style(element: Any, **options: Any) -> Any:
    """Give a plot the shared options, then its own; always for the Bokeh backend."""
    if "title" in options:  # HoloViews formats it: a name may hold braces, as those of chemicals do
        options["title"] = options["title"].replace("{", "{{").replace("}", "}}")
    if "frame_width" in options:
        options["hooks"] = [_size_by_frame, *options.get("hooks", [])]
    return element.opts(backend="bokeh", **{**_SHARED, **options})


def category_colours(names: Sequence[str]) -> dict[str, str]:
    """Hand out the palette to names in their order, from the start again when it is used up.

    Examples
    --------
    >>> category_colours(["a", "b"])
    {'a': '#0072B2', 'b': '#D55E00'}
    """
    return {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(dict.fromkeys(names))}


def base_unit(unit: str) -> str:
    """Return the unit in which a unit's concentrations are compared.

    Examples
    --------
    >>> base_unit("uM"), base_unit("ng/mL")
    ('M', 'g/L')
    """
    return {"M": "M", "L": "g/L"}.get(unit[-1:], unit)


def format_unit(unit: str) -> str:
    """Write a unit for reading: ``uM`` as ``µM``."""
    return unit.replace("u", "µ", 1) if unit.startswith("u") else unit


def format_number(value: float, digits: int = 3) -> str:
    """Write a number with a few significant digits; a dash if there is none.

    Examples
    --------
    >>> [format_number(value) for value in (12.345, 0.5, 15000, 2e-7, float("nan"), float("inf"))]
    ['12.3', '0.5', '15,000', '2×10⁻⁷', '–', '∞']
    """
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value != 0 and not 1e-4 <= abs(value) < 1e7:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        superscript = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{float(mantissa):g}×10{superscript}".replace("-", "−")
    decimals = digits - 1 - int(np.floor(np.log10(abs(value)))) if value != 0 else 0
    text = f"{round(value, decimals):,.{max(decimals, 0)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def format_concentration(value: float, unit: str) -> str:
    """Write a concentration with its unit; in another prefix where the number would be long.

    Examples
    --------
    >>> format_concentration(0.5, "uM"), format_concentration(0.0, "nM"), format_concentration(0.000152, "uM")
    ('500 nM', '0 nM', '152 pM')
    """
    if not np.isfinite(value):
        return "–"
    return f"{format_number(value * _to(unit, value)[0])} {_to(unit, value)[1]}".strip()


def format_range(low: float, high: float, unit: str) -> str:
    """Write two concentrations, with one unit where they share it.

    Examples
    --------
    >>> format_range(1.0, 900.0, "nM"), format_range(0.000152, 3.0, "uM")
    ('1 – 900 nM', '152 pM – 3 µM')
    """
    first, last = format_concentration(low, unit), format_concentration(high, unit)
    shared = first.rpartition(" ")[2] == last.rpartition(" ")[2]
    return f"{first.rpartition(' ')[0] if shared else first}{_THIN_SPACE_DASH}{last}"


def _to(unit: str, value: float) -> tuple[float, str]:
    """Return the factor to the unit in which a concentration is written, and that unit."""
    base = base_unit(unit)
    if 1 <= value < 1000 or value <= 0 or base == unit:
        return 1.0, format_unit(unit)
    try:
        in_base = convert(value, unit, base)
    except UnitError:
        return 1.0, format_unit(unit)
    power = _power(in_base)
    return in_base / 1000.0**power / value, f"{_PREFIXES[power]}{base}"


def _power(value: float) -> int:
    """Return the power of a thousand in which a number of mol/L or g/L is written."""
    return int(np.clip(np.floor(np.log10(value * 1.0005) / 3), -5, 0))


def format_si(value: float, base: str) -> str:
    """Write a concentration in mol/L (``M``) or g/L with the SI prefix that fits.

    Examples
    --------
    >>> format_si(1.523e-10, "M"), format_si(3e-5, "M"), format_si(2e-6, "g/L"), format_si(0.0, "M")
    ('152 pM', '30 µM', '2 µg/L', '0 M')
    """
    if not np.isfinite(value) or value <= 0:
        return f"{format_number(value)} {base}"
    power = _power(value)
    return f"{format_number(value / 1000.0**power)} {_PREFIXES[power]}{base}"


def format_interval(low: float, high: float) -> str:
    """Write an interval; an end the data do not bound is 0 or ∞.

    Examples
    --------
    >>> format_interval(9.81, 15.06)
    '9.81 – 15.1'
    """
    return f"{format_number(low)}{_THIN_SPACE_DASH}{format_number(high)}"


def format_ec50(row: pd.Series[Any], interval: bool = True) -> str:
    """Write the EC50 of one row of the responses table, never more exactly than it is known.

    Parameters
    ----------
    row : pandas.Series
        ``category, ec50, ec50_low, ec50_high, tested_low, tested_high, concentration_unit``.
    interval : bool
        Add the 95 % interval.

    Returns
    -------
    str
        ``12.3 nM (9.8 – 15.1)``; ``> 100 nM`` or ``< 1 nM`` outside the tested range; a dash without effect.
    """
    unit = str(row["concentration_unit"])
    if row["category"] not in EFFECTS:
        return "–"
    if row["category"] == "outside the tested range":
        # Only the open end tells on which side; no claim goes beyond what was tested.
        if np.isinf(row["ec50_high"]):
            return f"> {format_concentration(np.fmin(row['ec50_low'] or np.nan, row['tested_high']), unit)}"
        return f"< {format_concentration(np.fmax(row['ec50_high'], row['tested_low']), unit)}"
    text, factor = format_concentration(row["ec50"], unit), _to(unit, row["ec50"])[0]
    return f"{text} ({format_interval(row['ec50_low'] * factor, row['ec50_high'] * factor)})" if interval else text


def format_effective(row: pd.Series[Any]) -> str:
    """Write one row of `hcskit.response.effective_concentrations`, as `format_ec50` writes an EC50."""
    if row[["concentration", "low", "high"]].isna().all():
        return "–"
    named = row.rename({"concentration": "ec50", "low": "ec50_low", "high": "ec50_high"})
    named["category"] = "active" if np.isfinite(row["concentration"]) else "outside the tested range"
    return format_ec50(named)


def log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return ticks of a logarithmic axis: the decades, or 1, 2, 5 steps where there are fewer than two.

    Examples
    --------
    >>> log_ticks(0.9, 150.0)
    [(1.0, '1'), (10.0, '10'), (100.0, '100')]
    """
    steps = (1,) if high >= 100 * low else (1, 2, 5)
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    marks = [float(f"{step}e{power}") for power in powers for step in steps]
    return [(mark, format_number(mark)) for mark in marks if low <= mark <= high]


def _size_by_frame(plot: Any, _element: Any) -> None:
    """Let the frame decide the size: HoloViews also asks for a fixed outer size, which Bokeh then misses."""
    plot.state.sizing_mode = None
