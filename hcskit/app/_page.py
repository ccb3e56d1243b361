"""The page: compounds and curves above, the plate and its cells below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import panel as pn
import param

from hcskit.app._cells import cell_pane
from hcskit.app._compounds import compound_pane
from hcskit.app._content import Content
from hcskit.app._curves import curve_pane
from hcskit.app._masking import masking_pane
from hcskit.app._plate import plate_pane
from hcskit.app._selection import Selection

__all__ = ["explore", "page"]

#: Style of what is inside the panes.
_INSIDE = """
:host { font-size: 13px; }
ul.legend, ul.masks { list-style: none; margin: 0; padding: 0; max-height: 84px; overflow-y: auto; }
ul.legend li, ul.masks li { overflow-wrap: anywhere; unicode-bidi: plaintext; margin: 1px 0; }
ul.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; }
.hint, p { margin: 4px 0; opacity: 0.85; overflow-wrap: anywhere; }
.strip { display: flex; gap: 8px; align-items: flex-start; }
.strip figure { margin: 0; display: flex; flex-direction: column; gap: 4px; }
.strip figure.pinned { border-bottom: 3px solid #0072b2; }
.strip figcaption, .strip small { white-space: nowrap; font-size: 12px; }
.strip img { display: block; border-radius: 3px; }
.strip img:focus-visible { outline: 3px solid #0072b2; }
"""
_PANE = {
    "border": "1px solid #8885",
    "border-radius": "6px",
    "padding": "6px 10px",
    "overflow": "hidden",
}


class _Fits(param.Parameterized):
    """Rises when the fits of a run were written anew."""

    version = param.Integer(default=0)


def explore(folder: str | Path, selection: Selection | None = None) -> pn.viewable.Viewable:
    """Return the dashboard of a run for a cell of a notebook.

    Parameters
    ----------
    folder : path-like
        Folder of a run.
    selection : Selection, optional
        What is looked at; another object that follows it, or changes it, is linked with the dashboard.

    Returns
    -------
    panel.viewable.Viewable
    """
    pn.extension("tabulator")
    return page(folder, selection or Selection()).clone(height=900)


def page(folder: str | Path, selection: Selection) -> pn.viewable.Viewable:
    """Return the four linked panes of a run."""
    content, fits = Content(folder), _Fits()
    upper = pn.Row(
        _pane("Compounds", compound_pane(content, selection, fits)),
        _pane("Curves", curve_pane(content, selection, fits)),
        sizing_mode="stretch_both",
        min_height=380,
    )
    plate = pn.Column(
        plate_pane(content, selection, fits), masking_pane(content, selection, fits), sizing_mode="stretch_both"
    )
    lower = pn.Row(
        _pane("Plate", plate), _pane("Cells", cell_pane(content, selection)), sizing_mode="stretch_both", min_height=380
    )
    return pn.Column(upper, lower, sizing_mode="stretch_both")


def _pane(title: str, content: Any) -> pn.Column:
    for part in content.select(pn.pane.HTML):
        part.stylesheets = [*part.stylesheets, _INSIDE]
    head = pn.pane.HTML(f"<h2 style='font-size:15px;margin:0'>{title}</h2>")
    return pn.Column(head, content, styles=_PANE, margin=5, sizing_mode="stretch_both")
