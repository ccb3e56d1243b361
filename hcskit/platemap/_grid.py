"""Plate maps drawn as the plate: one block a variable, column numbers across, row letters down, a cell a well."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from hcskit.errors import InputError, PlateMapError
from hcskit.plate import parse_well
from hcskit.platemap._check import COLUMNS
from hcskit.platemap._names import key, meaning
from hcskit.platemap._sheets import Sheet

__all__ = ["Block", "find_blocks", "table_of_blocks"]

# Words in the corner of a block that describe its axes, not its cells.
_AXES = frozenset({"", "plate", "well", "row", "column", "rowcolumn", "rowcol"})


@dataclass(frozen=True, slots=True)
class Block:
    """One variable, by well name; wells without text are in it too."""

    title: str
    wells: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a block is drawn: its corner, its column numbers and its row letters."""

    row: int
    column: int
    numbers: list[str]
    letters: list[str]

    def __contains__(self, cell: tuple[int, int]) -> bool:
        row, column = cell
        return 0 <= row - self.row <= len(self.letters) and 0 <= column - self.column <= len(self.numbers)


def find_blocks(sheet: Sheet, source: str) -> list[Block]:
    """Find the blocks of a sheet: under one another, side by side, or one.

    A block's title is in its corner, in one of the two rows above, or is the sheet's name; of several texts there, the
    one that names a column of a plate map.

    Raises
    ------
    PlateMapError
        If a block has no title, or a row letter or column number that no plate has.
    """
    frames: list[_Frame] = []
    for row in range(len(sheet.rows)):
        for column in range(len(sheet.rows[row])):
            if any((row, column) in frame for frame in frames):
                continue
            if (frame := _frame_at(sheet, row, column)) is not None:
                frames.append(frame)
    return [_read(sheet, frame, frames, source) for frame in frames]


def table_of_blocks(blocks: list[Block], source: str) -> pd.DataFrame:
    """Return one row a well and one column a variable; wells that no block says anything of are left out.

    Raises
    ------
    PlateMapError
        If two blocks of the same title have the same well.
    """
    columns: dict[str, dict[str, str]] = {}
    for block in blocks:
        column = columns.setdefault(block.title, {})
        twice = sorted(column.keys() & block.wells.keys())
        if twice:
            raise PlateMapError(
                f"{source}: two blocks are called {block.title!r}, and both have well {twice[0]}; rename or remove one"
            )
        column.update(block.wells)
    table = pd.DataFrame(columns).fillna("")
    table = table[(table != "").any(axis=1)]
    return table.rename_axis("well").reset_index()


def _frame_at(sheet: Sheet, row: int, column: int) -> _Frame | None:
    """Return the block that has its corner here."""
    numbers: list[str] = []
    while (text := sheet.cell(row, column + 1 + len(numbers))).isdecimal():
        numbers.append(text)
    letters: list[str] = []
    while _is_row(text := sheet.cell(row + 1 + len(letters), column)):
        letters.append(text)
    return _Frame(row, column, numbers, letters) if len(numbers) > 1 and letters else None


def _is_row(text: str) -> bool:
    try:
        return text.isalpha() and parse_well(f"{text}1").column == 0
    except InputError:
        return False


def _read(sheet: Sheet, frame: _Frame, frames: list[_Frame], source: str) -> Block:
    title = _title(sheet, frame, frames)
    place = f"{source}: the block at row {frame.row + 1}, column {frame.column + 1}" + (
        f" of sheet {sheet.name}" if sheet.name else ""
    )
    if not title:
        raise PlateMapError(f"{place} has no title; write compound, concentration, role … into its corner or above it")
    wells: dict[str, str] = {}
    for down, letter in enumerate(frame.letters, 1):
        for across, number in enumerate(frame.numbers, 1):
            try:
                well = parse_well(letter + number).name
            except InputError as error:
                raise PlateMapError(f"{place}: {error}") from error
            if well in wells:
                raise PlateMapError(f"{place} has well {well} twice; expected each row letter and column number once")
            wells[well] = sheet.cell(frame.row + down, frame.column + across)
    return Block(title, wells)


def _title(sheet: Sheet, frame: _Frame, frames: list[_Frame]) -> str:
    span = range(frame.column, frame.column + len(frame.numbers) + 1)
    above = [
        sheet.cell(row, column)
        for row in (frame.row - 1, frame.row - 2)
        for column in span
        if not any((row, column) in other for other in frames)
    ]
    texts = [text for text in (sheet.cell(frame.row, frame.column), *above, sheet.name) if key(text) not in _AXES]
    return next((text for text in texts if meaning(text)[0] in COLUMNS), texts[0] if texts else "")
