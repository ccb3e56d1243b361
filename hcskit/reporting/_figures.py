"""The interactive plots of a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import holoviews as hv
from bokeh.embed import json_item
from bokeh.themes import Theme

from hcskit.views import INK, MUTED

__all__ = ["Figures"]

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif"
_TEXT = {"text_font": _FONT, "text_color": INK}
_AXIS = {
    "axis_line_color": "#c3cad1",
    "major_tick_line_color": "#c3cad1",
    "minor_tick_line_color": None,
    "axis_label_text_font": _FONT,
    "axis_label_text_color": MUTED,
    "axis_label_text_font_style": "normal",
    "major_label_text_font": _FONT,
    "major_label_text_color": INK,
}
_THEME = Theme(
    json={
        "attrs": {
            "Plot": {"outline_line_color": None, "background_fill_color": None, "border_fill_color": None},
            "Title": _TEXT,
            "Label": {"text_font": _FONT},
            "LabelSet": {"text_font": _FONT},
            "Axis": _AXIS,
            "Legend": {"label_text_font": _FONT, "border_line_color": None, "background_fill_alpha": 0.8},
            "ColorBar": {
                "title_text_font": _FONT,
                "title_text_font_style": "normal",
                "title_text_color": MUTED,
                "major_label_text_font": _FONT,
                "major_label_text_color": INK,
            },
        }
    }
)


@dataclass
class Figures:
    """Collects the report's interactive plots; each is drawn by the browser only when it scrolls into view."""

    items: list[dict[str, Any]] = field(default_factory=list)

    def add(self, view: Any, label: str, *, stretch: bool = False) -> dict[str, Any]:
        """Keep a HoloViews element for the page; `label` says in words what it shows, `stretch` fills the width."""
        plot = hv.render(view, backend="bokeh")
        # HoloViews asks for WebGL, whose scripts are not in the page.
        plot.output_backend = "canvas"
        if stretch:
            plot.update(sizing_mode="stretch_width", width=None)
        item = {
            "id": f"figure-{len(self.items) + 1}",
            "label": label,
            # Room is reserved before the plot is drawn, so that nothing moves while one reads.
            "height": int(plot.height or (plot.frame_height or 250) + 45),
            "json": json_item(plot, theme=_THEME),
        }
        self.items.append(item)
        return item
