"""Files into sheets of text: CSV with any of the usual separators, and Excel workbooks."""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from hcskit.errors import PlateMapError
from hcskit.spreadsheet import as_read

__all__ = ["DATE", "Sheet", "excel_sheets", "text_sheets"]

#: What the text of a cell begins with that is a date; its place and the date follow.
DATE = "\0date "

_SEPARATORS = ("\t", ";", ",")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LARGEST = 200_000_000  # bytes of a workbook when unpacked: a hundred plates of 1536 wells take about a third

_MOST_CELLS = 5_000_000  # a hundred plates of 1536 wells with ten columns take about a third
_MERGED = re.compile(rb'<mergeCell [^>]*ref="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of text.

    Attributes
    ----------
    name : str
        The sheet's name; empty for a text file.
    rows : list of list of str
        Cells without surrounding blanks; a row ends where the file's does.
    decimal_comma : bool
        The separator is a semicolon, which spreadsheets write where the comma is the decimal sign.
    """

    name: str
    rows: list[list[str]]
    decimal_comma: bool = False

    def cell(self, row: int, column: int) -> str:
        """Return a cell's text; outside the sheet there is none."""
        inside = 0 <= row < len(self.rows) and 0 <= column < len(self.rows[row])
        return self.rows[row][column] if inside else ""


def text_sheets(data: bytes, source: str) -> list[Sheet]:
    """Return the file as it reads with each separator; the caller knows a plate map when it sees one.

    Raises
    ------
    PlateMapError
        If it is not text, or a quotation mark is left open.
    """
    try:
        text = _decode(data)
    except UnicodeDecodeError as error:
        raise PlateMapError(f"{source} cannot be read as text: {error}; save it as CSV in UTF-8") from error
    sheets, refusals = [], []
    for separator in filter(text.__contains__, _SEPARATORS):
        try:
            lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
        except csv.Error as error:
            refusals.append(error)
        else:
            rows = [[as_read(cell.strip()) for cell in line] for line in lines]
            sheets.append(Sheet("", rows, decimal_comma=separator == ";"))
    if refusals and not sheets:
        raise PlateMapError(f"{source} cannot be read as CSV: {refusals[-1]}; is a quotation mark left open?")
    return sheets


def _decode(data: bytes) -> str:
    if data.startswith(_UTF16):  # what Excel calls Unicode text
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in data:
            raise
        return data.decode("cp1252")  # of Windows in the West; it refuses five bytes, which other files have


def excel_sheets(path: Path) -> list[Sheet]:
    """Return the sheets of a workbook that hold anything; a formula is what it came to when the file was saved.

    Raises
    ------
    PlateMapError
        If the file is damaged or too large, or a cell is an error or a formula without a saved value.
    """
    import openpyxl  # slow to import, and few plate maps are workbooks

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > _LARGEST:
            raise PlateMapError(f"{path} unpacks to {size:,} bytes; a plate map is far smaller, so it is not opened")
        with warnings.catch_warnings(action="ignore"):  # of charts and rules that openpyxl leaves out
            merged = _merged_ranges(path)
            values = openpyxl.load_workbook(path, read_only=True, data_only=True)
            formulas = openpyxl.load_workbook(path, read_only=True)
            sheets = [
                Sheet(
                    sheet.title, _merged(list(_rows(sheet, formulas[sheet.title], path)), merged.get(sheet.title, ()))
                )
                for sheet in values.worksheets
            ]
            values.close()
            formulas.close()
    except PlateMapError:
        raise
    except Exception as error:  # openpyxl raises errors of any kind
        reason = str(error).partition("\n")[0]
        raise PlateMapError(f"{path} cannot be read as an Excel workbook: {reason}; save it again as .xlsx") from error
    return [sheet for sheet in sheets if any(map(any, sheet.rows))]


def _merged_ranges(path: Path) -> dict[str, list[tuple[int, int, int, int]]]:
    """Return first and last row and column of the merged cells of each sheet, counted from 0."""
    import openpyxl
    from openpyxl.utils import range_boundaries

    with zipfile.ZipFile(path) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        merged = [found.decode() for name in sheets for found in _MERGED.findall(archive.read(name))]
    if not merged:
        return {}  # the whole workbook need not be in memory
    sizes = (
        ((right or _MOST_CELLS) - (left or 1) + 1) * ((bottom or _MOST_CELLS) - (top or 1) + 1)  # None: to the end
        for left, top, right, bottom in map(range_boundaries, merged)
    )
    if sum(sizes) > _MOST_CELLS:
        raise PlateMapError(f"{path} merges more than {_MOST_CELLS:,} cells; a plate map is far smaller")
    return {
        sheet.title: [
            (cells.min_row - 1, cells.max_row - 1, cells.min_col - 1, cells.max_col - 1)
            for cells in sheet.merged_cells.ranges
        ]
        for sheet in openpyxl.load_workbook(path).worksheets
    }


def _merged(rows: list[list[str]], merged: Iterable[tuple[int, int, int, int]]) -> list[list[str]]:
    """Give each of merged cells their value: it is that of every well beside them."""
    for top, bottom, left, right in merged:
        if top >= len(rows) or left >= len(rows[top]):
            continue
        for row in rows[top : bottom + 1]:
            row.extend([""] * (right + 1 - len(row)))
            row[left : right + 1] = [rows[top][left]] * (right + 1 - left)
    return rows


def _rows(values: Any, formulas: Any, path: Path) -> Iterator[list[str]]:
    for sheet in (values, formulas):
        sheet.reset_dimensions()  # some programs write a wrong size
    cells = 0
    for row, behind in zip(values.iter_rows(), formulas.iter_rows(), strict=True):
        cells += 1 + len(row)
        if cells > _MOST_CELLS:
            raise PlateMapError(
                f"{path}: sheet {values.title} has more than {_MOST_CELLS:,} cells; is one far outside?"
            )
        for cell, formula in zip(row, behind, strict=True):
            # A text formula that came to nothing has no value either, but it is marked as text.
            if cell.value is None and formula.value is not None and cell.data_type != "str":
                raise PlateMapError(
                    f"{path}: sheet {values.title}, cell {cell.coordinate} is a formula without a saved value; "
                    "open the file in Excel and save it"
                )
            if cell.value is not None and cell.data_type == "e":
                raise PlateMapError(f"{path}: sheet {values.title}, cell {cell.coordinate} is an error: {cell.value}")
        yield [_text(cell) for cell in row]


def _text(cell: Any) -> str:
    """Return a cell's value as text, a number with all its digits and a percentage as it is shown."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, date | time):
        return f"{DATE}cell {cell.coordinate}: {value.isoformat().removesuffix('T00:00:00')}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = Decimal(repr(value))
        shown = re.sub(r'"[^"]*"|\\.', "", cell.number_format)  # without literal text
        number, sign = (100 * number, "%") if "%" in shown else (number, "")
        return f"{number.normalize():f}{sign}" if number else f"0{sign}"
    return str(value).strip()
