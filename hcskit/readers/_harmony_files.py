"""The files of a Harmony measurement: its index, its images and its flat-field profiles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hcskit.readers._vendor import on_disk

__all__ = ["CORRECTED", "find_indexes", "image_finder", "profiles_beside"]

#: The index of images that are corrected already (BIOP/biop-operetta-tools), in lower case.
CORRECTED = "index.flex.xml"
# The best first; "ref" names the images of Harmony's own database.
_NAMES = ("index.idx.xml", "index.xml", "imageindex.columbusidx.xml", CORRECTED, "index.ref.xml")
_ROOT = b"EvaluationInputData"


def find_indexes(files: Iterable[Path]) -> dict[Path, list[Path]]:
    """Find the index of each measurement, with others of the same one.

    Corrected images lie in ``Images/flex``, with an index of their own (MannLabs/scPortrait).
    """
    named = [file for file in files if file.name.lower() in _NAMES and _is_index(file)]
    named.sort(key=lambda file: (_NAMES.index(file.name.lower()), len(file.parts), file))
    found: dict[Path, list[Path]] = {}
    for file in named:
        same = [one for one in found if file.is_relative_to(one.parent) or one.is_relative_to(file.parent)]
        if same:
            found[same[0]].append(file)
        else:
            found[file] = []
    return dict(sorted(found.items()))


def image_finder(files: Sequence[Path]) -> Callable[[Sequence[Path]], list[Path]]:
    """Return a function that finds the images of an index.

    Harmony 7 can write the index above the folders of the images and name these without a folder (Bio-Formats, pull
    request 4314), so where not one is at its place, each is looked for below.
    """
    find, there = on_disk(files), set(files)
    named = defaultdict(list)
    for file in files:
        named[file.name].append(file)

    def find_images(wanted: Sequence[Path]) -> list[Path]:
        found = [find(file) for file in wanted]
        return [_below(file, named[file.name]) for file in wanted] if there.isdisjoint(found) else found

    return find_images


def profiles_beside(index: Path, files: Iterable[Path]) -> Path | None:
    """Return ``FFC_Profile/FFC_Profile_Measurement 1.xml``, which lies beside ``Images``."""
    place = index.parent.parent
    found = [
        file
        for file in files
        if file.suffix.lower() == ".xml" and file.parent.parent == place and file.parent.name.lower() == "ffc_profile"
    ]
    return found[0] if len(found) == 1 else None


def _is_index(file: Path) -> bool:
    with file.open("rb") as stream:
        return _ROOT in stream.read(4096).replace(b"\0", b"")  # UTF-16 has a zero beside each letter


def _below(file: Path, candidates: Iterable[Path]) -> Path:
    below = [one for one in candidates if one.is_relative_to(file.parent)]
    return below[0] if len(below) == 1 else file
