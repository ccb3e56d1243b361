"""The interactive plots of a report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import holoviews as hv
import numpy as np
from bokeh.embed import json_item

from hcskit.views import THEME, Drawing

__all__ = ["Figures"]

_DIGITS = 4  # of a number in the page: more cannot be seen


@dataclass
class Figures:
    """Collects the report's interactive plots; each is drawn by the browser only when it scrolls into view.

    Plots of one kind share one figure, which the browser copies and fills with the data of each: this is what lets a
    report of hundreds of compounds be written in seconds, and stay small.

    Attributes
    ----------
    items : list of dict
        Places of plots: ``id``, ``label`` and ``height``, with ``json`` or, of a kind, ``kind`` and ``data``.
    kinds : dict
        The figure of each kind, as JSON.
    """

    items: list[dict[str, Any]] = field(default_factory=list)
    kinds: dict[str, Any] = field(default_factory=dict)
    _models: dict[str, Any] = field(default_factory=dict)

    def add(self, view: Any, label: str, *, stretch: bool = False) -> dict[str, Any]:
        """Keep a HoloViews element for the page; `label` says in words what it shows, `stretch` fills the width."""
        plot = _rendered(view, stretch=stretch)
        return self._place(plot, label, json=json_item(plot, theme=THEME))

    def draw(self, kind: str, drawing: Drawing, label: str, *, stretch: bool = False) -> dict[str, Any]:
        """Keep a drawing; those of one `kind` share a figure."""
        kind = f"kind-{kind}"
        if kind not in self._models:
            self._models[kind] = _rendered(drawing.view(), stretch=stretch)
            self.kinds[kind] = json_item(self._models[kind], theme=THEME)
        plot = self._models[kind]
        sources = {
            renderer.data_source.id: _rounded(layer.columns())
            for renderer, layer in zip(plot.renderers, drawing.layers, strict=False)
        }
        changes = [(model.id, _plain(changed)) for model, changed in drawing.changes(plot)]
        return self._place(plot, label, kind=kind, data={"sources": sources, "changes": changes})

    def _place(self, plot: Any, label: str, **content: Any) -> dict[str, Any]:
        item = {
            "id": f"figure-{len(self.items) + 1}",
            "label": label,
            # Room is reserved before the plot is drawn, so that nothing moves while one reads.
            "height": int(plot.height or (plot.frame_height or 250) + 45),
            "kind": "",
            "data": None,
            "json": None,
            **content,
        }
        self.items.append(item)
        return item


def _rendered(view: Any, *, stretch: bool) -> Any:
    plot = hv.render(view, backend="bokeh")
    # HoloViews asks for WebGL, whose scripts are not in the page.
    plot.output_backend = "canvas"
    if stretch:
        plot.update(sizing_mode="stretch_width", width=None)
    return plot


def _rounded(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: [_short(value) for value in values] for name, values in columns.items()}


def _short(value: Any) -> Any:
    """Return a value for JSON; a number with the digits that can be seen, and none where there is no number."""
    if isinstance(value, (list, np.ndarray)):
        return [_short(one) for one in value]
    if isinstance(value, (bool, str, int)):
        return value
    number = float(value)
    return float(f"{number:.{_DIGITS}g}") if np.isfinite(number) else None


def _plain(changed: dict[str, Any]) -> dict[str, Any]:
    """Return changes of a model as JSON has them: a mapping with keys that are no text is a list of pairs."""
    return {name: _pairs(value) if isinstance(value, dict) else value for name, value in changed.items()}


def _pairs(mapping: dict[Any, Any]) -> dict[str, Any]:
    entries: Iterable[tuple[Any, Any]] = mapping.items()
    return {"type": "map", "entries": [[key, value] for key, value in entries]}
