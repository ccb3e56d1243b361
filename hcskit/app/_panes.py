"""The frame of a page: panes with a title, in rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import param

__all__ = ["followed", "html", "later", "pane", "rows", "scrolled"]

#: Style of what is inside the panes.
_INSIDE = """
:host { font-size: 13px; }
ul.legend, ul.masks { list-style: none; margin: 0; padding: 0; max-height: 84px; overflow-y: auto; }
ul.legend li, ul.masks li { overflow-wrap: anywhere; unicode-bidi: plaintext; margin: 1px 0; }
ul.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; }
.hint, p { margin: 4px 0; opacity: 0.85; overflow-wrap: anywhere; }
.notice { border-left: 3px solid #e69f00; padding-left: 8px; }
.scroll { overflow: auto; max-height: 330px; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: 2px 12px 2px 0; border-bottom: 1px solid #8883; vertical-align: top; }
td { overflow-wrap: anywhere; unicode-bidi: plaintext; min-width: 4em; }
td:first-child { min-width: 7em; }
a { color: inherit; }
.strip { display: flex; gap: 8px; align-items: flex-start; }
.strip figure { margin: 0; display: flex; flex-direction: column; gap: 4px; width: min-content; }
.strip figure.pinned { border-bottom: 3px solid #0072b2; }
.strip figcaption { white-space: nowrap; font-size: 12px; }
.strip small { font-size: 12px; }
.strip img { display: block; border-radius: 3px; }
.strip img:focus-visible { outline: 3px solid #0072b2; }
h3 { font-size: 13px; margin: 10px 0 2px; }
.wrap { flex-wrap: wrap; }
"""
_PANE = {
    "border": "1px solid #8885",
    "border-radius": "6px",
    "padding": "6px 10px",
    "overflow": "hidden",
}


def html(text: Any, **options: Any) -> pn.pane.HTML:
    """Return HTML in the style of the page; who writes it escapes the names in it."""
    return pn.pane.HTML(text, stylesheets=[_INSIDE], **options)


def followed(
    text: Callable[[], str], selection: param.Parameterized, names: list[str], *widgets: Any, **options: Any
) -> pn.pane.HTML:
    """Return HTML that takes long to make, and is made anew, after all else, when what it depends on changes.

    Parameters
    ----------
    text : callable
        Returns the HTML.
    selection : param.Parameterized
        What it depends on, by the `names` of its parameters.
    *widgets : panel.widgets.Widget
        Widgets on whose value it depends as well.
    **options
        Of the pane.
    """
    body = html(text(), **options)
    follow = later(lambda: body.param.update(object=text()))
    selection.param.watch(follow, names)
    for widget in widgets:
        widget.param.watch(follow, "value")
    return body


def later(act: Callable[[], object]) -> Callable[..., None]:
    """Return what has `act` called in a turn of its own: once, however often it is asked for until then.

    Panel handles some events of a browser while it does not hold the lock of the page, and Bokeh lets no figure be
    changed without it; in a turn of its own the lock is held. What changes is sent in one message.
    """
    waiting = False

    def turn() -> None:
        nonlocal waiting
        waiting = False
        with pn.io.hold():
            act()

    def ask(*_: Any) -> None:
        nonlocal waiting
        if not waiting:
            waiting = True
            pn.state.execute(turn, schedule=True)

    return ask


def pane(title: str, content: Any) -> pn.Column:
    """Return a pane with a title, which is its class as well."""
    head = html(f"<h2 style='font-size:15px;margin:0'>{title}</h2>")
    named = [title.lower().replace(" ", "-")]
    return pn.Column(head, content, styles=_PANE, css_classes=named, margin=5, sizing_mode="stretch_both")


def rows(*panes: list[Any]) -> pn.Column:
    """Return panes in rows that share the room."""
    return pn.Column(
        *(pn.Row(*row, sizing_mode="stretch_both", min_height=380) for row in panes), sizing_mode="stretch_both"
    )


def scrolled(*panes: list[Any]) -> pn.Column:
    """Return panes in rows of nearly half the height of the window, which is scrolled."""
    height = {"height": "max(380px, 46vh)", "flex": "none"}
    return pn.Column(
        *(pn.Row(*row, sizing_mode="stretch_both", styles=height) for row in panes),
        sizing_mode="stretch_both",
        styles={"overflow-y": "auto"},
    )
