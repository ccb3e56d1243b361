"""Notes and flags of the selected compounds."""

from __future__ import annotations

from html import escape
from typing import Any

import panel as pn

from hcskit.actions import note_compounds
from hcskit.app._content import Content
from hcskit.app._panes import html
from hcskit.app._selection import Selection, known
from hcskit.errors import HcskitError

__all__ = ["noting_pane"]


def noting_pane(content: Content, selection: Selection, noted: Any) -> pn.viewable.Viewable:
    """Return what notes or flags the selected compounds, with the note of the first; `noted` is called after each."""
    note = pn.widgets.TextInput(label="", placeholder="Note on the selected compounds", sizing_mode="stretch_width")
    flag = pn.widgets.Checkbox(label="Flag", align="center", width=55)
    save = pn.widgets.Button(label="Save note", width=90)
    said = html("", css_classes=["hint"], sizing_mode="stretch_width")

    def chosen() -> list[str]:
        return known(selection.compounds, content.leads)

    def show(*_: Any) -> None:
        names, notes = chosen(), content.notes
        row = notes.loc[names[0]] if names and names[0] in notes.index else None
        note.value, flag.value = ("", False) if row is None else (row["note"], bool(row["flag"]))
        said.object = "" if row is None else escape(f"{names[0]}: {row['who']}, {row['when'][:10]}")

    def write(*_: Any) -> None:
        try:
            note_compounds(content.folder, chosen(), note.value_input or note.value or "", flag=flag.value)
        except HcskitError as error:
            said.object = escape(str(error))
            return
        noted()
        show()

    show()
    selection.param.watch(show, "compounds")
    save.on_click(write)
    return pn.Column(pn.Row(note, flag, save, sizing_mode="stretch_width"), said, sizing_mode="stretch_width")
