"""The files of a Harmony measurement: its index, its images and its flat-field profiles.

In an export these are ``Images/Index.xml``, ``Images/*.tiff`` and ``FFC_Profile/*.xml``; in an archive of Harmony 7
``index/*.xml``, ``images/r01c01/*.tiff`` and ``flatfieldcorrection/*.xml`` (ferrinm/PyPhenix).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hcskit.inputs import open_file
from hcskit.readers.toolkit import on_disk

__all__ = ["CORRECTED", "find_indexes", "image_finder", "image_folder", "profiles_beside"]

#: The index of images that are corrected already (BIOP/biop-operetta-tools), in lower case.
CORRECTED = "index.flex.xml"
# The best first; "ref" names the images of Harmony's own database.
_NAMES = ("index.idx.xml", "index.xml", "imageindex.columbusidx.xml", CORRECTED, "index.ref.xml")
_ARCHIVED = "index"  # the folder of an archive's index, which may have any name
_PROFILES = ("ffc_profile", "flatfieldcorrection")
_ROOT = b"EvaluationInputData"


def find_indexes(files: Iterable[Path]) -> dict[Path, list[Path]]:
    """Find the index of each measurement, with others of the same one.

    Corrected images lie in ``Images/flex``, with an index of their own (MannLabs/scPortrait).
    """
    ranked = [(_rank(file), len(file.parts), file) for file in files if _rank(file) < len(_NAMES) and _is_index(file)]
    found: dict[Path, list[Path]] = {}
    for *_, file in sorted(ranked):
        same = [one for one in found if file.is_relative_to(one.parent) or one.is_relative_to(file.parent)]
        if same:
            found[same[0]].append(file)
        else:
            found[file] = []
    return dict(sorted(found.items()))


def image_folder(index: Path) -> Path:
    """Return the folder that an index names its images from."""
    return index.parent.with_name("images") if index.parent.name == _ARCHIVED else index.parent


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
    """Return the file of the profiles, whose folder lies beside that of the index."""
    place = index.parent.parent
    found = [
        file
        for file in files
        if file.suffix.lower() == ".xml" and file.parent.parent == place and file.parent.name.lower() in _PROFILES
    ]
    return found[0] if len(found) == 1 else None


def _rank(file: Path) -> int:
    if file.parent.name == _ARCHIVED and file.suffix.lower() == ".xml":
        return 0
    return _NAMES.index(file.name.lower()) if file.name.lower() in _NAMES else len(_NAMES)


def _is_index(file: Path) -> bool:
    with open_file(file) as stream:
        return _ROOT in stream.read(4096).replace(b"\0", b"")  # UTF-16 has a zero beside each letter


def _below(file: Path, candidates: Iterable[Path]) -> Path:
    below = [one for one in candidates if one.is_relative_to(file.parent)]
    return below[0] if len(below) == 1 else file
