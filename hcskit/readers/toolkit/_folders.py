"""Which folders are plates, where no file name says the plate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from hcskit.errors import InputError
from hcskit.plate import parse_well

__all__ = ["plate_folder", "plate_names"]

# A folder of a plate's parts: a row, site, wave, plane or time point. P1 and S1 may well be plates.
_PART = re.compile(
    r"r\d+(c\d+)?(f\d+)?|c\d+|"
    r"(well|row|col(umn)?|site|field|pos(ition)?|time[ _-]?(point|step)?|z[ _-]?(step|plane|slice)?|"
    r"w|f|t|ch(annel)?|wave(length)?|cycle|loop)[ _-]?\d+",
    re.IGNORECASE,
)
_GENERIC = re.compile(r"images?|data|tiffs?|raw|export", re.IGNORECASE)


@lru_cache
def plate_folder(folder: Path, home: Path, well: str = "") -> Path:
    """Return the folder of a plate that has an image of a well in `home`.

    It is the one above those named like a plane, a time point or that very well.

    Examples
    --------
    >>> plate_folder(Path("run"), Path("run/Plate1/B2/TimePoint_1"), "B02").as_posix()
    'run/Plate1'
    >>> plate_folder(Path("run"), Path("run/P1"), "B02").as_posix()
    'run/P1'
    """
    while home.is_relative_to(folder) and home != folder and (_PART.fullmatch(home.name) or _is_well(home.name, well)):
        home = home.parent
    return home if home.is_relative_to(folder) else folder


def _is_well(name: str, well: str) -> bool:
    try:
        return parse_well(name).name == well
    except InputError:
        return False


def plate_names(folder: Path, homes: Sequence[Path]) -> dict[Path, str]:
    """Call each folder by its name, or by those above it too where two have one name.

    Examples
    --------
    >>> plate_names(Path("run"), [Path("run/P1/Images"), Path("run/P2/Images")]).values()
    dict_values(['P1', 'P2'])
    >>> plate_names(Path("P1"), [Path("P1/Images")]).values()
    dict_values(['P1'])
    """
    parts = {home: home.relative_to(folder).parts for home in homes}
    told = {home: [part for part in names if not _GENERIC.fullmatch(part)] for home, names in parts.items()}
    last = {home: "-".join(names[-1:]) for home, names in told.items()}
    if len(homes) == 1:
        return {homes[0]: last[homes[0]] or folder.name}
    whole = {home: "-".join(names) for home, names in told.items()}
    for names in (last, whole):
        if all(names.values()) and len(set(names.values())) == len(homes):
            return names
    return {home: "-".join(parts[home]) or folder.name for home in homes}
