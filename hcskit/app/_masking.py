"""Masking: the selected wells are taken out of the fits, with a reason."""

from __future__ import annotations

from html import escape
from typing import Any

import panel as pn

from hcskit.actions import mask_wells, unmask_wells
from hcskit.app._content import Content
from hcskit.app._panes import html
from hcskit.app._selection import Selection, place_of
from hcskit.errors import HcskitError

__all__ = ["masking_pane"]


def masking_pane(content: Content, selection: Selection, changed: Any) -> pn.viewable.Viewable:
    """Return what masks the selected wells, and tells which are masked, by whom and why."""
    reason = pn.widgets.TextInput(label="", placeholder="Reason, such as: air bubble", width=220)
    mask = pn.widgets.Button(label="Mask wells", color="warning", width=100)
    unmask = pn.widgets.Button(label="Unmask", width=90)
    said = html("", css_classes=["hint"])
    table = html(
        pn.bind(lambda *_: _told(content, selection), changed.param.version, selection.param.wells),
        sizing_mode="stretch_width",
    )

    def write(verb: Any, *given: Any) -> None:
        try:
            verb(content.folder, [place_of(key) for key in selection.wells], *given)
        except HcskitError as error:
            said.object = escape(str(error))
            return
        said.object, reason.value = "", ""
        content.read_again()
        changed.version += 1

    mask.on_click(lambda _: write(mask_wells, reason.value_input or reason.value))
    unmask.on_click(lambda _: write(unmask_wells))
    return pn.Column(pn.Row(reason, mask, unmask), said, table, sizing_mode="stretch_width")


def _told(content: Content, selection: Selection) -> str:
    wells = ", ".join(escape(key) for key in selection.wells[:6]) + (" …" if len(selection.wells) > 6 else "")
    masks = content.masks
    told = [
        f"{row['plate']} {row['well']}: {row['reason']} ({row['who']}, {row['when'][:10]})"
        for row in masks.reset_index().to_dict("records")
    ]
    rows = "".join(f"<li>{escape(text)}</li>" for text in told)
    return f"<p>Selected: {wells or 'no well'}</p>" + (f"<ul class='masks'>{rows}</ul>" if rows else "")
