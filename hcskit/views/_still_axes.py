"""A Bokeh figure on the axes of Matplotlib: ranges, ticks, titles, legend and colour bar."""

from __future__ import annotations

from typing import Any

from bokeh.models import Axis, ContinuousTicker, FixedTicker, LogColorMapper, LogScale
from bokeh.models.annotations import ColorBar, Legend
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.ticker import FixedLocator, NullLocator

from hcskit.views._still_glyphs import draw_glyph
from hcskit.views._style import INK, MUTED

__all__ = ["draw_figure"]

_LINE = "#c3cad1"


def draw_figure(figure: Any, axes: Any) -> None:
    """Draw a Bokeh figure on axes of Matplotlib."""
    for axis, scale in (("x", figure.x_scale), ("y", figure.y_scale)):
        if isinstance(scale, LogScale):
            axes.set(**{f"{axis}scale": "log"})
    artists = {
        renderer: draw_glyph(renderer, axes) for renderer in figure.renderers if getattr(renderer, "visible", False)
    }
    for axis, wanted in (("x", figure.x_range), ("y", figure.y_range)):
        if getattr(wanted, "start", None) is not None:
            axes.set(**{f"{axis}lim": (wanted.start, wanted.end)})
    _spines(figure, axes)
    if figure.frame_width and figure.frame_height:
        axes.set_box_aspect(figure.frame_height / figure.frame_width)
    if figure.title is not None and figure.title.text:
        axes.set_title(figure.title.text, fontsize=10, color=INK, loc="left", fontweight="bold")
    for part in (*figure.left, *figure.right, *figure.above, *figure.below, *figure.center):
        if isinstance(part, Legend) and part.visible and part.items:
            _legend(part, artists, axes)
        elif isinstance(part, ColorBar):
            _colour_bar(part, axes)


def _spines(figure: Any, axes: Any) -> None:
    for spine in axes.spines.values():
        spine.set_color(_LINE)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8, color=_LINE)
    shown = {
        "x": [part for part in (*figure.below, *figure.above) if isinstance(part, Axis) and part.visible],
        "y": [part for part in (*figure.left, *figure.right) if isinstance(part, Axis) and part.visible],
    }
    for name, parts in shown.items():
        side = axes.xaxis if name == "x" else axes.yaxis
        if not parts:
            side.set_visible(False)
            continue
        _ticks(parts[0], side)
        if parts[0].axis_line_color is None:
            axes.spines[["bottom", "left"]].set_visible(False)
            side.set_tick_params(length=0)
        if parts[0] in figure.above:
            side.tick_top()
    if not any(shown.values()):
        axes.set_axis_off()
    if any(grid.visible and grid.grid_line_color is not None for grid in figure.ygrid):
        axes.grid(axis="y", color=MUTED, alpha=0.2, linewidth=0.7)
        axes.set_axisbelow(True)


def _ticks(part: Any, side: Any) -> None:
    if isinstance(part.ticker, FixedTicker):
        side.set_major_locator(FixedLocator(list(part.ticker.ticks)))
        side.set_minor_locator(NullLocator())
        names = {float(place): str(name) for place, name in part.major_label_overrides.items()}
        side.set_ticklabels([names.get(float(place), f"{place:g}") for place in part.ticker.ticks])
    elif isinstance(part.ticker, ContinuousTicker):
        side.set_tick_params(which="minor", length=0)
    if part.axis_label:
        side.set_label_text(part.axis_label, fontsize=9, color=MUTED)


def _legend(part: Any, artists: dict[Any, Any], axes: Any) -> None:
    named = [
        (artists[renderer], str(getattr(item.label, "value", item.label)))
        for item in part.items
        for renderer in item.renderers[:1]
        if artists.get(renderer) is not None
    ]
    if named:
        below = {"loc": "outside lower center"} if len(axes.figure.axes) == 1 else {"loc": "best"}
        holder = axes.figure if len(axes.figure.axes) == 1 else axes
        holder.legend(*zip(*named, strict=True), fontsize=8, frameon=False, **below)


def _colour_bar(part: Any, axes: Any) -> None:
    mapper = part.color_mapper
    if getattr(mapper, "low", None) is None:
        return
    norm = LogNorm if isinstance(mapper, LogColorMapper) else Normalize
    scale = ScalarMappable(norm(mapper.low, mapper.high), ListedColormap(list(mapper.palette)))
    bar = axes.figure.colorbar(scale, ax=axes, fraction=0.035, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=0, colors=INK)
    bar.set_label(part.title or "", fontsize=8, color=MUTED)
