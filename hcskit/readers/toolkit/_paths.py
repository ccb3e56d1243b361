"""Files below an export's folder: which there are, and those that an index names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from unicodedata import normalize

from hcskit.errors import ReaderError

__all__ = ["inside", "list_files", "on_disk"]

_ZARR = ("zarr.json", ".zgroup", ".zattrs", ".zarray")


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file that an index names, which must be below the index's own folder.

    Raises
    ------
    ReaderError
        If the name leads elsewhere: such an index was not written by a microscope.

    Examples
    --------
    >>> inside(Path("export"), "Images/a.tif").as_posix()
    'export/Images/a.tif'
    """
    parts = name.replace("\\", "/").split("/")
    if not name or name[0] in "/\\" or ":" in parts[0] or ".." in parts or "\0" in name:
        raise ReaderError(
            f"an index in {folder} names the file {name!r}, outside its own folder; such a file is not read"
        )
    return folder.joinpath(*parts)


def list_files(folder: Path) -> list[Path]:
    """List the files below a folder, sorted; a Zarr is one entry, its folder. Hidden files are left out.

    macOS leaves ``._name.tif`` beside each file that it copies.
    """
    if _is_zarr(folder):
        return [folder]
    found: list[Path] = []
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place)
        if here.resolve() in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(here.resolve())
        arrays = [name for name in folders if name.endswith(".zarr") or _is_zarr(here / name)]
        folders[:] = [name for name in folders if name not in arrays and not name.startswith(".")]
        found += [here / name for name in (*arrays, *names) if not name.startswith(".")]
    return sorted(found)


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


def _is_zarr(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _ZARR)
