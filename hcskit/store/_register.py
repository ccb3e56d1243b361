"""The metadata of a plate that is being written, in line with what is in its folder already."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from hcskit.errors import InputError, NotAScreenError
from hcskit.files import sync_names
from hcskit.names import alike
from hcskit.store import _layout
from hcskit.store._checked import CheckedPlate
from hcskit.store._lock import registering

__all__ = ["changed_wells", "is_done", "register"]

_ELSEWHERE = "import into another folder, give it another name with --plate, or remove what is there first"


def is_done(path: Path, plate: CheckedPlate) -> bool:
    """Whether there is nothing to do, not even to write a lock: the plate may be on a disk that is read-only."""
    there = _attributes_there(path)
    if there is None or any(path.glob(".partial-*")):
        return False
    kept = _same_plate(path, there, plate, replace_plate_map=True)
    is_whole = not changed_wells(path, plate) and _is_whole(path, plate)
    return bool(there == kept.describe(complete=is_whole)["hcskit"] and there["complete"])


def changed_wells(path: Path, plate: CheckedPlate) -> dict[str, str]:
    """Return the wells of which other images are there than the plate has now, each with the digest of those.

    Raises
    ------
    InputError
        If all the wells that are there are so: this is another plate of the same name.
    """
    there = _digests_there(path, plate)
    with ThreadPoolExecutor() as pool:
        now = dict(zip(there, pool.map(plate.digest, there), strict=True))
    changed = {well: digest for well, digest in there.items() if digest != now[well]}
    if changed and len(changed) == len(there):
        raise _another(path, plate, list(changed))
    return changed


def register(path: Path, plate: CheckedPlate, replace_plate_map: bool, changed: Collection[str] = ()) -> CheckedPlate:
    """Write the plate's metadata as they are now; returns the plate in line with what was there of it.

    Without a plate map, the one that is there stays. With wells that have changed, the plate is not complete.
    """
    with registering(path):
        there = _attributes_there(path)
        if there is not None:
            plate = _same_plate(path, there, plate, replace_plate_map)
        now = plate.describe(complete=_is_whole(path, plate, changed))
        sync_names(_rows(path, plate))  # also of wells that others moved there: the metadata may only name what lasts
        if there != now["hcskit"]:
            _layout.write_group(path, now)
    return plate


def _is_whole(path: Path, plate: CheckedPlate, changed: Collection[str] = ()) -> bool:
    """Whether all wells are there; those that are must be of this plate, but for those that have changed."""
    there = _digests_there(path, plate)
    other = [well for well, digest in there.items() if well not in changed and digest != plate.digest(well)]
    if other:
        raise _another(path, plate, other)
    return len(there) == len(plate.info.wells) and not changed


def _digests_there(path: Path, plate: CheckedPlate) -> dict[str, str]:
    found = ((well, _layout.well_digest(path, well)) for well in plate.info.wells)
    return {well: digest for well, digest in found if digest is not None}


def _another(path: Path, plate: CheckedPlate, wells: list[str]) -> InputError:
    return InputError(
        f"{path} already holds other images of plate {plate.info.name}, in well {', '.join(wells[:6])}"
        f"{' …' if len(wells) > 6 else ''}; {_ELSEWHERE}"
    )


def _rows(path: Path, plate: CheckedPlate) -> set[Path]:
    return {row for well in plate.info.wells if (row := _layout.well_folder(path, well).parent).is_dir()}


def _attributes_there(path: Path) -> dict[str, Any] | None:
    """Attributes of the plate that is there; None if there is none, nor another of the same name on some system."""
    others = [other.name for other in path.parent.glob("*.zarr") if other.name != path.name]
    if (same := alike([path.name, *others])) and path.name in same:
        other = next(name for name in same if name != path.name)
        raise InputError(
            f"{path.parent} already holds {other}, which is one folder with {path.name} where upper and lower case are "
            f"alike; {_ELSEWHERE}"
        )
    if not path.exists() or (path.is_dir() and all(entry.name.startswith(".") for entry in path.iterdir())):
        return None  # hidden files are what an import leaves that was stopped before it wrote anything
    try:
        return _layout.read_attributes(path)
    except NotAScreenError as error:
        raise InputError(
            f"{path} is in the way: it is not a plate of hcskit; remove it or choose another folder"
        ) from error


def _same_plate(path: Path, there: dict[str, Any], plate: CheckedPlate, replace_plate_map: bool) -> CheckedPlate:
    """Bring a plate in line with what is there of it; another plate is an error."""
    wanted = plate.describe(complete=True)["hcskit"]
    free = ("complete", "plate_map", "source")  # an export may be moved, and a plate map be added later
    if any(there[name] != wanted[name] for name in wanted if name not in free):
        raise InputError(
            f"{path} already holds another plate of the name {plate.info.name} (from {there['source']}, "
            f"{len(there['labels']['well'])} wells), or this one with other images; {_ELSEWHERE}"
        )
    plate = replace(plate, info=replace(plate.info, source=there["source"]))
    if plate.plate_map is None:
        return replace(plate, plate_map=_layout.plate_map(there))
    if there["plate_map"] not in (None, wanted["plate_map"]) and not replace_plate_map:
        raise InputError(
            f"{path} has another plate map; to put this one in its place, add --replace-plate-map (what was computed "
            "with the old one is not computed anew)"
        )
    return plate
