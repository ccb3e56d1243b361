"""Plots in the page: each with its pictures to take away, and with what a click on it does."""

from __future__ import annotations

import io
from collections.abc import Callable
from html import escape
from typing import Any

import holoviews as hv
import panel as pn
from bokeh.models import TapTool
from bokeh.models.annotations import ColorBar

from hcskit.app._panes import html
from hcskit.errors import HcskitError
from hcskit.names import safe_name
from hcskit.views import picture_of

__all__ = ["drawn", "figure_pane", "follow_taps", "notice", "picture_buttons"]

_KINDS = ("png", "svg")


def notice(text: str) -> pn.viewable.Viewable:
    """Return a sentence that stands where a plot cannot; names in it are escaped."""
    return html(f"<p class='notice'>{escape(text)}</p>", sizing_mode="stretch_width")


def drawn(view: Any) -> Any:
    """Return a view of HoloViews as a Bokeh figure that fills its room."""
    figure = hv.render(view, backend="bokeh")
    figure.update(sizing_mode="stretch_both", width=None, height=None, frame_width=None, frame_height=None)
    # The page shows through, light or dark.
    figure.update(background_fill_color=None, border_fill_color=None, outline_line_color=None)
    for bar in figure.select(ColorBar):
        bar.background_fill_color = None
    return figure


def figure_pane(draw: Callable[[], Any], name: str) -> pn.Column:
    """Return the figure that `draw` makes, with its pictures; what it raises is told in its place.

    Parameters
    ----------
    draw : callable
        Returns a Bokeh figure.
    name : str
        Of the files of its pictures.
    """
    try:
        figure = draw()
    except HcskitError as error:
        return pn.Column(notice(str(error)), sizing_mode="stretch_both")
    plot = pn.pane.Bokeh(figure, sizing_mode="stretch_both", min_height=200)
    return pn.Column(plot, picture_buttons(lambda: figure, name), sizing_mode="stretch_both")


def picture_buttons(figure: Callable[[], Any], name: str) -> pn.Row:
    """Return buttons that save what a Bokeh figure shows as a picture."""
    buttons = [
        pn.widgets.FileDownload(
            callback=lambda kind=kind: io.BytesIO(picture_of(figure(), kind)[0]),
            filename=f"{safe_name(name)}.{kind}",
            label=kind.upper(),
            color="light",
            width=54,
            height=26,
            margin=(0, 4),
        )
        for kind in _KINDS
    ]
    return pn.Row(pn.Spacer(sizing_mode="stretch_width"), *buttons, height=28, sizing_mode="stretch_width")


def follow_taps(figure: Any, layer: int, act: Callable[[dict[str, Any]], object]) -> None:
    """Call a function with the row of the mark that was clicked, of one layer of a figure."""
    renderer = figure.renderers[layer]
    figure.add_tools(TapTool(renderers=[renderer]))
    source = renderer.data_source

    def tapped(_: str, __: list[int], places: list[int]) -> None:
        if places:
            act({name: values[places[0]] for name, values in source.data.items()})

    source.selected.on_change("indices", tapped)
