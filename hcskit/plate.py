"""Plate geometry: well names, and the standard plate formats (ANSI/SLAS 4-2004)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hcskit.errors import InputError

__all__ = ["FORMATS", "PlateFormat", "Well", "column_name", "format_for", "parse_well", "row_name"]

_WELL = re.compile(r"([A-Za-z]{1,2})0*([1-9][0-9]?)")


@dataclass(frozen=True, order=True, slots=True)
class Well:
    """A position on a plate, counted from zero; sorts row by row.

    Examples
    --------
    >>> Well(0, 6).name
    'A07'
    >>> Well(31, 47).name
    'AF48'
    """

    row: int
    column: int

    @property
    def name(self) -> str:
        """The well's name: row letters and a two-digit column."""
        return row_name(self.row) + column_name(self.column)


@dataclass(frozen=True, slots=True)
class PlateFormat:
    """How many rows and columns a plate has."""

    rows: int
    columns: int

    @property
    def size(self) -> int:
        """Number of wells."""
        return self.rows * self.columns

    def __contains__(self, well: Well) -> bool:
        return well.row < self.rows and well.column < self.columns


#: The standard formats by number of wells.
FORMATS: dict[int, PlateFormat] = {
    rows * columns: PlateFormat(rows, columns)
    for rows, columns in ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48))
}


def row_name(row: int) -> str:
    """Letters of a row counted from zero: A … Z, then AA … AZ.

    Examples
    --------
    >>> [row_name(row) for row in (0, 25, 26, 31)]
    ['A', 'Z', 'AA', 'AF']
    """
    first, second = divmod(row, 26)
    return ("" if first == 0 else chr(ord("A") + first - 1)) + chr(ord("A") + second)


def column_name(column: int) -> str:
    """Two-digit name of a column counted from zero.

    Examples
    --------
    >>> column_name(6)
    '07'
    """
    return f"{column + 1:02d}"


def parse_well(name: str) -> Well:
    """Read a well's name, with or without leading zeros, in either case.

    Raises
    ------
    InputError
        If `name` is not letters and a column number of a 1536-well plate or smaller.

    Examples
    --------
    >>> parse_well("b7")
    Well(row=1, column=6)
    >>> parse_well("AF48").name
    'AF48'
    """
    match = _WELL.fullmatch(name.strip())
    if match is not None:
        row = 0
        for letter in match[1].upper():
            row = row * 26 + ord(letter) - ord("A") + 1
        well = Well(row - 1, int(match[2]) - 1)
        if well in FORMATS[1536]:
            return well
    raise InputError(f"{name!r} is not the name of a well; expected a row and a column such as A01, P24 or AF48")


def format_for(wells: Iterable[Well]) -> PlateFormat:
    """Return the smallest standard format, of 96 wells or more, that holds all wells.

    A plate of which only some wells were imaged is far more often a 96-well plate than a 6-well one.

    Examples
    --------
    >>> format_for([Well(0, 0), Well(1, 2)]).size
    96
    >>> format_for([Well(15, 23)]).size
    384
    """
    wanted = list(wells)
    for size, format in sorted(FORMATS.items()):
        if size >= 96 and all(well in format for well in wanted):
            return format
    outside = next(well for well in wanted if well not in FORMATS[1536])
    raise InputError(f"no standard plate format holds row {outside.row + 1}, column {outside.column + 1}")
