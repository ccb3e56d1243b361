"""What a vendor's index says of an image, as text: numbers, wells, the plate's size, channel names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from hcskit.errors import ReaderError
from hcskit.plate import FORMATS, PlateFormat, column_name, parse_well, row_name

__all__ = ["distinct", "label", "number", "only", "plate_size", "well_name"]


def number(text: str | None) -> float | None:
    """Read a number; what is none counts as not given.

    Examples
    --------
    >>> number("5.98E-07"), number("NaN"), number(None)
    (5.98e-07, None, None)
    """
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def label(text: str, tag: str, image: str, index: Path) -> int:
    """Read a number that says which image an image is.

    Raises
    ------
    ReaderError
        If it is none: the image would be mistaken for another.
    """
    try:
        return int(text)
    except ValueError as error:
        raise ReaderError(
            f"{index}: the image {image} has the {tag} {text!r}, so its place on the plate is not known; expected a "
            "whole number; export or copy the measurement again"
        ) from error


def well_name(row: int, column: int, index: Path) -> str:
    """Return the name of the well in a row and a column that count from 1, as an index says them of an image.

    Raises
    ------
    ReaderError
        If no plate has such a well.

    Examples
    --------
    >>> well_name(27, 5, Path("Index.xml"))
    'AA05'
    """
    try:
        return parse_well(row_name(row - 1) + column_name(column - 1)).name
    except ValueError as error:  # InputError is one
        raise ReaderError(
            f"{index}: an image is of row {row}, column {column}; expected rows 1 to 32 and columns 1 to 48"
        ) from error


def plate_size(rows: str | None, columns: str | None, wells: Iterable[str]) -> int | None:
    """Return the number of wells of a standard plate; None if it is another, or the wells are not all on it.

    Examples
    --------
    >>> plate_size("16", "24", ["P24"]), plate_size("2", "2", ["A01"])
    (384, None)
    """
    format = PlateFormat(int(number(rows) or 0), int(number(columns) or 0))
    fits = FORMATS.get(format.size) == format and all(parse_well(well) in format for well in set(wells))
    return format.size if fits else None


def distinct(names: Mapping[int, str], tag: str = "{}") -> dict[int, str]:
    """Add its number to each channel whose name another has too.

    Examples
    --------
    >>> distinct({1: "DNA", 2: "GFP", 4: "GFP"})
    {1: 'DNA', 2: 'GFP (2)', 4: 'GFP (4)'}
    """
    count = Counter(names.values())
    return {key: name if count[name] == 1 else f"{name} ({tag.format(key)})" for key, name in names.items()}


def only(values: Iterable[float | None]) -> float | None:
    """Return the value that all share, or None.

    Examples
    --------
    >>> only([0.65, None, 0.65]), only([0.65, 0.325])
    (0.65, None)
    """
    found = {value for value in values if value is not None}
    return found.pop() if len(found) == 1 else None
