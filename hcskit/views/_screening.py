"""A whole screen at a glance: how the assay holds, how replicates agree, how potent and strong its compounds are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from hcskit.assay import replicate_correlation
from hcskit.errors import InputError
from hcskit.response import EFFECTS
from hcskit.units import convert
from hcskit.views._drawing import Drawing, Layer
from hcskit.views._style import (
    CATEGORY_COLOURS,
    INK,
    MUTED,
    PALETTE,
    base_unit,
    category_colours,
    format_ec50,
    format_number,
    format_si,
    log_ticks,
    style,
)

__all__ = ["potency_drawing", "potency_effect", "replicate_pairs", "z_prime_by_plate"]

_EXCELLENT = 0.5  # a Z′-factor; Zhang, Chung & Oldenburg, J. Biomol. Screen. 4:67, 1999
_WORST = -1.0  # controls overlap: how much does not matter
_MOST_PAIRS = 4000  # that are drawn
_NAMED = 24  # plates whose names find room below the axis
_SIZE = {"width": 460, "height": 320, "show_grid": True, "gridstyle": {"xgrid_line_color": None}}


def z_prime_by_plate(controls: pd.DataFrame, acquired: Mapping[str, float] | None = None) -> hv.Overlay:
    """Draw the Z′-factor of each plate and readout, in the order of time; above the line the assay is excellent.

    Parameters
    ----------
    controls : pandas.DataFrame
        As `hcskit.assay.control_statistics` returns it. A Z′-factor below -1 is drawn at -1.
    acquired : mapping of str to float, optional
        When each plate was acquired, in seconds since 1970 (UTC). Where a plate's time is not known, plates are in the
        order of the table, and the axis says so.

    Raises
    ------
    InputError
        If no Z′-factor is known.
    """
    known = controls.dropna(subset=["z_prime"])
    if known.empty:
        raise InputError("no plate has a Z′-factor: it needs two wells or more of either control")
    plates = list(dict.fromkeys(str(name) for name in controls["plate"]))
    times = {name: time for name, time in (acquired or {}).items() if np.isfinite(time)}
    timed = set(plates) <= set(times)
    plates = sorted(plates, key=lambda name: times[name]) if timed else plates
    place = {name: number + 1 for number, name in enumerate(plates)}
    layers: list[Any] = [hv.HLines([_EXCELLENT]).opts(backend="bokeh", color=MUTED, line_dash="dotted", line_width=1.5)]
    colours = category_colours([str(name) for name in known["readout"]])
    for readout, rows in known.groupby("readout", sort=False):
        table = pd.DataFrame(
            {
                "place": [place[str(name)] for name in rows["plate"]],
                "z": rows["z_prime"].clip(lower=_WORST).to_numpy(),
                "plate": rows["plate"].astype(str).to_numpy(),
                "text": [format_number(value) for value in rows["z_prime"]],
                "when": [_date(times.get(str(name))) for name in rows["plate"]],
            }
        ).sort_values("place")
        look = {"backend": "bokeh", "color": colours[str(readout)]}
        layers.append(hv.Curve(table, "place", "z", label=str(readout)).opts(line_width=1.5, **look))
        hover = [("plate", "@plate"), ("Z′", "@text"), ("acquired", "@when")]
        points = hv.Scatter(table, "place", ["z", "plate", "text", "when"], label=str(readout))
        layers.append(points.opts(size=8, line_color="white", tools=["hover"], hover_tooltips=hover, **look))
    few = len(plates) <= _NAMED
    ticks = [(number, name if len(name) < 14 else f"{name[:12]}…") for name, number in place.items()] if few else 8
    return style(
        hv.Overlay(layers),
        title="",
        **_SIZE,
        xlabel=f"plate, in the order of {'acquisition' if timed else 'import: no time of acquisition is known'}",
        ylabel="Z′-factor",
        xlim=(0.5, len(plates) + 0.5),
        ylim=(min(0.0, float(known["z_prime"].clip(lower=_WORST).min())) - 0.08, 1.05),
        xticks=ticks,
        xrotation=40 if few and len(plates) > 6 else 0,
        legend_position="bottom_right",
    )


def _date(seconds: float | None) -> str:
    return "not known" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def replicate_pairs(points: pd.DataFrame, readout: str) -> hv.Overlay:
    """Draw each well of a treatment against another of the same; the legend tells how well they agree.

    Parameters
    ----------
    points : pandas.DataFrame
        As `hcskit.assay.replicate_correlation` takes them. Of many pairs, 4,000 are drawn; all are counted.
    readout : str
        Which readout.

    Raises
    ------
    InputError
        If no treatment has two wells with the readout.
    """
    own = points[(points["readout"] == readout) & (points["role"] == "treatment") & points["value"].notna()]
    pairs = _pairs(own)
    if pairs.empty:
        raise InputError(f"no treatment has two wells with the readout {readout}; replicates cannot be compared")
    told = replicate_correlation(own).set_index("pairs")["pearson"]
    low, high = float(own["value"].min()), float(own["value"].max())
    margin = 0.04 * (high - low or 1.0)
    ends = (low - margin, high + margin)
    layers: list[Any] = [hv.Curve((ends, ends), "one", "other").opts(backend="bokeh", color=MUTED, line_dash="dashed")]
    hover = [("treatment", "@treatment"), ("wells", "@wells")]
    for place, name in enumerate(("one plate", "two plates")):
        rows = pairs[pairs["pairs"] == name]
        if len(rows):
            label = f"{name}: r = {format_number(float(told[name]), 2)}, {len(rows):,} pairs"
            shown = rows.iloc[:: -(-len(rows) // _MOST_PAIRS)]
            points_of = hv.Scatter(shown, "one", ["other", "treatment", "wells"], label=label)
            layers.append(
                points_of.opts(
                    backend="bokeh",
                    color=PALETTE[place],
                    size=6,
                    fill_alpha=0.6,
                    line_alpha=0,
                    tools=["hover"],
                    hover_tooltips=hover,
                )
            )
    return style(
        hv.Overlay(layers),
        title="",
        **_SIZE,
        xlim=ends,
        ylim=ends,
        xlabel=f"{readout}: a well",
        ylabel="another well of its treatment",
        legend_position="bottom_right",
    )


def _pairs(own: pd.DataFrame) -> pd.DataFrame:
    """Return each pair of wells of a treatment once; the lower of the two names first."""
    keys = ["compound", "concentration"]
    table = own[[*keys, "concentration_unit", "plate", "well", "value"]].astype({"plate": str, "well": str})
    table = table.assign(place=table["plate"] + " " + table["well"])
    both = table.merge(table, on=[*keys, "concentration_unit"], suffixes=("", "_other"))
    both = both[both["place"] < both["place_other"]]
    return pd.DataFrame(
        {
            "one": both["value"],
            "other": both["value_other"],
            "treatment": both["compound"].astype(str)
            + " "
            + both["concentration"].map("{:g}".format)
            + " "
            + both["concentration_unit"].astype(str),
            "wells": both["place"] + ", " + both["place_other"],
            "pairs": np.where(both["plate"] == both["plate_other"], "one plate", "two plates"),
        }
    )


def potency_effect(responses: pd.DataFrame, keys: list[tuple[str, str]]) -> hv.Overlay:
    """Draw how much each compound does against the concentration at which it does it.

    Compounds without a known EC50 stand right of the dotted line.

    Parameters
    ----------
    responses : pandas.DataFrame
        Fits, index ``compound, readout``.
    keys : list of (str, str)
        Compounds and readouts that are drawn. Those whose unit cannot be compared with that of the first are left out.

    Raises
    ------
    InputError
        If none of them was fitted.
    """
    return potency_drawing(responses, keys).view()


def potency_drawing(responses: pd.DataFrame, keys: list[tuple[str, str]]) -> Drawing:
    """Return what `potency_effect` draws; the second layer's data name the compounds."""
    rows = responses.loc[[key for key in keys if key in responses.index]].reset_index()
    if rows.empty:
        raise InputError("none of the compounds was fitted; there is no potency to draw")
    bases = [base_unit(str(unit)) for unit in rows["concentration_unit"]]
    rows = rows[[base == bases[0] for base in bases]]
    factor = np.array([convert(1.0, str(unit), bases[0]) for unit in rows["concentration_unit"]])
    known = rows["category"].isin(EFFECTS) & np.isfinite(rows["ec50"])
    ec50 = rows["ec50"].to_numpy(float) * factor
    low, high = float((rows["tested_low"] * factor).min()), float((rows["tested_high"] * factor).max())
    # Beside one another, that those without an EC50 do not hide each other.
    width = max(float(np.log10(high / low)), 0.5)
    lane = high * 10 ** (width * (0.12 + 0.07 * (np.arange(len(rows)) * 0.618 % 1.0)))
    order = list(CATEGORY_COLOURS)
    table = pd.DataFrame(
        {
            "ec50": np.where(known, ec50, lane),
            "effect": (rows["top"] - rows["bottom"]).fillna(0.0).to_numpy(float),
            "colour": [float(order.index(str(name))) if name in order else 0.0 for name in rows["category"]],
            "compound": rows["compound"].astype(str).to_numpy(),
            "readout": rows["readout"].astype(str).to_numpy(),
            "category": rows["category"].astype(str).to_numpy(),
            "text": [format_ec50(row) for _, row in rows.iterrows()],
        }
    )
    reach = float(np.nanmax(np.abs(table["effect"]))) or 1.0
    ends = (
        min(0.0, float(table["effect"].min())) - 0.08 * reach,
        max(0.0, float(table["effect"].max())) + 0.12 * reach,
    )
    edge = high * 10 ** (width * 0.07)
    ticks = [(mark, format_si(mark, bases[0])) for mark, _ in log_ticks(low * 0.9, high * 1.01)]
    return Drawing(
        [
            Layer(
                hv.VLines,
                pd.DataFrame({"x": [edge]}),
                ["x"],
                options={"color": MUTED, "line_dash": "dotted", "line_width": 1},
            ),
            Layer(hv.Points, table, ["ec50", "effect"], list(table.columns[2:]), _POINTS, _BY_CATEGORY),
        ],
        {**_SIZE, "logx": True, "show_legend": False},
        xlim=(low * 10 ** (-0.05 * width), high * 10 ** (0.25 * width)),
        ylim=ends,
        xticks=[*ticks, (high * 10 ** (width * 0.155), "none")],
        xlabel="EC50",
        ylabel="effect: top − bottom of the curve",
    )


_COLOURS = list(CATEGORY_COLOURS.values())
_POINTS: dict[str, Any] = {
    "size": 9,
    "fill_alpha": 0.75,
    "line_color": "white",
    "cmap": _COLOURS,
    "clim": (-0.5, len(_COLOURS) - 0.5),
    "tools": ["hover"],
    "hover_tooltips": [
        ("compound", "@compound"),
        ("readout", "@readout"),
        ("EC50", "@text"),
        ("effect", "@effect{0.00}"),
        ("category", "@category"),
    ],
    "nonselection_alpha": 0.75,
    "selection_line_color": INK,
}
_BY_CATEGORY = {"color": ("colour", (0.0, 1.0))}
