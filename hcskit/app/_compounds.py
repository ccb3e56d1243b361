"""The table of compounds: sorted, filtered, selected, exported."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
from bokeh.models.widgets.tables import HTMLTemplateFormatter, NumberFormatter

from hcskit.app._content import Content
from hcskit.app._figures import notice
from hcskit.app._noting import noting_pane
from hcskit.app._selection import Selection, known
from hcskit.response import EFFECTS
from hcskit.results import HITS, RESPONSES
from hcskit.spreadsheet import to_csv, without_formulas
from hcskit.units import convert
from hcskit.views import base_unit, format_ec50, format_si

__all__ = ["compound_pane", "hit_table"]

#: What a column shows, by its name in the table.
_TITLES = {
    "compound": "Compound",
    "ec50": "EC50",
    "interval": "95 % interval",
    "category": "Category",
    "hill_slope": "Slope",
    "r2": "R²",
    "hit_score": "Hit score",
    "moa": "MoA",
    "readout": "Phenotype",
    "flag": "Flag",
    "note": "Note",
}
_WIDTHS = {
    "compound": 110,
    "ec50": 85,
    "interval": 120,
    "category": 100,
    "hill_slope": 75,
    "r2": 65,
    "hit_score": 85,
    "moa": 120,
    "readout": 110,
    "flag": 70,
}
_ROWS = 100  # of a page of the table; a shorter table has one
_COMPACT = """
.tabulator, .tabulator-header, .tabulator-row { font-size: 12px !important; }
.tabulator-cell { unicode-bidi: plaintext; }
"""
#: Written by the browser, so that the column sorts and filters as a number.
_SI = """<% if (value == null || isNaN(value)) { %>–<% } else {
  const power = Math.max(-5, Math.min(0, Math.floor(Math.log10(value * 1.0005) / 3)));
  %><%= Number((value / Math.pow(1000, power)).toPrecision(3)) %>
  <%= ['', 'm', 'µ', 'n', 'p', 'f'][-power] %><%- unit %>
<% } %>"""


def hit_table(content: Content, readout: str = "") -> pd.DataFrame:
    """Return one row a compound: the fit of a readout, or of its lead readout; the most potent first."""
    responses = content.table(RESPONSES)
    if not content.lacking(HITS):
        responses = responses.join(content.table(HITS)["hit_score"])
    keys = [(name, readout or lead) for name, lead in content.leads.items()]
    rows = responses.loc[[key for key in keys if key in responses.index]].reset_index()
    rows = rows.drop_duplicates(["compound", "readout"])  # a compound may be split, by a cell line
    base = [base_unit(str(unit)) for unit in rows["concentration_unit"]]
    to_base = [convert(1.0, str(unit), target) for unit, target in zip(rows["concentration_unit"], base, strict=True)]
    seen = rows["category"].isin(EFFECTS)
    mechanisms, notes = content.mechanisms, content.notes
    table = pd.DataFrame(
        {
            "compound": rows["compound"].astype(str),
            "ec50": (rows["ec50"] * to_base).where(seen),
            "interval": [
                _interval(row, unit, factor)
                for (_, row), unit, factor in zip(rows.iterrows(), base, to_base, strict=True)
            ],
            "category": rows["category"],
            "hill_slope": rows["hill_slope"].where(seen),
            "r2": rows["r2"],
            "hit_score": rows.get("hit_score", np.nan),
            "moa": [mechanisms.get(str(name), "") for name in rows["compound"]],
            "readout": rows["readout"].astype(str),
            "flag": rows["compound"].map(notes["flag"]).map({True: "flagged"}).fillna(""),
            "note": rows["compound"].map(notes["note"]).fillna(""),
            "unit": base,
        }
    )
    return table.sort_values("ec50", na_position="last", kind="stable").reset_index(drop=True)


def _interval(row: pd.Series[Any], unit: str, factor: float) -> str:
    if row["category"] not in ("active", "partial"):
        return format_ec50(row) if row["category"] in EFFECTS else ""
    low, high = (format_si(row[name] * factor, unit) for name in ("ec50_low", "ec50_high"))
    same = low.rpartition(" ")[2] == high.rpartition(" ")[2]
    return f"{low.rpartition(' ')[0] if same else low} – {high}"


def compound_pane(content: Content, selection: Selection, changed: Any) -> pn.viewable.Viewable:
    """Return the table, linked with the selection; `changed` is an event of new fits."""
    lacking = content.lacking(RESPONSES)
    if lacking:
        return notice(lacking)
    readout = pn.widgets.Select(
        label="Readout", options={"each compound's lead": "", **{name: name for name in content.readouts}}, width=190
    )
    readout.value = next(iter(known([selection.readout], content.readouts)), "")
    table = _tabulator(hit_table(content, readout.value))
    _link(table, content, selection)

    def show(*_: Any) -> None:
        fresh = hit_table(content, next(iter(known([selection.readout], content.readouts)), ""))
        table.value = fresh
        table.selection = _places(fresh, selection.compounds)

    readout.link(selection, value="readout")
    selection.param.watch(
        lambda event: readout.param.update(value=event.new if event.new in content.readouts else ""), "readout"
    )
    selection.param.watch(show, "readout")
    changed.param.watch(show, "version")
    exports = [
        pn.widgets.FileDownload(
            callback=lambda kind=kind: _export(table, kind),
            filename=f"compounds.{kind}",
            label=f"Export {kind.upper()}",
            color="light",
            width=110,
            align="end",
        )
        for kind in ("csv", "xlsx")
    ]
    return pn.Column(
        pn.Row(readout, *exports), table, noting_pane(content, selection, show), sizing_mode="stretch_both"
    )


def _tabulator(table: pd.DataFrame) -> pn.widgets.Tabulator:
    text = {"type": "input", "func": "like", "placeholder": "contains"}
    above = {"type": "number", "func": ">=", "placeholder": "≥"}
    numbers = ("hill_slope", "r2", "hit_score")
    return pn.widgets.Tabulator(
        table,
        titles=_TITLES,
        hidden_columns=["unit"],
        show_index=False,
        disabled=True,
        selectable="checkbox",
        pagination="remote" if len(table) > _ROWS else None,
        page_size=_ROWS,
        header_filters={name: above if name in (*numbers, "ec50") else text for name in _TITLES},
        formatters={
            "ec50": HTMLTemplateFormatter(template=_SI),
            **{name: NumberFormatter(format="0.00", nan_format="–") for name in numbers},
        },
        text_align=dict.fromkeys(("ec50", *numbers), "right"),
        widths=_WIDTHS,
        layout="fit_data_stretch",
        theme="midnight" if pn.config.theme == "dark" else "simple",
        stylesheets=[_COMPACT],
        sizing_mode="stretch_both",
        min_height=170,
        configuration={"placeholder": "No compound passes the filters."},
    )


def _link(table: pn.widgets.Tabulator, content: Content, selection: Selection) -> None:
    """Let the selected rows be the selected compounds, both ways."""
    table.selection = _places(table.value, selection.compounds)

    def to_selection(event: Any) -> None:
        names = [str(table.value["compound"].iloc[place]) for place in event.new]
        if set(names) != set(known(selection.compounds, content.leads)):
            selection.param.update(compounds=names, wells=[])

    def from_selection(event: Any) -> None:
        places = _places(table.value, event.new)
        if set(places) != set(table.selection):
            table.selection = places

    table.param.watch(to_selection, "selection")
    selection.param.watch(from_selection, "compounds")


def _places(table: pd.DataFrame, names: list[str]) -> list[int]:
    place = {name: number for number, name in enumerate(table["compound"])}
    return [place[name] for name in names if name in place]


def _export(table: pn.widgets.Tabulator, kind: str) -> io.BytesIO:
    """Write the rows that pass the filters, or those of them that are selected."""
    shown = table.current_view
    chosen = shown[shown["compound"].isin(table.selected_dataframe["compound"])]
    rows = (chosen if len(chosen) else shown).rename(columns={"unit": "ec50_unit"})
    if kind == "csv":
        return io.BytesIO(str(to_csv(rows, index=False)).encode())
    buffer = io.BytesIO()
    without_formulas(rows).to_excel(buffer, index=False, sheet_name="compounds")
    buffer.seek(0)
    return buffer
