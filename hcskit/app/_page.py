"""The pages of a run. The first has compounds and curves above, the plate and its cells below."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import panel as pn
import param

from hcskit.app._cells import cell_pane
from hcskit.app._compounds import compound_pane
from hcskit.app._content import Content, content_of
from hcskit.app._curves import curve_pane
from hcskit.app._figures import notice
from hcskit.app._masking import masking_pane
from hcskit.app._panes import pane, rows
from hcskit.app._plate import plate_pane
from hcskit.app._progress import progress_line
from hcskit.app._quality import quality_page
from hcskit.app._record import record_page
from hcskit.app._screen import screen_page
from hcskit.app._selection import Selection

__all__ = ["explore", "page"]


_TABS = ":host(.bk-above) .bk-header .bk-tab.bk-active { color: inherit; font-weight: 600; }"


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
    """Return the pages of a run, each made when it is first opened, and anew when the fits have changed since."""
    content, fits = content_of(folder), _Fits()
    rooms = [pn.Column(sizing_mode="stretch_both") for _ in _PAGES]
    tabs = pn.Tabs(
        *zip(_PAGES, rooms, strict=True),
        sizing_mode="stretch_both",
        stylesheets=[_TABS],
    )
    made: dict[str, int] = {}

    def fill(place: int) -> None:
        title = list(_PAGES)[place]
        with pn.io.hold(freeze=True):
            rooms[place].objects = [_PAGES[title](content, selection, fits)]
        made[title] = fits.version

    def show(*_: Any) -> None:
        place = tabs.active
        title = list(_PAGES)[place]
        selection.page = title if place else ""
        # The first page follows the fits itself: it is where they are changed.
        if title in made and (made[title] == fits.version or not place):
            return
        rooms[place].objects = [notice("Loading …")]  # is seen before the work begins; the browser starts meanwhile
        pn.state.execute(lambda: fill(place), schedule=True)

    def follow(*_: Any) -> None:
        tabs.active = list(_PAGES).index(selection.page) if selection.page in _PAGES else 0

    follow()
    show()
    tabs.param.watch(show, "active")
    selection.param.watch(follow, "page")
    return pn.Column(progress_line(content), tabs, sizing_mode="stretch_both")


def _compounds(content: Content, selection: Selection, fits: _Fits) -> pn.viewable.Viewable:
    plate = pn.Column(
        plate_pane(content, selection, fits), masking_pane(content, selection, fits), sizing_mode="stretch_both"
    )
    return rows(
        [
            pane("Compounds", compound_pane(content, selection, fits)),
            pane("Curves", curve_pane(content, selection, fits)),
        ],
        [pane("Plate", plate), pane("Cells", cell_pane(content, selection))],
    )


def _quality(content: Content, selection: Selection, _: _Fits) -> pn.viewable.Viewable:
    return quality_page(content, selection)


def _screen(content: Content, selection: Selection, _: _Fits) -> pn.viewable.Viewable:
    return screen_page(content, selection)


def _record(content: Content, *_: Any) -> pn.viewable.Viewable:
    return record_page(content)


_PAGES: dict[str, Callable[[Content, Selection, _Fits], pn.viewable.Viewable]] = {
    "Compounds": _compounds,
    "Screen": _screen,
    "Quality": _quality,
    "Record": _record,
}
