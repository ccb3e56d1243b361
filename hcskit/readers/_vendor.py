"""What the vendors' indexes have in common: wells, planes and positions, and files in another spelling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from unicodedata import normalize

import pandas as pd

from hcskit.errors import ReaderError
from hcskit.plate import FORMATS, PlateFormat, column_name, parse_well, row_name

__all__ = [
    "distinct",
    "field_positions",
    "label",
    "number",
    "on_disk",
    "only",
    "plane_distance",
    "plate_size",
    "strayed_fields",
    "well_name",
]

# The planes of a stack are as far apart as the drive puts them.
_DRIVE_TOLERANCE = 0.1
# Offsets of a channel and of the stage are smaller, in µm; the next field is a whole image away.
_STAGE_TOLERANCE = 10.0


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


def field_positions(images: pd.DataFrame) -> pd.DataFrame | None:
    """Return ``x`` and ``y`` of each well and field, if the images have them."""
    known = images.dropna(subset=["x", "y"])
    return None if known.empty else known.groupby(["well", "field"])[["x", "y"]].first()


def strayed_fields(images: pd.DataFrame) -> list[str]:
    """Say how many fields have images of different places, such as where each action counted fields of its own."""
    places = images.dropna(subset=["x", "y"]).groupby(["well", "field"])[["x", "y"]]
    strayed = ((places.max() - places.min()) > _STAGE_TOLERANCE).any(axis=1).sum()
    return [f"{strayed} field(s) have images of different places; their x and y are those of the first"] * bool(strayed)


def plane_distance(images: pd.DataFrame) -> float | None:
    """Return the distance of two planes from the ``height`` of the images; None if it varies or is not known."""
    stack = ["well", "field", "time", "channel"]
    known = images.dropna(subset=["height"]).sort_values([*stack, "z"])
    steps = known.groupby(stack)[["height", "z"]].diff()
    steps = steps[steps.z > 0]
    each = (steps.height / steps.z).abs()
    usual = each.median()
    if each.empty or usual == 0 or (each - usual).abs().max() > _DRIVE_TOLERANCE * usual:
        return None
    return float(f"{usual:.6g}")


def on_disk(files: Sequence[Path]) -> Callable[[Path], Path]:
    """Return a function that finds a file which an index spells in another way than the disk.

    Windows takes upper and lower case alike, and macOS takes accents off their letters. What is not there, or could be
    one of several, stays as it is.
    """
    there = set(files)
    count = Counter(map(_spelling, files))
    spelled = {spelling: file for file in files if count[spelling := _spelling(file)] == 1}
    return lambda file: file if file in there else spelled.get(_spelling(file), file)


def _spelling(file: Path) -> str:
    return normalize("NFC", str(file)).lower()
