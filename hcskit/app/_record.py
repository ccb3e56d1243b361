"""The page of the record: what was run, with what, and how it ended."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd
import panel as pn

from hcskit.app._content import Content
from hcskit.app._figures import notice
from hcskit.app._panes import html, pane, scrolled
from hcskit.results import RECORD, RunRecord
from hcskit.views import format_number

__all__ = ["as_html", "record_page"]

_FACTS = (
    "pipeline",
    "description",
    "status",
    "started",
    "finished",
    "git",
    "python",
    "platform",
    "host",
    "cores",
    "job",
)


def record_page(content: Content) -> pn.viewable.Viewable:
    """Return the steps, the parameters, the inputs and the versions of a run."""
    record = content.record
    if record is None:
        there = RECORD.there(content.folder)
        return notice(
            f"{RECORD.path(content.folder)} cannot be read; hcskit run writes it anew"
            if there
            else f"{RECORD.missing(content.folder)}; single commands keep no record"
        )
    told = record.model_dump(mode="json")
    facts = {name: told[name] for name in _FACTS if told[name] not in (None, "")}
    inputs = pd.DataFrame([source.model_dump() for source in record.inputs])
    return scrolled(
        [pane("Run", _table(_pairs(facts))), pane("Steps", _table(_steps(record)))],
        [pane("Parameters", _table(_pairs(told["parameters"]))), pane("Versions", _table(_pairs(record.versions)))],
        [pane("Inputs", _table(inputs))],
    )


def as_html(table: pd.DataFrame) -> str:
    """Return a table as HTML; names and values are escaped."""
    head = "".join(f"<th>{escape(str(name).replace('_', ' '))}</th>" for name in table.columns)
    lines = ["".join(f"<td>{escape(_text(value))}</td>" for value in row) for row in table.itertuples(index=False)]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<div class='scroll'><table><tr>{head}</tr>{body}</table></div>"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return format_number(value)
    return "" if value is None else str(value)


def _table(table: pd.DataFrame) -> pn.viewable.Viewable:
    return html(as_html(table), sizing_mode="stretch_both") if len(table) else notice("None.")


def _pairs(values: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {"name": list(values), "value": ["–" if value is None else str(value) for value in values.values()]}
    )


def _steps(record: RunRecord) -> pd.DataFrame:
    rows = [
        {
            "step": step.name,
            "status": step.status,
            "started": (step.started or "")[:19].replace("T", " "),
            "seconds": "" if step.seconds is None else format_number(step.seconds),
            "error or reason": (step.error or step.reason or "").strip().splitlines()[-1:],
        }
        for step in record.steps
    ]
    return pd.DataFrame([row | {"error or reason": "".join(row["error or reason"])} for row in rows])
