"""The index of the runs that are served: each in a line, and what changed between two."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import panel as pn
import param

from hcskit.app import as_html, html, notice, pane, scrolled
from hcskit.errors import HcskitError
from hcskit.provenance import Comparison, compare_runs, list_runs
from hcskit.views import format_number

__all__ = ["Pair", "index_page"]

_COLUMNS = ("run", "pipeline", "status", "started (UTC)", "minutes", "plates", "best Z′", "compounds with an effect")
_MOST = 200  # rows of a table


class Pair(param.Parameterized):
    """The two runs that are compared, by their paths in the address; it stands in the address of the index."""

    first = param.String(default="")
    second = param.String(default="")


def index_page(runs: Mapping[str, Path], names: Mapping[str, str], pair: Pair) -> pn.viewable.Viewable:
    """Return the index.

    Parameters
    ----------
    runs, names : mapping
        Folder and name of each run, by its path in the address.
    pair : Pair
        Which two are compared.
    """
    table = html(_table(runs, names), sizing_mode="stretch_both")
    options = {name: slug for slug, name in names.items()}
    known = list(runs)
    choices = []
    for label, attribute, default in (("First run", "first", known[0]), ("Second run", "second", known[-1])):
        chosen = getattr(pair, attribute)
        choice = pn.widgets.Select(label=label, options=options, value=chosen if chosen in runs else default, width=300)
        choice.link(pair, value=attribute)
        choices.append(choice)

    def changes(first: str, second: str) -> pn.viewable.Viewable:
        return _changes(runs[first], runs[second])

    shown: Any = pn.bind(changes, *choices)
    compared = pn.Column(pn.Row(*choices), shown, sizing_mode="stretch_both", scroll=True)
    return scrolled([pane("Runs", table)], [pane("What changed between two runs", compared)])


def _table(runs: Mapping[str, Path], names: Mapping[str, str]) -> str:
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    lines = []
    for slug, folder in runs.items():
        cells = "".join(f"<td>{escape(text)}</td>" for text in _row(folder))
        link = f"<a href='./{quote(slug)}'>{escape(names[slug])}</a>"
        lines.append(f"<tr><td>{link}</td>{cells}</tr>")
    return f"<div class='scroll'><table class='runs'><tr>{head}</tr>{''.join(lines)}</table></div>"


def _row(folder: Path) -> list[str]:
    """Return what is told of a run; of a folder without a record, what single commands left."""
    found = list_runs(folder)
    if "." not in found.index:
        return ["no record", "", "", "", str(len(list(folder.glob("*.zarr")))), "", ""]
    row: Any = found.loc["."]
    started = "" if row["started"] is pd.NaT else f"{row['started']:%Y-%m-%d %H:%M}"
    numbers = [row["seconds"] / 60, row["plates"], row["z_prime"], row["hits"]]
    return [str(row["pipeline"]), str(row["status"]), started, *(_number(value) for value in numbers)]


def _number(value: Any) -> str:
    return "" if value is None or np.isnan(value) else format_number(float(value))


def _changes(first: Path, second: Path) -> pn.viewable.Viewable:
    if first == second:
        return notice("Choose two different runs.")
    try:
        found = compare_runs(first, second)
    except HcskitError as error:
        return notice(str(error))
    return pn.Column(
        html(f"<p class='verdict'><b>{escape(found.verdict)}</b></p>", sizing_mode="stretch_width"),
        *(_part(title, table) for title, table in _parts(found).items() if len(table)),
        sizing_mode="stretch_width",
    )


def _parts(found: Comparison) -> dict[str, pd.DataFrame]:
    return {
        "EC50": found.responses,
        "Parameters": found.parameters,
        "Content of inputs": found.inputs,
        "Z′-factor": found.z_prime,
        "Fields left out": found.wells,
        "Code": found.code,
        "Versions": found.versions,
    }


def _part(title: str, table: pd.DataFrame) -> pn.pane.HTML:
    more = f"<p>{len(table) - _MOST} more rows are not shown.</p>" if len(table) > _MOST else ""
    return html(f"<h3>{title}</h3>{as_html(table.head(_MOST).reset_index())}{more}", sizing_mode="stretch_width")
