"""The curves of the selected compounds, over one another."""

from __future__ import annotations

import io
from html import escape
from typing import Any

import panel as pn

from hcskit.app._content import Content
from hcskit.app._effective import effect_controls, effective_of, told_of
from hcskit.app._figures import notice, picture_buttons
from hcskit.app._panes import html, later
from hcskit.app._selection import Selection, known
from hcskit.app._templates import figure_of
from hcskit.results import CURVES, POINTS, RESPONSES
from hcskit.views import PALETTE, Drawing, compound_sheets, format_ec50, response_drawing

__all__ = ["curve_pane"]

_MOST = len(PALETTE)  # more curves than colours cannot be told apart


def curve_pane(content: Content, selection: Selection, changed: Any) -> pn.viewable.Viewable:
    """Return the plot and its legend. It is built once; a new selection swaps its data."""
    lacking = content.lacking(RESPONSES, POINTS, CURVES)
    if lacking:
        return notice(lacking)

    def drawing() -> Drawing:
        tables = content.table(RESPONSES), content.table(POINTS), content.table(CURVES)
        return response_drawing(
            *tables,
            content.fits(selection)[:_MOST],
            masked=content.masked_points,
            networks=selection.networks,
            effective=effective_of(content, selection),
        )

    figure = figure_of(drawing(), "curves")
    plot = pn.pane.Bokeh(figure, sizing_mode="stretch_both", min_height=200)

    swap = later(lambda: drawing().swap(figure))
    selection.param.watch(swap, ["compounds", "readout", "effect", "networks"])
    changed.param.watch(swap, "version")
    legend = html(
        pn.bind(
            lambda *_: _legend(content, selection),
            selection.param.compounds,
            selection.param.readout,
            selection.param.effect,
            changed.param.version,
        ),
        sizing_mode="stretch_width",
    )
    buttons = picture_buttons(lambda: figure, "curves")
    buttons.insert(1, _sheet_button(content, selection))
    buttons[:0] = effect_controls(content, selection)
    return pn.Column(legend, plot, buttons, sizing_mode="stretch_both")


def _sheet_button(content: Content, selection: Selection) -> pn.widgets.FileDownload:
    """Return the button that writes a page for the lab notebook for each selected compound."""

    def write() -> io.BytesIO:
        record, masks = content.record, content.masks
        facts = {"run": content.folder.resolve().name}
        if record is not None:
            facts |= {"pipeline": record.pipeline, "started": record.started, "git": record.git or ""}
        tables = content.table(RESPONSES), content.table(POINTS), content.table(CURVES)
        chosen = known(selection.compounds, content.leads) or list(content.leads)[:1]
        sheets = compound_sheets(
            *tables,
            chosen,
            plates=content.plates,
            masked=content.masked_points,
            masks=masks,
            notes=_notes(content),
            facts=facts,
        )
        return io.BytesIO(sheets)

    return pn.widgets.FileDownload(
        callback=write, filename="compounds.pdf", label="PDF", color="light", width=54, height=26, margin=(0, 4)
    )


def _notes(content: Content) -> dict[str, str]:
    """Return the mechanism of each compound and what was noted of it."""
    noted = content.notes["note"].to_dict()
    parts = {name: (content.mechanisms.get(name, ""), noted.get(name, "")) for name in content.leads}
    return {name: " · ".join(filter(None, texts)) for name, texts in parts.items()}


def _legend(content: Content, selection: Selection) -> str:
    """Return the selected compounds in words; every name is escaped."""
    chosen = content.fits(selection)
    if not chosen:
        return "<p class='hint'>Select compounds in the table, or wells on the plate.</p>"
    responses, effective, items = content.table(RESPONSES), effective_of(content, selection), []
    for place, key in enumerate(chosen[:_MOST]):
        row = responses.loc[[key]].iloc[0] if key in responses.index else None
        told = "not fitted" if row is None else f"{row['category']} · {format_ec50(row)}"
        told += told_of(effective, key, selection.effect)
        note = "" if row is None else escape(str(row["note"]), quote=True)
        items.append(
            f"<li title='{note}'><i style='background:{PALETTE[place]}'></i><b>{escape(key[0])}</b> "
            f"{escape(key[1])} · {escape(told)}</li>"
        )
    more = f"<li>{len(chosen) - _MOST} more are not drawn</li>" if len(chosen) > _MOST else ""
    return f"<ul class='legend'>{''.join(items)}{more}</ul>"
