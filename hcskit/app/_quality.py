"""The page of the images and of the network: what was left out, how the network learned, and how far it is right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import holoviews as hv
import pandas as pd
import panel as pn

from hcskit.app._cells import level_for, tile
from hcskit.app._content import Content
from hcskit.app._figures import drawn, figure_pane, notice, picture_buttons
from hcskit.app._panes import html, pane, scrolled
from hcskit.app._selection import Selection, known
from hcskit.errors import InputError
from hcskit.results import HELD_OUT, HISTORY, ILLUMINATION, PLATES, QUALITY, read_illumination
from hcskit.views import (
    calibration,
    confusion,
    excluded_fields,
    field_drawing,
    illumination_map,
    pace_curves,
    training_curves,
)

__all__ = ["quality_page"]

_MEASURES = {
    "focus (robust z-score; only low is bad)": "focus_z",
    "saturated pixels (fraction)": "saturation",
    "mean brightness (counts)": "mean",
}
_MOST = 24  # thumbnails
_EDGE = 130  # of a thumbnail, in pixels
_EVERY = 5000  # milliseconds after which a training that is running is looked at again


def quality_page(content: Content, selection: Selection) -> pn.viewable.Viewable:
    """Return the quality of the images and the training of the network; what is missing says what makes it."""
    return scrolled(
        [pane("Fields", _maps(content, selection)), pane("Fields left out", _flagged(content, selection))],
        [
            pane("Loss and accuracy", _followed(content, training_curves)),
            pane("Pace", _followed(content, pace_curves)),
        ],
        [
            pane("Calibration on held-out fields", _held_out(content, calibration)),
            pane("Confusion of held-out fields", _held_out(content, confusion)),
        ],
        [pane("Illumination", _illumination(content, selection))],
    )


def _plates(content: Content) -> list[str]:
    """Return the plates that have images and a quality."""
    measured = set(content.table(QUALITY).index.get_level_values("plate").astype(str))
    return [name for name in content.plates if name in measured]


def _maps(content: Content, selection: Selection) -> pn.viewable.Viewable:
    lacking = content.lacking(PLATES, QUALITY)
    names = [] if lacking else _plates(content)
    if not names:
        return notice(lacking or "no plate that has images was measured; run hcskit quality first")
    plate = pn.widgets.Select(label="Plate", options=names, width=150)
    plate.value = next(iter(known([content.plate(selection)], names)), names[0])
    measure = pn.widgets.Select(label="Measure", options=list(_MEASURES), width=300)
    plate.link(selection, value="plate")
    plot = pn.pane.Bokeh(None, sizing_mode="stretch_both", min_height=200)

    def show(*_: Any) -> None:
        own = content.plates[plate.value]
        drawing = field_drawing(content.table(QUALITY), own, _MEASURES[measure.value], label=measure.value)
        plot.object = drawn(drawing.view())

    plate.param.watch(show, "value")
    measure.param.watch(show, "value")
    show()
    return pn.Column(
        pn.Row(plate, measure), plot, picture_buttons(lambda: plot.object, "fields"), sizing_mode="stretch_both"
    )


def _flagged(content: Content, selection: Selection) -> pn.viewable.Viewable:
    lacking = content.lacking(QUALITY)
    if lacking:
        return notice(lacking)
    fields = excluded_fields(content.table(QUALITY))
    if fields.empty:
        return notice("No field was left out.")
    shown = pn.bind(lambda plate: _thumbnails(content, selection, fields, plate), selection.param.plate)
    return html(shown, sizing_mode="stretch_both", styles={"overflow": "auto"})


def _thumbnails(content: Content, selection: Selection, fields: pd.DataFrame, plate: str) -> str:
    """Return the fields that were left out as images, those of the chosen plate first."""
    ordered = fields.assign(other=fields["plate"] != plate).sort_values("other", kind="stable")
    figures = []
    for _, row in ordered.head(_MOST).iterrows():
        place = str(row["plate"]), str(row["well"])
        label = f"{' '.join(place)}, field {row['field']}"
        image = ""
        if place[0] in content.plates:
            level = level_for(content.plates[place[0]], _EDGE)
            image = tile(content, selection, level, place, int(row["field"]), _EDGE)
        figures.append(
            f"<figure class='flagged'><figcaption>{escape(label)}</figcaption>{image}"
            f"<small>{escape(str(row['reason']))}</small></figure>"
        )
    hidden = len(fields) - len(figures)
    more = f"<p class='hint'>{hidden} more are not shown.</p>" if hidden else ""
    return f"{more}<div class='strip wrap'>{''.join(figures)}</div>"


def _followed(content: Content, draw: Callable[[pd.DataFrame], hv.Layout]) -> pn.viewable.Viewable:
    """Return plots of the training history, drawn again while it grows."""
    body = pn.Row(sizing_mode="stretch_both")
    path, seen = HISTORY.path(content.folder), {"at": -1.0}

    def look() -> None:
        at = path.stat().st_mtime if path.exists() else 0.0
        if at != seen["at"]:
            seen["at"] = at
            body.objects = _curves(content, path, draw)

    look()
    record = content.record
    if pn.state.curdoc is not None and record is not None and record.status == "running":
        pn.state.add_periodic_callback(look, period=_EVERY)
    return body


def _curves(content: Content, path: Path, draw: Callable[[pd.DataFrame], hv.Layout]) -> list[pn.viewable.Viewable]:
    if not path.exists():
        return [notice(str(HISTORY.missing(content.folder)))]
    try:
        views = draw(pd.read_csv(path))
    except (OSError, ValueError, KeyError, InputError) as error:
        return [notice(f"{path} cannot be shown: {error}")]
    return [figure_pane(partial(drawn, view), path.stem) for view in views]


def _held_out(content: Content, draw: Callable[[pd.DataFrame], Any]) -> pn.viewable.Viewable:
    lacking = content.lacking(HELD_OUT)
    if lacking:
        return notice(lacking)
    return figure_pane(lambda: drawn(draw(content.table(HELD_OUT))), draw.__name__)


def _illumination(content: Content, selection: Selection) -> pn.viewable.Viewable:
    lacking = content.lacking(ILLUMINATION)
    if lacking:
        return notice(lacking)
    light = read_illumination(content.folder)
    names = [str(name) for name in light["plate"].to_numpy()]
    limits = (float(light["flat"].min()), float(light["flat"].max()))

    def show(plate: str) -> pn.viewable.Viewable:
        name = next(iter(known([plate], names)), names[0])
        maps = [illumination_map(light, name, str(channel), limits=limits) for channel in light["channel"].to_numpy()]
        return pn.FlexBox(*(pn.pane.HoloViews(view, backend="bokeh") for view in maps))

    return pn.Column(pn.bind(show, selection.param.plate), sizing_mode="stretch_both", scroll=True)
