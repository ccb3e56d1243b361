"""The catalogue, written for people: ``python -m hcskit.results`` prints docs/results.md."""

from __future__ import annotations

from hcskit.results._catalogue import CATALOGUE, PARTS, WELLS
from hcskit.results._table import Column, Table

__all__ = ["document"]

_INTRODUCTION = """\
# Results

<!-- Made from the catalogue: python -m hcskit.results > docs/results.md -->

What steps and commands leave in the folder of a run or a screen. Each table is declared once, in
`hcskit/results/_catalogue.py`; it is checked when it is written and when it is read. A table is a
Parquet file in `results/`, whose metadata hold its name and version, with a CSV file beside it.

    import hcskit

    run = hcskit.open_run("runs/plate7")
    run                               # what is there, and what is not yet
    run.responses                     # a pandas.DataFrame
    run.plates["plate7"]              # an xarray.Dataset

A part that is not there says which step or command writes it. A step of your own declares its table
in the same way (`hcskit.results.Table`) and writes it with `hcskit.results.write_table`."""


def document() -> str:
    """Return the page, in Markdown."""
    parts = ["| part | what it is | written by | where |", "|---|---|---|---|"]
    parts += [f"| `{part.name}` | {part.meaning} | {part.writer} | `{part.where}` |" for part in PARTS]
    sections = [_section(table) for table in (*CATALOGUE.values(), WELLS)]
    return "\n\n".join([_INTRODUCTION, "## Parts of a run", "\n".join(parts), *sections]) + "\n"


def _section(table: Table) -> str:
    text = f"{table.meaning}.\n\nWritten by {table.writer}; version {table.version}."  # no line to wrap
    rows = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    rows += [_row(column, "index, ") for column in table.index] + [_row(column) for column in table.columns]
    return f"## {table.name}\n\n{text}\n\n" + "\n".join(rows)


def _row(column: Column, place: str = "") -> str:
    name = column.name if column.pattern else f"`{column.name}`"
    kind = f"{place}{column.kind}{', optional' if column.optional or column.pattern else ''}"
    return f"| {name} | {kind} | {column.unit} | {column.meaning} |"
