"""Plate maps out of files, whatever their form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hcskit.errors import InputError, PlateMapError
from hcskit.inputs import read_bytes
from hcskit.names import safe_name
from hcskit.plate import parse_well, row_name
from hcskit.platemap._assay_layout import read_assay_layout
from hcskit.platemap._check import COLUMNS, check_plate_map, raise_faults
from hcskit.platemap._dispensed import one_row_a_well
from hcskit.platemap._doses import refuse_substitutes, spell_doses
from hcskit.platemap._grid import Block, find_blocks, table_of_blocks
from hcskit.platemap._names import meaning, name_columns, roles_of_projects, spell_roles
from hcskit.platemap._sheets import DATE, Sheet, excel_sheets, text_sheets

__all__ = ["read_plate_map"]

_MOST_BYTES = 100_000_000  # a hundred plates of 1536 wells take about 10 MB
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_BEFORE_XML = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"  # byte order marks and blanks
_EXPECTED = (
    "expected a header with well (or row and column), compound, concentration, concentration_unit and role, or blocks "
    "with row letters and column numbers"
)


def read_plate_map(path: str | Path, plate: str | None = None, *, well_volume_ul: float | None = None) -> pd.DataFrame:
    """Read and check a plate map.

    Parameters
    ----------
    path : path-like
        One of these, told by its contents:

        - CSV, with commas, tabs or semicolons (then also with a decimal comma), or an Excel workbook (.xlsx), with one
          row a well: columns ``well`` (or ``row`` and ``column``, as letters or numbers from 1), ``compound``,
          ``concentration``, ``concentration_unit``, ``role`` and, optionally, ``moa``, ``replicate`` and others;
        - the same drawn as the plate: one block a variable, its title in the corner or above, column numbers across
          and row letters down; blocks under one another, side by side or, in Excel, on a sheet each;
        - XML, an assay layout of Harmony or Columbus with layers of these names;
        - the list of a dispenser: the tabular report of a D300, or the transfers of an Echo with `well_volume_ul`.

        Names are read in any case, with blanks or underscores. A unit may also be in the concentration's name
        (``concentration (uM)``) or in its cells (``10 uM``). Usual words for a role are understood (``neg``,
        ``poscon``, ``sample``, ``blank`` …) where they mean one thing only; ``control`` does not.
    plate : str, optional
        The plate's name, for a map of several plates: it has their names in a column ``plate`` (or ``barcode``).
    well_volume_ul : float, optional
        Of an Echo's transfers: final volume of a well in microlitre, what was transferred included.

    Returns
    -------
    pandas.DataFrame
        As `check_plate_map` returns it; ``attrs["taken"]`` says which column was taken for which.

    Raises
    ------
    PlateMapError
        If the file is missing, cannot be parsed or fails a check; if several parts of it look like a plate map; if it
        holds several plates, or not the one wanted; if it has logarithms, or stock concentrations and volumes, and not
        for certain the concentration in the well, which is never guessed.
    """
    path = Path(path)
    source = str(path)
    table, decimal_comma = _table(path, source)
    table = one_row_a_well(table, source, well_volume_ul)
    refuse_substitutes(list(table.columns), source)
    written = list(table.columns)
    table, unit = name_columns(table, source)
    taken = {str(old): str(new) for old, new in zip(written, table.columns, strict=True) if old != new}
    table = _without_dates(table, source)
    table = roles_of_projects(_one_plate(table, plate, source))
    table = _with_wells(table, source)
    if {"well", "concentration"} <= set(table.columns):
        table = spell_doses(table, unit, source, decimal_comma=decimal_comma)
    if "role" in table:
        table = table.assign(role=spell_roles(table["role"]))
    checked = check_plate_map(table, source)
    checked.attrs["taken"] = taken
    return checked


def _table(path: Path, source: str) -> tuple[pd.DataFrame, bool]:
    """Return the file's cells as text under the names it gives them, and whether a comma may be a decimal sign."""
    try:
        data = read_bytes(path, _MOST_BYTES)
    except FileNotFoundError:
        raise PlateMapError(f"there is no plate map at {path}") from None
    except OSError as error:
        raise PlateMapError(f"{path} cannot be read: {error}") from error
    if data.startswith(_OLE):
        raise PlateMapError(f"{path} is an old Excel workbook (.xls) or has a password; save it as .xlsx without one")
    if data.startswith(_ZIP):
        return _only_map(excel_sheets(path), source)
    if data.lstrip(_BEFORE_XML).startswith(b"<"):
        return read_assay_layout(path), False
    return _only_map(text_sheets(data, source), source)


def _only_map(sheets: Sequence[Sheet], source: str) -> tuple[pd.DataFrame, bool]:
    headers = [(sheet, row) for sheet in sheets if (row := _header(sheet)) is not None]
    if len(headers) > 1 and (several := _plate_a_sheet(headers, source)) is not None:
        return several
    listed = [sheet for sheet, _ in headers]
    drawn = {sheet.name: found for sheet in sheets if sheet not in listed and (found := find_blocks(sheet, source))}
    if not listed and len(drawn) > 1 and all(_is_whole(blocks) for blocks in drawn.values()):
        comma = any(sheet.decimal_comma for sheet in sheets)
        return pd.concat([table_of_blocks(found, source).assign(plate=name) for name, found in drawn.items()]), comma
    if len(listed) + bool(drawn) > 1:
        names = ", ".join([*(sheet.name for sheet in listed), *drawn])
        raise PlateMapError(f"{source}: several sheets look like plate maps: {names}; leave one in the file")
    if listed:
        return _below(*headers[0], source), listed[0].decimal_comma
    if drawn:
        comma = any(sheet.decimal_comma for sheet in sheets if sheet.name in drawn)
        return table_of_blocks([block for found in drawn.values() for block in found], source), comma
    rows = (" | ".join(row) for sheet in sheets for row in sheet.rows if any(row))
    first = next((f"found {row!r:.200}" for row in rows), "it is empty")
    raise PlateMapError(f"{source} holds no plate map: {first}; {_EXPECTED}")


def _plate_a_sheet(headers: Sequence[tuple[Sheet, int]], source: str) -> tuple[pd.DataFrame, bool] | None:
    """Return the tables of several sheets as one, if each is of a plate: of the same columns, without one of plates."""
    tables = {sheet.name: _below(sheet, header, source) for sheet, header in headers}
    meant = [{meaning(name)[0] for name in table.columns} for table in tables.values()]
    if any("plate" in names or names & set(COLUMNS) != meant[0] & set(COLUMNS) for names in meant):
        return None
    return pd.concat([table.assign(plate=name) for name, table in tables.items()], ignore_index=True).fillna(""), False


def _is_whole(blocks: Sequence[Block]) -> bool:
    """Whether blocks describe a whole plate, so that the blocks of another sheet are a different plate's."""
    meant = {meaning(block.title)[0] for block in blocks}
    return {"compound", "concentration"} <= meant


def _without_dates(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Refuse dates where a plate map has none: Excel makes them of names such as SEPT2 and 1-3."""
    faults = []
    for name in table.columns:
        dates = [cell for cell in table[name] if cell.startswith(DATE)]
        if dates and name in (*COLUMNS, "plate", "row", "column"):
            faults += [f"{cell.removeprefix(DATE)}, in the column {name}, is a date" for cell in dates]
        elif dates:
            table = table.assign(**{name: table[name].str.removeprefix(DATE).str.partition(": ")[2]})
    if faults:
        faults.append(
            "what stood there before Excel took it for a date is lost: format the cells as text, type it again"
        )
    raise_faults(source, faults)
    return table


def _header(sheet: Sheet) -> int | None:
    """Return the row that names the well, and not only columns 1, 2, 3 … as the corner of a drawing does.

    Of two rows of headers, as where a merged cell stands over several columns, it is the one with the most names.
    """
    found: dict[int, int] = {}
    for number, row in enumerate(sheet.rows):
        meant = {meaning(cell)[0] for cell in row if cell and not cell.isdecimal()}
        if len(meant) > 1 and ("well" in meant or {"row", "column"} <= meant):
            found[number] = len(meant.intersection(COLUMNS))
        elif found:
            break
    return max(found, key=lambda number: found[number], default=None)


def _below(sheet: Sheet, header: int, source: str) -> pd.DataFrame:
    rows = [row for row in range(header + 1, len(sheet.rows)) if any(sheet.rows[row])]
    columns: dict[str, list[str]] = {}
    for number in range(max(len(sheet.rows[row]) for row in (header, *rows))):
        name, cells = sheet.cell(header, number), [sheet.cell(row, number) for row in rows]
        if not name and any(cells):
            raise PlateMapError(
                f"{source}: column {number + 1} has cells, but no name in the header; name each column, and put "
                "quotation marks around a cell that has a comma"
            )
        if name in columns:
            raise PlateMapError(f"{source}: column {name} is there twice; remove or rename it")
        if name:
            columns[name] = cells
    return pd.DataFrame(columns, dtype=object)


def _one_plate(table: pd.DataFrame, plate: str | None, source: str) -> pd.DataFrame:
    if "plate" not in table:
        return table
    plates = sorted(set(table["plate"]))
    if plates == [""]:
        return table.drop(columns="plate")
    if "" in plates:
        raise PlateMapError(
            f"{source}: {(table['plate'] == '').sum()} row(s) name no plate; fill the column, or drop it"
        )
    listed = f"{len(plates)} plate(s): {', '.join(plates)}"
    if plate is None and len(plates) > 1:
        raise PlateMapError(f"{source} is the map of {listed[:300]}; say which one is wanted")
    if plate is not None:  # an id that could not be a folder's name was changed
        plate = next((name for name in plates if plate in (name, safe_name(name))), plate)
    if plate is not None and plate not in plates:
        raise PlateMapError(f"{source} has no plate {plate}; it is the map of {listed[:300]}")
    return table[table["plate"] == (plate or plates[0])].drop(columns="plate")


def _with_wells(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Take the wells from rows and columns; where the table names the wells too, they must be the same."""
    if not {"row", "column"} <= set(table.columns):
        return table
    wells = [_row(row) + column for row, column in zip(table["row"], table["column"], strict=True)]
    for named, well in zip(table["well"], wells, strict=True) if "well" in table else ():
        if _is_other(named, well):
            raise PlateMapError(
                f"{source}: well {named} is said to be in the row and column of {well}; correct or remove these "
                "(both count from 1)"
            )
    return table if "well" in table else table.assign(well=wells)


def _is_other(one: str, other: str) -> bool:
    """Whether two names mean different wells; invalid names are reported later, if they matter."""
    try:
        return parse_well(one) != parse_well(other)
    except InputError:
        return False


def _row(text: str) -> str:
    """Letters of a row that is given as letters or as a number from 1."""
    return row_name(int(text) - 1) if text.isdecimal() and int(text) > 0 else text
