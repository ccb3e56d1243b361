"""A plate map drawn as hcskit understands it, for the terminal and for a browser."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np
import pandas as pd

from hcskit.plate import Well, column_name, format_for, parse_well, row_name

__all__ = ["describe_columns", "draw_plate_map", "plate_map_html"]

_SIGNS = {"negative_control": "-", "positive_control": "+", "empty": "."}
_COLOURS = {"negative_control": "#cfe2f3", "positive_control": "#f9cb9c", "empty": "#eeeeee", "treatment": "#d9ead3"}
_SHOWN = 60


def draw_plate_map(table: pd.DataFrame) -> str:
    """Draw a plate map as text: the compound and concentration of each well, and the number of each compound.

    Parameters
    ----------
    table : pandas.DataFrame
        As `hcskit.platemap.read_plate_map` returns it.

    Examples
    --------
    >>> row = {"compound": "X", "concentration": 0.5, "concentration_unit": "uM", "role": "treatment"}
    >>> print(draw_plate_map(pd.DataFrame([row], index=["A01"])).splitlines()[-1])
      1 X: 1 wells, 0.5 to 0.5 uM
    """
    numbers = _numbers(table)
    who = {well: _SIGNS.get(role, str(numbers.get(name, ""))) for well, role, name in _columns(table)}
    dose = {
        str(well): "" if np.isnan(value) else f"{value:.3g}"
        for well, value in zip(table.index, table["concentration"], strict=True)
    }
    taken = describe_columns(table)
    lines = ["compound (- negative control, + positive control, . empty)", *_grid(who), "", "concentration"]
    return "\n".join([*lines, *_grid(dose), "", *_legend(table, numbers), *(["", taken] if taken else [])])


def plate_map_html(table: pd.DataFrame, title: str) -> str:
    """Draw a plate map as a page: a cell a well, coloured by role, with its compound and concentration."""
    plate = format_for(map(parse_well, table.index))
    head = "".join(f"<th>{column_name(column)}</th>" for column in range(plate.columns))
    rows = []
    for row in range(plate.rows):
        cells = "".join(_cell(table, Well(row, column).name) for column in range(plate.columns))
        rows.append(f"<tr><th>{row_name(row)}</th>{cells}</tr>")
    style = "td,th{border:1px solid #bbb;padding:2px 4px;font:11px sans-serif}table{border-collapse:collapse}"
    return (
        f'<!doctype html><meta charset="utf-8"><title>{escape(title)}</title><style>{style}</style>'
        f"<h1>{escape(title)}</h1><table><tr><th></th>{head}</tr>{''.join(rows)}</table>"
    )


def describe_columns(table: pd.DataFrame) -> str:
    """Say which column of a plate map's file was taken for which, where its name is another; nothing where none was."""
    said = [f"{old!r} as {new}" for old, new in table.attrs.get("taken", {}).items() if new != old.casefold()]
    return f"taken: {', '.join(said)}" if said else ""


def _columns(table: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    return zip(map(str, table.index), table["role"], table["compound"], strict=True)


def _numbers(table: pd.DataFrame) -> dict[str, int]:
    """Count the compounds of treatments, in the order of the plate."""
    treated = table["compound"][table["role"] == "treatment"]
    return {name: number for number, name in enumerate(dict.fromkeys(treated), 1)}


def _grid(cells: dict[str, str]) -> list[str]:
    plate = format_for(map(parse_well, cells))
    width = max(2, *map(len, cells.values()))
    lines = ["   " + " ".join(column_name(column).rjust(width) for column in range(plate.columns))]
    for row in range(plate.rows):
        names = (Well(row, column).name for column in range(plate.columns))
        line = " ".join(cells.get(name, "").rjust(width) for name in names)
        lines.append(f"{row_name(row):>2} {line}".rstrip())
    return lines


def _legend(table: pd.DataFrame, numbers: dict[str, int]) -> list[str]:
    lines = []
    for role in ("negative_control", "positive_control"):
        names = sorted(set(table["compound"][table["role"] == role]))
        if names:
            lines.append(f"{_SIGNS[role]:>3} {', '.join(name or '(no compound)' for name in names)}")
    for name, number in list(numbers.items())[:_SHOWN]:
        rows = table[(table["compound"] == name) & (table["role"] == "treatment")]
        unit = rows["concentration_unit"].iloc[0]
        doses = sorted(set(rows["concentration"]))
        lines.append(f"{number:>3} {name}: {len(rows)} wells, {doses[0]:g} to {doses[-1]:g} {unit}")
    if len(numbers) > _SHOWN:
        lines.append(f"    and {len(numbers) - _SHOWN} more")
    return lines


def _cell(table: pd.DataFrame, well: str) -> str:
    if well not in table.index:
        return "<td></td>"
    value = float(table["concentration"][well])
    role, compound, unit = (str(table[name][well]) for name in ("role", "compound", "concentration_unit"))
    dose = "" if np.isnan(value) else f"<br>{value:g} {escape(unit)}"
    return f'<td style="background:{_COLOURS[role]}" title="{well} {role}">{escape(compound)}{dose}</td>'
