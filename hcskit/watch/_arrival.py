"""Whether a delivery has arrived: what is in its folder now, and what its index names that is not there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hcskit.digests import stamp, walk
from hcskit.errors import ReaderError
from hcskit.readers import read_folder

__all__ = ["Contents", "look_into", "what_lacks"]


@dataclass(frozen=True)
class Contents:
    """What is in a folder, without reading its files.

    Attributes
    ----------
    stamp : str
        Changes whenever a file is added, removed, renamed or written.
    files : int
        How many files there are.
    newest : float
        When the last one was written, in seconds since 1970.
    """

    stamp: str
    files: int
    newest: float


def look_into(folder: Path, others: Iterable[Path] = ()) -> Contents | None:
    """Return what is in a folder; None if files vanish at that moment, or it cannot be read.

    Parameters
    ----------
    folder : pathlib.Path
        The delivery. Hidden files, which copying programs write first, do not count.
    others : iterable of pathlib.Path
        Files and folders that count as well, where they are: plate maps, models.
    """
    try:
        found = {name: path.stat() for name, path in walk(folder)}
        lines = [f"{name} {stamp(status)}" for name, status in sorted(found.items())]
        lines += [f"{path} {_stamp_of(path)}" for path in others]
    except OSError:
        return None
    newest = max((max(status.st_mtime, status.st_ctime) for status in found.values()), default=0.0)
    digest = hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
    return Contents(digest, len(found), newest)


def what_lacks(folder: Path, reader: str | None = None) -> str:
    """Say which files the index of a delivery names that are not there; nothing if it is complete.

    Parameters
    ----------
    folder : pathlib.Path
        The delivery.
    reader : str, optional
        As `hcskit.readers.read_folder` takes it.

    Returns
    -------
    str
        Empty also where no reader can tell: then the pipeline says what is wrong.
    """
    absent: list[str] = []
    with suppress(ReaderError):
        absent = [name for index in read_folder(folder, reader) for name in index.absent]
    return f"images that its index names are not there: {len(absent):,}, such as {absent[0]}" if absent else ""


def _stamp_of(path: Path) -> str:
    if path.is_dir():
        return " ".join(sorted(f"{name} {stamp(file.stat())}" for name, file in walk(path)))
    return stamp(path.stat()) if path.is_file() else ""
