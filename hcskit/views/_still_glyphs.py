"""The glyphs of Bokeh that our views are made of, as artists of Matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.core.property.vectorization import Field, Value
from bokeh.models import LogColorMapper
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba

__all__ = ["draw_glyph"]

_POINT = 0.72  # of a pixel of the screen
_MARKERS = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "inverted_triangle": "v",
    "diamond": "D",
    "hex": "h",
    "x": "x",
    "cross": "+",
}


def draw_glyph(renderer: Any, axes: Any) -> Any:
    """Draw the glyph of a renderer, and return what stands for it in a legend; None where it is not known."""
    glyph = getattr(renderer, "glyph", None)
    draw = _DRAWN.get(type(glyph).__name__)
    return None if draw is None else draw(_Glyph(glyph, renderer.data_source.data), axes)


class _Glyph:
    """A glyph with its data: places and colours as numbers."""

    def __init__(self, glyph: Any, data: Any) -> None:
        self._given, self._data = glyph.properties_with_values(), data

    def values(self, name: str) -> Any:
        """Return a property: one value, or one for each row."""
        spec = self._given.get(name)
        if isinstance(spec, Value):
            return spec.value
        if isinstance(spec, Field):
            return self._data[spec.field]
        return spec

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        return np.asarray(self.values(name), dtype=float)

    def one(self, name: str, otherwise: Any) -> Any:
        """Return a property that is the same for all rows."""
        value = self.values(name)
        value = value[0] if isinstance(value, (list, np.ndarray)) and len(value) else value
        return otherwise if value is None or isinstance(value, (list, np.ndarray)) else value

    def colours(self, of: str) -> Any:
        """Return the colours of lines or fills, with their opacity; "none" where there is nothing."""
        spec, values = self._given.get(f"{of}_color"), self.values(f"{of}_color")
        if values is None:
            return "none"
        alpha = float(self.one(f"{of}_alpha", 1.0))
        mapper = spec.transform if isinstance(spec, Field) else None
        if hasattr(mapper, "palette"):
            values = _mapped(np.asarray(values, dtype=float), mapper)
        many = isinstance(values, (list, np.ndarray))
        return [to_rgba(value, alpha) for value in values] if many else to_rgba(values, alpha)

    @property
    def line(self) -> dict[str, Any]:
        dash = self.one("line_dash", "solid")
        styles = {"solid": "-", "dashed": "--", "dotted": ":", "dotdash": "-."}
        return {
            "linewidths": float(self.one("line_width", 1.0)) * _POINT,
            "linestyles": styles.get(dash, "--") if isinstance(dash, str) else "--" if dash else "-",
        }


def _mapped(values: npt.NDArray[np.float64], mapper: Any) -> list[Any]:
    palette = list(mapper.palette)
    low, high = float(mapper.low), float(mapper.high)
    with np.errstate(invalid="ignore", divide="ignore"):
        if isinstance(mapper, LogColorMapper):
            low, high, values = np.log10(low), np.log10(high), np.log10(values)
        place = np.nan_to_num((values - low) / ((high - low) or 1.0) * len(palette))
    found = [palette[index] for index in np.clip(place, 0, len(palette) - 1).astype(int)]
    return [colour if known else (0, 0, 0, 0) for colour, known in zip(found, np.isfinite(values), strict=True)]


def _single(many: dict[str, Any]) -> dict[str, Any]:
    return {name.removesuffix("s"): value for name, value in many.items()}


def _line(glyph: _Glyph, axes: Any) -> Any:
    return axes.plot(glyph.numbers("x"), glyph.numbers("y"), color=glyph.colours("line"), **_single(glyph.line))[0]


def _scatter(glyph: _Glyph, axes: Any) -> Any:
    x, y = np.atleast_1d(glyph.numbers("x")), np.atleast_1d(glyph.numbers("y"))
    fill, edge, markers = glyph.colours("fill"), glyph.colours("line"), glyph.values("marker")
    size = (np.broadcast_to(glyph.numbers("size"), x.shape) * _POINT) ** 2
    names = np.broadcast_to(np.asarray(markers if markers is not None else "circle"), x.shape)
    artist = None
    for name in dict.fromkeys(names):
        own = names == name
        marker = _MARKERS.get(str(name), "o")
        faces, edges = (_of(colours, own) for colours in (fill, edge))
        look = {"color": edges} if marker in "x+" else {"facecolors": faces, "edgecolors": edges}
        width = glyph.line["linewidths"]
        artist = axes.scatter(x[own], y[own], s=size[own], marker=marker, linewidths=width, zorder=3, **look)
    return artist


def _of(colours: Any, own: npt.NDArray[np.bool_]) -> Any:
    return [colour for colour, mine in zip(colours, own, strict=True) if mine] if isinstance(colours, list) else colours


def _areas(axes: Any, glyph: _Glyph, corners: list[npt.NDArray[np.float64]]) -> Any:
    hatch: dict[str, Any] = {"hatch": "//////", "hatch_linewidth": 0.4} if glyph.one("hatch_pattern", None) else {}
    edges = glyph.colours("hatch") if hatch else glyph.colours("line")
    return axes.add_collection(
        PolyCollection(corners, facecolors=glyph.colours("fill"), edgecolors=edges, **glyph.line, **hatch),
        autolim=True,
    )


def _quad(glyph: _Glyph, axes: Any) -> Any:
    left, right, bottom, top = (np.atleast_1d(glyph.numbers(name)) for name in ("left", "right", "bottom", "top"))
    corners = np.stack([left, bottom, right, bottom, right, top, left, top], axis=1).reshape(-1, 4, 2)
    return _areas(axes, glyph, list(corners))


def _patch(glyph: _Glyph, axes: Any) -> Any:
    return _areas(axes, glyph, [np.column_stack([glyph.numbers("x"), glyph.numbers("y")])])


def _polygons(glyph: _Glyph, axes: Any) -> Any:
    outlines = [
        (np.ravel(x[0][0] if isinstance(x[0], list) else x), np.ravel(y[0][0] if isinstance(y[0], list) else y))
        for x, y in zip(glyph.values("xs"), glyph.values("ys"), strict=True)
    ]
    return _areas(axes, glyph, [np.column_stack([x, y]).astype(float) for x, y in outlines])


def _lines(axes: Any, glyph: _Glyph, paths: list[npt.NDArray[np.float64]]) -> Any:
    return axes.add_collection(LineCollection(paths, colors=glyph.colours("line"), **glyph.line), autolim=True)


def _multi_line(glyph: _Glyph, axes: Any) -> Any:
    paths = zip(glyph.values("xs"), glyph.values("ys"), strict=True)
    return _lines(axes, glyph, [np.column_stack([x, y]).astype(float) for x, y in paths])


def _segment(glyph: _Glyph, axes: Any) -> Any:
    ends = np.stack([np.atleast_1d(glyph.numbers(name)) for name in ("x0", "y0", "x1", "y1")], axis=1)
    return _lines(axes, glyph, list(ends.reshape(-1, 2, 2)))


def _span(glyph: _Glyph, axes: Any) -> Any:
    upright = glyph.values("x") is not None
    draw = axes.axvline if upright else axes.axhline
    look = {"color": glyph.colours("line"), **_single(glyph.line)}
    return [draw(float(place), **look) for place in np.atleast_1d(glyph.numbers("x" if upright else "y"))][:1] or None


def _image(glyph: _Glyph, axes: Any) -> Any:
    x, y, width, height = (float(np.ravel(glyph.numbers(name))[0]) for name in ("x", "y", "dw", "dh"))
    pixels = np.asarray(glyph.values("image")[0])
    mapper = glyph.values("color_mapper")
    if mapper is not None:
        colours = np.array([to_rgba(colour) for colour in _mapped(pixels.ravel().astype(float), mapper)])
        pixels = colours.reshape(*pixels.shape, 4)
    elif pixels.dtype == np.uint32:
        pixels = pixels.view(np.uint8).reshape(*pixels.shape, 4)
    return axes.imshow(pixels, extent=(x, x + width, y, y + height), origin="lower", aspect="auto")


def _text(glyph: _Glyph, axes: Any) -> Any:
    names = {"middle": "center", "alphabetic": "baseline", "hanging": "top"}
    baseline = str(glyph.one("text_baseline", "bottom"))
    look = {
        "color": glyph.colours("text"),
        "fontsize": float(str(glyph.one("text_font_size", "9pt")).rstrip("ptx")),
        "ha": str(glyph.one("text_align", "left")),
        "va": names.get(baseline, baseline),
    }
    for x, y, said in zip(glyph.values("x"), glyph.values("y"), glyph.values("text"), strict=True):
        axes.text(float(x), float(y), str(said), **look)


_DRAWN: dict[str, Callable[[_Glyph, Any], Any]] = {
    "Image": _image,
    "ImageRGBA": _image,
    "HSpan": _span,
    "Line": _line,
    "MultiLine": _multi_line,
    "MultiPolygons": _polygons,
    "Patch": _patch,
    "Patches": _polygons,
    "Quad": _quad,
    "Scatter": _scatter,
    "Segment": _segment,
    "Text": _text,
    "VSpan": _span,
}
