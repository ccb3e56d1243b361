"""The cases: which images of a plate were acquired, and in which order they are written."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import product

from hcskit.plate import FORMATS, PlateFormat, Well
from hcskit.testing._stamped import Label, Numbering, StampedPlate

__all__ = ["CASES", "plates_of"]

_Cells = Iterable[tuple[str, int]]


def _grid(rows: Iterable[int], columns: Iterable[int], fields: Iterable[int] = (0, 1)) -> list[tuple[str, int]]:
    return [(Well(row, column).name, field) for row, column in product(rows, columns) for field in fields]


def _corners(format: PlateFormat) -> _Cells:
    rows = sorted({0, *range(25, format.rows, 3), format.rows - 1})
    return _grid(rows, sorted({0, format.columns // 2, format.columns - 1}), (0,))


_FEW = _grid((1, 2, 4), (2, 5))
_GAPS = _grid((1, 2), (1, 2, 3), (0, 1, 2))
# Fields of wells on a plate of 96, but for the formats; a field counts from zero here.
_CELLS: dict[str, _Cells] = {
    "full plate": _grid(range(8), range(12), (0,)),
    "several fields": _FEW,
    "missing first well": [cell for cell in _grid((0, 1), (0, 1, 2)) if cell[0] != "A01"],
    "missing outer rows": _grid(range(2, 6), (1, 2)),
    "missing field in one well": [cell for cell in _FEW if cell != ("C03", 0)],
    "extra fields in one well": [*_FEW, ("C06", 2), ("C06", 3)],
    "gap inside a well": [cell for cell in _GAPS if cell != ("B03", 1)],
    "gap inside a row": [cell for cell in _GAPS if cell[0] != "C03"],
    "gaps in rows of different lengths": [
        cell for cell in _grid((1, 2, 3), (1, 2, 3, 4), (0,)) if cell[0] not in ("B03", "C02", "D04")
    ],
    "only late fields": _grid((1, 2), (1, 2), range(8, 13)),
    "twelve fields": _grid((1,), (1, 2), range(12)),
    "twelve time points": _grid((1,), (1, 2), (0,)),
    "twelve z planes": _grid((1,), (1, 2), (0,)),
    "more channels": _FEW,
    "missing channel": _FEW,
    "unsorted listing": _FEW,
    "Unicode and spaces in paths": _FEW,
    "z": _FEW,
    "time": _FEW,
    "z and time": _FEW,
    "missing planes and time points": _FEW,
    "two plates": _FEW,
    "the same image twice": _FEW,
    "a foreign folder": _FEW,
} | {f"{size} wells": _corners(format) for size, format in FORMATS.items()}

#: The cases that a reader must stand; see `check_reader`.
CASES: tuple[str, ...] = tuple(_CELLS)


def plates_of(case: str, numbering: Numbering, folder: str) -> list[StampedPlate] | None:
    """Return the plates of a case, or None where the layout cannot hold them."""
    cells = list(_CELLS[case])
    size = int(case.split()[0]) if case.endswith(" wells") else 96
    many = 12 if case.startswith("twelve") else 0
    planes = (many or 3) if "z" in case.split() or "planes and" in case else 1
    times = (many or 2) if "time" in case else 1
    more = numbering.more_channels
    if more is None:
        more = ("Tubulin",) if numbering.channels == Numbering.channels else ()
    if case == "more channels" and not more:
        return None
    channels = numbering.channels + (more if case == "more channels" else ())
    if "channels" in numbering.without:
        if case == "missing channel":
            return None
        channels = channels[:1]
    needed = {
        "z": planes > 1,
        "time": times > 1,
        "plate": case == "two plates",
        "formats": size != 96,
    }
    if any(needed.get(name) for name in numbering.without):
        return None
    if "field" in numbering.without:
        cells = [(well, field) for well, field in cells if field == 0]
        if not cells:
            return None
    labels = [
        Label(well, numbering.field + field, numbering.time + time, channel, numbering.z + plane)
        for (well, field), time, channel, plane in product(cells, range(times), channels, range(planes))
        if _acquired(case, well, field, time, channels.index(channel), plane)
    ]
    if case == "unsorted listing":
        random.Random(1).shuffle(labels)  # noqa: S311
    names = ["Plate-1", "Plate-2"] if case == "two plates" else [folder if "plate" in numbering.without else "Plate-1"]
    return [StampedPlate(name, number, FORMATS[size], channels, tuple(labels)) for number, name in enumerate(names)]


def _acquired(case: str, well: str, field: int, time: int, channel: int, plane: int) -> bool:
    if case == "missing channel":
        return not (well == "C03" and channel == 0)
    if case == "missing planes and time points":
        return (well, time) != ("C03", 0) and (field, channel, plane) != (0, 1, 1)
    return True
