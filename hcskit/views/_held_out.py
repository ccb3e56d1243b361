"""How good a network is on fields that it has not seen: what it takes for what, and how sure it is when it is right."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from hcskit.errors import InputError
from hcskit.views._style import COLOUR_BAR, INK, MUTED, PALETTE, style

__all__ = ["calibration", "confusion"]

_BINS = 10
_LETTERS = 20  # of the name of a phenotype
_SURE = 1.96  # standard deviations of a 95 % interval
_SIZE = {"width": 460, "height": 320, "title": ""}


def confusion(held_out: pd.DataFrame) -> hv.Overlay:
    """Draw which phenotype held-out fields are taken for: a row is a label, its cells add up to 1.

    Parameters
    ----------
    held_out : pandas.DataFrame
        As `hcskit.results.HELD_OUT` declares it.

    Raises
    ------
    InputError
        If there is no field.
    """
    fields = _fields(held_out)
    names = sorted({*fields["label"], *fields["said"]})
    place = {name: number + 1 for number, name in enumerate(names)}
    table = fields.groupby(["label", "said"]).size().rename("fields").reset_index()
    table["share"] = table["fields"] / table.groupby("label")["fields"].transform("sum")
    x, y = (table[name].map(place).to_numpy(float) for name in ("said", "label"))
    table = table.assign(x=x, y=y, x0=x - 0.5, y0=y - 0.5, x1=x + 0.5, y1=y + 0.5, text=table["fields"].astype(str))
    cells = hv.Rectangles(table, ["x0", "y0", "x1", "y1"], ["share", "fields", "label", "said"]).opts(
        backend="bokeh",
        color="share",
        cmap="Blues",
        clim=(0, 1),
        line_color=None,
        colorbar=True,
        colorbar_opts=COLOUR_BAR,
        clabel="share of the label's fields",
        tools=["hover"],
        hover_tooltips=[("label", "@label"), ("taken for", "@said"), ("fields", "@fields"), ("share", "@share{0.00}")],
    )
    counts = [
        hv.Labels(rows, ["x", "y"], "text").opts(backend="bokeh", text_color=colour, text_font_size="9pt")
        for rows, colour in ((table[table["share"] <= 0.5], INK), (table[table["share"] > 0.5], "white"))
    ]
    ticks = [(number, name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…") for name, number in place.items()]
    ends = (0.5, len(names) + 0.5)
    axes = {"xlim": ends, "ylim": ends, "xticks": ticks, "yticks": ticks, "xlabel": "taken for", "ylabel": "label"}
    return style(
        hv.Overlay([cells, *counts]),
        **_SIZE,
        **axes,
        invert_yaxis=True,
        xrotation=30,
        show_grid=False,
        show_legend=False,
    )


def calibration(held_out: pd.DataFrame) -> hv.Overlay:
    """Draw how often the most probable phenotype of a held-out field is its label, by its probability.

    On the line, probabilities are what they say. Fields are gathered in ten bins of equal width; bars are 95 %
    intervals of Wilson (J. Am. Stat. Assoc. 22:209, 1927), as if fields were independent.

    Parameters
    ----------
    held_out : pandas.DataFrame
        As `hcskit.results.HELD_OUT` declares it.

    Raises
    ------
    InputError
        If there is no field.
    """
    fields = _fields(held_out)
    place = np.minimum((fields["probability"].to_numpy() * _BINS).astype(int), _BINS - 1)
    right = fields["said"].to_numpy() == fields["label"].to_numpy()
    rows = []
    for one in np.unique(place):
        own = right[place == one]
        low, high = _wilson(float(own.mean()), len(own))
        sure = fields["probability"].to_numpy()[place == one].mean()
        rows.append((float(sure), float(own.mean()), low, high, len(own)))
    table = pd.DataFrame(rows, columns=["sure", "right", "low", "high", "fields"])
    look: dict[str, Any] = {"backend": "bokeh", "color": PALETTE[0]}
    layers = [
        hv.Curve(([0, 1], [0, 1]), "sure", "right").opts(backend="bokeh", color=MUTED, line_dash="dashed"),
        hv.Segments(table, ["sure", "low", "sure", "high"], []).opts(line_width=2, **look),
        hv.Curve(table, "sure", "right").opts(line_width=1.5, **look),
        hv.Points(table, ["sure", "right"], ["fields"]).opts(
            size=9,
            line_color="white",
            tools=["hover"],
            hover_tooltips=[("probability", "@sure{0.00}"), ("right", "@right{0.00}"), ("fields", "@fields")],
            **look,
        ),
    ]
    return style(
        hv.Overlay(layers),
        **_SIZE,
        xlim=(0, 1.02),
        ylim=(0, 1.02),
        xlabel="probability of the most probable phenotype",
        ylabel="share that is right",
        show_legend=False,
        show_grid=True,
    )


def _fields(held_out: pd.DataFrame) -> pd.DataFrame:
    """Return one row a field: its label, its most probable phenotype, and that one's probability."""
    known = held_out.dropna(subset=["probability"])
    if known.empty:
        raise InputError("no field was held out with a probability; there is nothing to compare with its label")
    rows = known.loc[known.groupby(["plate", "well", "field"])["probability"].idxmax()]
    return pd.DataFrame(
        {
            "label": rows["label"].astype(str),
            "said": rows["phenotype"].astype(str),
            "probability": rows["probability"].astype(float),
        }
    )


def _wilson(share: float, count: int) -> tuple[float, float]:
    squared = _SURE**2 / count
    centre = (share + squared / 2) / (1 + squared)
    half = _SURE * np.sqrt(share * (1 - share) / count + squared / (4 * count)) / (1 + squared)
    return float(centre - half), float(centre + half)
