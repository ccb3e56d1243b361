"""Plots in an executed notebook: a still picture that is seen everywhere, and the plot itself where scripts may run.

A notebook that another person executed is not trusted: JupyterLab shows its pictures and runs none of its scripts. So
each output holds a picture, which a script replaces where it may. BokehJS is compressed and stands in the notebook
once, and nothing is asked of the network.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from functools import cache
from html import escape
from typing import Any, TypeVar
from uuid import uuid4

import bokeh
import holoviews as hv
from bokeh.embed import json_item
from bokeh.models import ImageRGBA
from bokeh.resources import Resources
from IPython.core.getipython import get_ipython
from IPython.display import HTML, display

from hcskit.views._still import KINDS, picture_of
from hcskit.views._theme import THEME

__all__ = ["notebook_plots", "shown_plates"]

_Plate = TypeVar("_Plate")
_SHOWN = (hv.Element, hv.Overlay, hv.NdOverlay, hv.Layout, hv.NdLayout)
# Plots wait in a list until BokehJS is there: JupyterLab may show later cells first.
_LOADER = """<script>(() => {
  const draw = (place, item) => {
    const images = [...place.querySelectorAll("img")];
    window.Bokeh.embed.embed_item(item, place).then(() => images.forEach((image) => image.remove()));
  };
  const start = () => {
    const waiting = window.hcskitPlots ?? [];
    window.hcskitPlots = { push: (plot) => draw(...plot) };
    waiting.forEach?.((plot) => draw(...plot));
  };
  if (window.Bokeh?.version === "VERSION") { start(); return; }
  const packed = Uint8Array.from(atob("PACKED"), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  new Response(stream).text().then((code) => {
    const script = document.createElement("script");
    script.textContent = code;
    document.head.append(script);
    start();
  });
})();</script>"""
_PLOT = """<div id="PLACE"><img src="PICTURE" alt="ABOUT" style="max-width: 100%; width: WIDTHpx"></div>
<script>(() => {
  const place = document.getElementById("PLACE");
  if (place) (window.hcskitPlots ??= []).push([place, ITEM]);
})();</script>"""


def notebook_plots() -> None:
    """Show the plots of this notebook as pictures, and as live plots where the notebook is trusted.

    It takes the place of ``holoviews.extension("bokeh")``, whose scripts make a notebook 6 MB larger and whose plots
    are blank where it is not trusted. Outside of IPython it does nothing.
    """
    shell = get_ipython()
    if shell is None:
        return
    hv.Store.set_current_backend("bokeh")
    formatter: Any = shell.display_formatter
    for shown in _SHOWN:
        formatter.mimebundle_formatter.for_type(shown, _bundle)
    display(HTML(_LOADER.replace("VERSION", bokeh.__version__).replace("PACKED", _packed())))  # type: ignore[no-untyped-call]


def shown_plates(plates: Mapping[str, _Plate], most: int = 2) -> dict[str, _Plate]:
    """Return the first plates, to be shown in a notebook, and print which others there are.

    Examples
    --------
    >>> list(shown_plates({"P1": 1, "P2": 2, "P3": 3}, most=2))
    Shown: P1, P2. Another plate: plates["P3"].
    ['P1', 'P2']
    """
    names = list(plates)
    if len(names) > most:
        others = f" ({len(names) - most} more)" if len(names) > most + 1 else ""
        print(f'Shown: {", ".join(names[:most])}. Another plate: plates["{names[most]}"]{others}.')
    return {name: plates[name] for name in names[:most]}


@cache
def _packed() -> str:
    code = "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)
    return base64.b64encode(gzip.compress(code.encode(), mtime=0)).decode()


def _bundle(view: Any, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG001 - of IPython
    """Return what a notebook keeps of a plot."""
    model = hv.render(view, backend="bokeh")
    kind = "jpg" if any(model.select({"type": ImageRGBA})) else "png"
    picture, width = picture_of(model, kind)
    item = json.dumps(json_item(model, theme=THEME)).replace("<", "\\u003c")
    source = f"data:{KINDS[kind]};base64,{base64.b64encode(picture).decode()}"
    parts = {
        "PLACE": f"hcskit-{uuid4().hex}",
        "PICTURE": source,
        "ABOUT": escape(_about(model), quote=True),
        "WIDTH": str(width),
    }
    head, _, tail = _PLOT.partition("ITEM")
    for name, value in parts.items():
        head, tail = head.replace(name, value), tail.replace(name, value)
    return {"text/html": f"{head}{item}{tail}", "text/plain": repr(view)}


def _about(model: Any) -> str:
    """Say in words what a picture shows: the titles of its plots, or its axes."""
    figures = [one for one in model.select({"type": bokeh.models.Plot}) if one.renderers]
    titles = [figure.title.text for figure in figures if figure.title is not None and figure.title.text]
    axes = [axis.axis_label for figure in figures for axis in figure.axis if axis.axis_label]
    return ", ".join(dict.fromkeys(titles or axes)) or "plot"
