"""The loss while the learning rate rises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import holoviews as hv
import pandas as pd
from bokeh.embed import file_html
from bokeh.resources import INLINE

from hcskit.files import write_text
from hcskit.views._style import MUTED, PALETTE, format_number, style

__all__ = ["range_curve", "write_html"]


def range_curve(table: pd.DataFrame, suggested: float) -> hv.Overlay:
    """Draw the loss against the learning rate of a range test, and where the suggested rate is.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``learning_rate, loss, smoothed``.
    suggested : float
        The suggested rate.
    """
    layers: list[Any] = [
        hv.Scatter(table, "learning_rate", "loss", label="loss").opts(backend="bokeh", color=MUTED, size=3, alpha=0.6),
        hv.Curve(table, "learning_rate", "smoothed", label="smoothed").opts(
            backend="bokeh", color=PALETTE[0], line_width=2, tools=["hover"]
        ),
        hv.VLines([suggested]).opts(backend="bokeh", color=PALETTE[1], line_dash="dashed", line_width=1.5),
    ]
    return style(
        hv.Overlay(layers),
        title=f"range test: a learning rate of {format_number(suggested)}",
        width=640,
        height=360,
        logx=True,
        xlabel="learning rate",
        ylabel="loss",
        legend_position="top_left",
        show_grid=True,
    )


def write_html(path: str | Path, view: Any, title: str) -> Path:
    """Write one view as a page that needs no network."""
    write_text(path, file_html(hv.render(view, backend="bokeh"), INLINE, title))
    return Path(path)
