"""The well and the field that a program says in a name: of a file, of a position on the stage, of a scene."""

from __future__ import annotations

import re

from hcskit.errors import InputError
from hcskit.plate import parse_well, row_name

__all__ = ["find_place"]

_WELL = r"(?P<well>[A-Z]\d{1,2}|A[A-F]\d{1,2})"
_PLACES = tuple(
    re.compile(pattern)
    for pattern in (
        # NIS-Elements JOBS: WellB02_PointB02_0003_ChannelDAPI_Seq0011
        rf"Well{_WELL}(?:_Point(?P=well))?(?:_(?P<field>\d+))?_Channel[^/]*_Seq\d+",
        # A position of NIS-Elements, a scene of ZEN: A1, #1 [A1], A01_0002, B4 P3
        rf"(?:#\d+ )?\[?{_WELL}\]?(?:[ _-]+P?(?P<field>\d+))?",
        # A scene that ZEN saved by itself: plate-Scene-07-P2-B04
        rf".*-Scene-\d+-P(?P<field>\d+)-{_WELL}",
        # LAS X: Plate 1/A/2/R3, TileScan 1/A2/Position 3, each with its tile
        rf"(?:.*/)?{_WELL}/(?:R|P|Pos|Position|Region|Field) ?(?P<field>\d+)(?: \d+)?",
        r"(?:.*/)?(?P<row>[A-P])/(?P<column>\d{1,2})/(?:R|P|Pos|Position|Region|Field) ?(?P<field>\d+)(?: \d+)?",
        # MetaMorph and others: plate_A01_s2, plate_A01
        rf"(?:.*[_/ -])?{_WELL}(?:[_ -](?:s|f|p|site|field|pos)[_ ]?(?P<field>\d+))?(?:_w\d[^_/]*)?(?:_t\d+)?",
        # Opera: row, column and field
        r"(?P<row>\d{3})(?P<column>\d{3})(?P<field>\d{3})",
    )
)


def find_place(name: str) -> tuple[str, int | None] | None:
    """Return the well that a whole name says, and the field; None where it says no well.

    Examples
    --------
    >>> find_place("WellB02_PointB02_0003_ChannelDAPI_Seq0011"), find_place("B4 P3"), find_place("Series 001")
    (('B02', 3), ('B04', 3), None)
    >>> find_place("plate-Scene-07-P2-B04"), find_place("Plate 1/A/2/R3"), find_place("002003001")
    (('B04', 2), ('A02', 3), ('B03', 1))
    """
    for pattern in _PLACES:
        if match := pattern.fullmatch(name):
            found = match.groupdict()
            try:
                well = parse_well(found.get("well") or _row(found["row"]) + found["column"]).name
            except InputError:
                continue
            return well, None if found["field"] is None else int(found["field"])
    return None


def _row(text: str) -> str:
    return row_name(int(text) - 1) if text.isdecimal() else text
