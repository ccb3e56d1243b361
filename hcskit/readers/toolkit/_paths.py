"""Files below an export's folder: which there are, and those that an index names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from unicodedata import normalize

from hcskit.errors import InputError, ReaderError
from hcskit.inputs import kind_of_file
from hcskit.names import below

__all__ = ["check_unlisted", "inside", "list_files", "on_disk"]

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
    try:
        return below(folder, name)
    except InputError as error:
        raise ReaderError(f"an index in {folder} names a file: {error}; such a file is not read") from error


def list_files(folder: Path, *, follow_links: bool = False) -> list[Path]:
    """List the files below a folder, sorted; a Zarr is one entry, its folder. Hidden files are left out.

    macOS leaves ``._name.tif`` beside each file that it copies.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    follow_links : bool
        Follow symbolic links that lead out of the folder. Those that stay inside are always followed.

    Raises
    ------
    ReaderError
        If a link leads out, something there is neither a file nor a folder (it may never answer), or a folder cannot be
        listed.
    """
    if _is_zarr(folder):
        return [folder]
    top = None if follow_links else folder.resolve()
    found: list[Path] = []
    seen: set[Path] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        if (real := here.resolve()) in seen:  # a link that leads back
            continue
        seen.add(real)
        for path, is_folder in _entries(here, top):
            if path.name.startswith("."):
                continue
            is_array = is_folder and (path.name.endswith(".zarr") or _is_zarr(path))
            (waiting if is_folder and not is_array else found).append(path)
    return sorted(found)


def check_unlisted(folder: Path, paths: Iterable[Path]) -> None:
    """Check files that an index names and `list_files` has not seen, such as the arrays of a Zarr, as it would.

    Raises
    ------
    ReaderError
        As `list_files` does.
    """
    top = folder.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(top):
            raise _leads_out(path, top)
        waiting = [path] if path.is_dir() else []
        while waiting:
            waiting += [one for one, is_folder in _entries(waiting.pop(), top) if is_folder and not one.is_symlink()]


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


def _entries(folder: Path, top: Path | None) -> Iterator[tuple[Path, bool]]:
    """Yield what a folder holds, and whether each is a folder; no link may lead out of `top`, if there is one."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                path = Path(entry.path)
                if top is not None and entry.is_symlink() and not path.resolve().is_relative_to(top):
                    raise _leads_out(path, top)
                is_folder = entry.is_dir()
                if not is_folder and not entry.is_file() and path.exists():  # a broken link is a missing file
                    kind = kind_of_file(entry.stat().st_mode)
                    raise ReaderError(f"{path} is {kind}, not a file, and no part of an export; remove it")
                yield path, is_folder
    except OSError as error:
        raise ReaderError(f"{folder} cannot be listed: {error.strerror}; give access to it, or move it away") from error


def _leads_out(path: Path, top: Path) -> ReaderError:
    return ReaderError(
        f"{path} is or lies behind a link that leads out of {top}, to {path.resolve()}; copy what it leads to, or "
        "follow such links with --follow-links (in Python: follow_links=True)"
    )
