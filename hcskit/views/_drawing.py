"""A plot as layers of tables: drawn by HoloViews once, whose data are then swapped in the figure that is there.

To make a figure takes HoloViews a third of a second, to swap its data takes a millisecond. So a report of 300 compounds
holds one figure and 300 tables, and a dashboard follows a selection at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
from bokeh.models import BasicTicker, FixedTicker
from bokeh.models.annotations import ColorBar
from holoviews.plotting.util import process_cmap
from pandas.api.types import is_numeric_dtype

from hcskit.views._style import style

__all__ = ["Drawing", "Layer", "colour_ticks"]

_PATHS = (hv.Polygons, hv.Contours)
_BOXES = {"left": "x0", "right": "x1", "bottom": "y0", "top": "y1"}


@dataclass(frozen=True)
class Layer:
    """One element of a plot.

    Attributes
    ----------
    element : type
        Of HoloViews.
    data : pandas.DataFrame
        One row a mark; of `hv.Polygons` and `hv.Contours`, the columns x and y hold one array a row.
    places : sequence of str
        The columns that say where.
    more : sequence of str
        The columns that say more, such as to whoever hovers.
    options : mapping
        Of HoloViews.
    mapped : mapping
        Options that are taken from a column, each with the values of two rows that nobody sees: what is the same in
        all rows HoloViews would take for an option, and what is swapped in later would look like it.
    """

    element: Any
    data: pd.DataFrame
    places: Sequence[str]
    more: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    mapped: Mapping[str, tuple[str, Sequence[Any]]] = field(default_factory=dict)

    def draw(self) -> Any:
        """Return the element."""
        names = [*self.places, *self.more]
        table = self.data[names]
        if self.mapped or table.empty:
            table = pd.concat([own for own in (table, self._unseen()) if len(own)], ignore_index=True)
        data: Any = table
        if self.element in _PATHS:
            data = table.to_dict("records")
        chosen = {option: hv.dim(column) for option, (column, _) in self.mapped.items()}
        return self.element(data, list(self.places), list(self.more)).opts(
            backend="bokeh", framewise=True, **{**self.options, **chosen}
        )

    def columns(self) -> dict[str, list[Any]]:
        """Return the data as the source of the element's glyph has them."""
        table = self.data[[*self.places, *self.more]]
        found = {str(name): list(table[name]) for name in table}
        if self.element is hv.Rectangles:
            found |= {name: list(table[column]) for name, column in _BOXES.items()}
        elif self.element in _PATHS:
            wrap = (lambda path: [[path]]) if self.element is hv.Polygons else (lambda path: path)
            found |= {f"{axis}s": [wrap(np.asarray(path)) for path in found.pop(axis)] for axis in ("x", "y")}
        return found | {option: list(table[column]) for option, (column, _) in self.mapped.items()}

    def _unseen(self) -> pd.DataFrame:
        nowhere: Any = np.nan
        if self.element in _PATHS:  # a polygon needs places
            nowhere = np.array([1e-30] * 3) if self.element is hv.Polygons else np.array([np.nan] * 2)
        blank = {name: np.nan if is_numeric_dtype(self.data[name]) else "" for name in self.more}
        row = {**dict.fromkeys(self.places, nowhere), **blank}
        given = dict(self.mapped.values())
        rows = [row | {column: values[place] for column, values in given.items()} for place in range(2)]
        return pd.DataFrame(rows if given else rows[:1])


@dataclass(frozen=True)
class Drawing:
    """A plot of layers, and the options that change with its data.

    Attributes
    ----------
    layers : sequence of Layer
        Drawings of one kind have the same layers.
    options : mapping
        Of HoloViews, those of every drawing of this kind.
    xlim, ylim : tuple of float
        Ends of the axes.
    xticks : sequence of (float, str), optional
        Ticks with their names.
    xlabel, ylabel : str
        Labels of the axes.
    clim : tuple of float, optional
        Ends of the colour scale.
    clabel : str
        Its label.
    cticks : sequence of (float, str), optional
        Its ticks with their names.
    cmap : str, optional
        The colours, where drawings of one kind differ in them.
    """

    layers: Sequence[Layer]
    options: Mapping[str, Any]
    xlim: tuple[float, float]
    ylim: tuple[float, float]
    xticks: Sequence[tuple[float, str]] | None = None
    xlabel: str = ""
    ylabel: str = ""
    clim: tuple[float, float] | None = None
    clabel: str = ""
    cticks: Sequence[tuple[float, str]] | None = None
    cmap: str | None = None

    def view(self, *further: Any, **options: Any) -> hv.Overlay:
        """Return the plot, with further elements and options."""
        changing = {"xlim": self.xlim, "ylim": self.ylim, "xlabel": self.xlabel, "ylabel": self.ylabel}
        if self.xticks is not None:
            changing["xticks"] = list(self.xticks)
        return style(
            hv.Overlay([*(layer.draw() for layer in self.layers), *further]),
            **{"title": "", **self.options, **changing, **options},
        )

    def swap(self, figure: Any) -> None:
        """Show this drawing in the Bokeh figure of another of its kind."""
        for renderer, layer in zip(figure.renderers, self.layers, strict=False):
            renderer.data_source.data = layer.columns()
        for model, changes in self.changes(figure):
            model.update(**changes)

    def changes(self, figure: Any) -> list[tuple[Any, dict[str, Any]]]:
        """Return which models of a figure of this kind change, and how."""
        found: list[tuple[Any, dict[str, Any]]] = [
            (figure.x_range, _ends(figure.x_range, self.xlim)),
            (figure.y_range, _ends(figure.y_range, self.ylim)),
            (figure.xaxis[0], {"axis_label": self.xlabel}),
            (figure.yaxis[0], {"axis_label": self.ylabel}),
        ]
        if self.xticks is not None:
            found.append((figure.xaxis[0], {"major_label_overrides": dict(self.xticks)}))
            found.append((figure.xaxis[0].ticker, {"ticks": [mark for mark, _ in self.xticks]}))
        if self.clim is not None:
            bar = figure.select_one(ColorBar)
            mappers = {
                renderer.glyph.fill_color.transform
                for renderer in figure.renderers
                if hasattr(getattr(renderer.glyph, "fill_color", None), "transform")
                and hasattr(renderer.glyph.fill_color.transform, "palette")
            }
            found += [(mapper, dict(zip(("low", "high"), self.clim, strict=True))) for mapper in mappers]
            found += [(mapper, {"palette": colours}) for mapper in mappers if (colours := self._colours(mapper))]
            found += [(bar, {"title": self.clabel, **self._ticks(bar)})] if bar is not None else []
        return found

    def _colours(self, mapper: Any) -> list[str]:
        """Return the colours of this drawing, if they are not those of a figure's mapper."""
        colours = [] if self.cmap is None else process_cmap(self.cmap, len(mapper.palette))
        return [] if colours == list(mapper.palette) else colours

    def _ticks(self, bar: ColorBar) -> dict[str, Any]:
        """Return what changes of the ticks of a colour bar, if they are named here or were before."""
        if self.cticks is not None:
            return colour_ticks(self.cticks)
        return {"ticker": BasicTicker(), "major_label_overrides": {}} if bar.major_label_overrides else {}


def colour_ticks(ticks: Sequence[tuple[float, str]]) -> dict[str, Any]:
    """Return the options of a colour bar with these ticks."""
    return {"ticker": FixedTicker(ticks=[mark for mark, _ in ticks]), "major_label_overrides": dict(ticks)}


def _ends(axis: Any, limits: tuple[float, float]) -> dict[str, float]:
    """Return the ends of an axis in its direction: row A of a plate stays at the top."""
    start, end = (float(value) for value in limits)
    if axis.start is not None and axis.start > axis.end:
        start, end = end, start
    return {"start": start, "end": end, "reset_start": start, "reset_end": end}
