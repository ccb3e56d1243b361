"""Still pictures of plots: what Bokeh would draw in a browser, drawn by Matplotlib for a page without scripts."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import holoviews as hv
import matplotlib as mpl
from bokeh.models import GridPlot
from matplotlib.figure import Figure

from hcskit.errors import InputError
from hcskit.views._still_axes import draw_figure

__all__ = ["KINDS", "picture_of", "still", "still_look"]

#: Kinds of pictures that `still` makes, with their media types.
KINDS = {"png": "image/png", "jpg": "image/jpeg", "svg": "image/svg+xml", "pdf": "application/pdf"}
_DPI = 100
_SHARP = 2  # pixels of a picture for each of the screen's
_WIDTH, _HEIGHT = 460, 320
_MARGIN = (110, 60)  # around a plot whose frame has the given size
_LOOK: Any = {
    "text.parse_math": False,  # a name may hold a dollar
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # text can be searched
    "svg.hashsalt": "hcskit",  # the same plot makes the same file
    "font.family": "sans-serif",
    "font.sans-serif": ["Liberation Sans", "Arial", "Helvetica", "DejaVu Sans"],
}


def still(view: Any, kind: str = "png") -> bytes:
    """Draw a HoloViews element, overlay or layout as a still picture.

    Parameters
    ----------
    view : holoviews element, overlay or layout
        What `hcskit.views` makes. Of the views of others, glyphs that are not known here are left out.
    kind : {"png", "jpg", "svg", "pdf"}
        Format of the picture.

    Returns
    -------
    bytes
        The picture as a file.

    Raises
    ------
    InputError
        If the format is not one of these.
    """
    if kind not in KINDS:
        raise InputError(f"a picture of kind {kind!r} cannot be made; expected one of {', '.join(KINDS)}")
    return picture_of(hv.render(view, backend="bokeh"), kind)[0]


def picture_of(model: Any, kind: str) -> tuple[bytes, int]:
    """Draw a rendered view as `still` does, and return the picture and its width on the screen, in pixels."""
    with still_look():
        picture = _draw(_placed(model))
        buffer = io.BytesIO()
        dpi = _DPI if kind in ("svg", "pdf") else _DPI * _SHARP
        options = {"pil_kwargs": {"quality": 85}} if kind == "jpg" else {"metadata": _dateless(kind)}
        picture.savefig(buffer, format=kind, dpi=dpi, **options)
    return buffer.getvalue(), round(picture.get_figwidth() * _DPI)


@contextmanager
def still_look() -> Iterator[None]:
    """Give what Matplotlib draws the look of our pictures."""
    with mpl.rc_context(_LOOK), warnings.catch_warnings():
        # A name may hold letters that the font does not have: they are drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        yield


def _placed(model: Any) -> list[tuple[Any, int, int]]:
    """Return the figures of a rendered view with their rows and columns."""
    if not isinstance(model, GridPlot):
        return [(model, 0, 0)]
    return [(child[0], child[1], child[2]) for child in model.children]


def _draw(placed: list[tuple[Any, int, int]]) -> Figure:
    rows, columns = (1 + max(place[axis] for place in placed) for axis in (1, 2))
    sizes = [_size(figure) for figure, _, _ in placed]
    width, height = max(size[0] for size in sizes), max(size[1] for size in sizes)
    picture = Figure(figsize=(columns * width / _DPI, rows * height / _DPI), dpi=_DPI, layout="constrained")
    grid = picture.add_gridspec(rows, columns)
    for figure, row, column in placed:
        draw_figure(figure, picture.add_subplot(grid[row, column]))
    return picture


def _size(figure: Any) -> tuple[int, int]:
    """Return the size of a figure on the screen, in pixels."""
    if figure.frame_width and figure.frame_height:
        return figure.frame_width + _MARGIN[0], figure.frame_height + _MARGIN[1]
    return figure.width or _WIDTH, figure.height or _HEIGHT


def _dateless(kind: str) -> dict[str, None]:
    """Return metadata without a date, so that the same plot makes the same file."""
    return {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
