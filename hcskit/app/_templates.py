"""Figures of a kind, copied: HoloViews draws the first one of a process, which takes most of the time of a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import Any

import panel as pn
from bokeh.core.serialization import Deserializer, Serialized, Serializer
from bokeh.util.serialization import make_id

from hcskit.app._figures import drawn
from hcskit.views import Drawing

__all__ = ["figure_of"]

_TEMPLATES: dict[Hashable, Serialized[Any]] = {}


def figure_of(drawing: Drawing, kind: Hashable, **options: Any) -> Any:
    """Return a Bokeh figure that shows a drawing, for one session.

    Parameters
    ----------
    drawing : Drawing
        What it shows first; `Drawing.swap` shows another.
    kind : hashable
        Drawings of one kind have the same layers and options, so that one can be swapped for another.
    **options
        Of HoloViews.
    """
    template = kind, pn.config.theme  # the colours of text are those of the theme
    if template not in _TEMPLATES:
        figure = drawn(drawing.view(**options))
        for renderer in figure.renderers:  # nothing in it is selected or muted
            renderer.update(selection_glyph=None, nonselection_glyph=None, muted_glyph=None)
        _TEMPLATES[template] = Serializer().serialize(figure)
    first = _TEMPLATES[template]
    names: dict[str, str] = defaultdict(make_id)
    figure = Deserializer().deserialize(Serialized(_renamed(first.content, names), first.buffers))
    drawing.swap(figure)
    return figure


def _renamed(part: Any, names: dict[str, str]) -> Any:
    """Give the models of a serialised figure names of their own: a page may hold several copies."""
    if isinstance(part, dict):
        return {key: names[value] if key == "id" else _renamed(value, names) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_renamed(value, names) for value in part]
    return part
