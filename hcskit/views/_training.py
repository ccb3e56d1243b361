"""How a model learned, and how well what it led to agrees with what is known."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from hcskit.errors import InputError
from hcskit.units import convert
from hcskit.views._style import (
    INK,
    MUTED,
    PALETTE,
    category_colours,
    format_ec50,
    format_number,
    format_unit,
    log_ticks,
    style,
)

__all__ = ["pace_curves", "parity", "training_curves"]

#: Columns of a history that tell how it went on, and what they are called.
_PACE = {"learning_rate": "learning rate", "images_per_second": "images a second"}


def training_curves(history: pd.DataFrame) -> hv.Layout:
    """Draw loss and accuracy by epoch, in training and validation; the epoch of least validation loss is marked.

    Parameters
    ----------
    history : pandas.DataFrame
        Columns ``epoch, loss, val_loss, accuracy, val_accuracy``.
    """
    known = history.dropna(subset=["val_loss"]).sort_values("val_loss", kind="stable")
    best = float(known["epoch"].iloc[0]) if len(known) else None
    return hv.Layout([_learning(history, measure, best) for measure in ("loss", "accuracy")]).cols(2)


def _learning(history: pd.DataFrame, measure: str, best: float | None) -> hv.Overlay:
    layers: list[Any] = (
        [] if best is None else [hv.VLines([best]).opts(backend="bokeh", color=MUTED, line_dash="dotted", line_width=1)]
    )
    for column, name, colour in ((measure, "training", PALETTE[0]), (f"val_{measure}", "validation", PALETTE[1])):
        table = history.rename(columns={column: "value"})[["epoch", "value"]]
        look = {"color": colour, "backend": "bokeh"}
        layers.append(hv.Curve(table, "epoch", "value", label=name).opts(line_width=2, **look))
        layers.append(hv.Scatter(table, "epoch", "value", label=name).opts(size=5, tools=["hover"], **look))
    return style(
        hv.Overlay(layers),
        title=measure,
        width=460,
        height=280,
        ylabel=measure,
        xlabel="epoch",
        ylim=(0, 1.03) if measure == "accuracy" else (None, None),
        legend_position="bottom_right" if measure == "accuracy" else "top_right",
        show_grid=True,
        gridstyle={"xgrid_line_color": None, "ygrid_line_color": "#e6e9ec"},
    )


def pace_curves(history: pd.DataFrame) -> hv.Layout:
    """Draw the learning rate and the images a second by epoch; those of them that the history has.

    Parameters
    ----------
    history : pandas.DataFrame
        Columns ``epoch`` and ``learning_rate``, ``images_per_second``, or one of them.

    Raises
    ------
    InputError
        If it has neither.
    """
    known = [name for name in _PACE if name in history and history[name].notna().any()]
    if not known:
        raise InputError("the history has neither a learning rate nor images a second")
    look = {"backend": "bokeh", "color": PALETTE[0]}
    views = []
    for name in known:
        table = history[["epoch", name]].rename(columns={name: "value"})
        layers = [
            hv.Curve(table, "epoch", "value").opts(line_width=2, **look),
            hv.Scatter(table, "epoch", "value").opts(size=5, tools=["hover"], **look),
        ]
        options = {"title": _PACE[name], "ylabel": _PACE[name], "xlabel": "epoch", "ylim": (0, None)}
        views.append(style(hv.Overlay(layers), width=460, height=280, show_grid=True, show_legend=False, **options))
    return hv.Layout(views).cols(2)


def parity(matched: pd.DataFrame) -> hv.Overlay:
    """Draw recovered against true EC50, with intervals, the line of identity and a factor of two around it.

    Concentrations are shown in the unit of the first compound; a compound in a unit of another quantity raises.

    Parameters
    ----------
    matched : pandas.DataFrame
        Recovered and true EC50 of each compound, as `hcskit.response.match_truth` returns them.

    Raises
    ------
    UnitError
        If the compounds' units measure different quantities.
    """
    table = matched.dropna(subset=["fold"])
    unit = str(table["concentration_unit"].iloc[0]) if len(table) else "nM"
    factors = [convert(1.0, str(other), unit) for other in table["concentration_unit"]]
    shown = table.assign(text=[format_ec50(row) for _, row in table.iterrows()])
    for name in ("true_ec50", "ec50", "ec50_low", "ec50_high"):
        shown[name] = shown[name].astype(float) * factors
    shown["true_text"] = [format_number(value) for value in shown["true_ec50"]]
    low, high = _range(shown)
    shown["ec50_low"], shown["ec50_high"] = shown["ec50_low"].clip(lower=low), shown["ec50_high"].clip(upper=high)
    line = np.geomspace(low, high, 50)
    layers: list[Any] = [
        hv.Area((line, line / 2, line * 2), "true", ["half", "double"]).opts(
            backend="bokeh", color="#dfe4e8", fill_alpha=0.6, line_alpha=0
        ),
        hv.Curve((line, line), "true", "recovered").opts(backend="bokeh", color=MUTED, line_dash="dashed"),
        hv.Segments(shown, ["true_ec50", "ec50_low", "true_ec50", "ec50_high"], []).opts(
            backend="bokeh", color=INK, line_width=1.5
        ),
    ]
    colours = category_colours(list(shown["readout"]))
    for readout, rows in shown.groupby("readout", sort=False):
        layers.append(
            hv.Scatter(rows, "true_ec50", ["ec50", "compound", "text", "true_text"], label=str(readout)).opts(
                backend="bokeh",
                color=colours[str(readout)],
                size=10,
                line_color="white",
                tools=["hover"],
                hover_tooltips=[("compound", "@compound"), ("recovered", "@text"), ("true", "@true_text")],
            )
        )
    return style(
        hv.Overlay(layers),
        title="recovered against true EC50",
        frame_width=320,
        frame_height=320,
        xticks=log_ticks(low, high),
        yticks=log_ticks(low, high),
        logx=True,
        logy=True,
        xlim=(low, high),
        ylim=(low, high),
        xlabel=f"true EC50 ({format_unit(unit)})",
        ylabel=f"recovered EC50 ({format_unit(unit)})",
        legend_position="bottom_right",
        show_grid=False,
    )


def _range(table: pd.DataFrame) -> tuple[float, float]:
    values = table[["true_ec50", "ec50"]].to_numpy(dtype=float).ravel()
    return (float(values.min()) / 4, float(values.max()) * 4) if len(values) else (1.0, 1000.0)
