"""The interactive plots of a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import holoviews as hv
from bokeh.embed import json_item

from hcskit.views import THEME

__all__ = ["Figures"]


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
            "json": json_item(plot, theme=THEME),
        }
        self.items.append(item)
        return item
