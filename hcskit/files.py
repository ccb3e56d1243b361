"""Files that appear whole or not at all and survive a power cut.

What is synced, and when, is in docs/durability.md.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from glob import escape
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from hcskit.errors import HcskitError, StoreError

__all__ = [
    "make_folder",
    "move",
    "replacing",
    "replacing_all",
    "sync_names",
    "told",
    "why",
    "write_text",
]

_SYNCS = 8  # at a time: journals commit what waits together at once
_NODE = sha256(socket.gethostname().encode()).hexdigest()[:8]


def why(error: OSError) -> str:
    """Say why something could not be written, without Python's numbers and without its path.

    Examples
    --------
    >>> why(OSError(errno.ENOSPC, "Error writing bytes to file"))
    'the disk is full'
    """
    if error.errno is None:
        return str(error)
    return "the disk is full" if error.errno == errno.ENOSPC else os.strerror(error.errno)


@contextmanager
def told(path: str | Path) -> Iterator[None]:
    """Turn a failure of the operating system into a sentence about a path.

    Raises
    ------
    StoreError
        In place of an OSError; its ``errno`` says why.
    """
    try:
        yield
    except HcskitError:
        raise
    except OSError as error:
        fault = StoreError(f"{path} could not be written: {why(error)}; make room or give access, then try again")
        fault.errno = error.errno
        raise fault from error


def make_folder(path: str | Path) -> Path:
    """Make a folder, and those above it, so that they survive a power cut; one that is there is left alone.

    Raises
    ------
    StoreError
        If it cannot be made.
    """
    folder = Path(path)
    with told(folder):
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        sync_names({each.parent for each in missing})
    return folder


def move(path: Path, target: Path) -> None:
    """Move a file or a folder to where it belongs, on the same file system, once all of it is on the disk.

    A power cut leaves the target as it was, or complete; `sync_names` makes the move itself last. A folder takes the
    place of an empty one only.

    Raises
    ------
    OSError
        If it cannot be synced or moved.
    """
    _sync(_tree(path))
    path.replace(target)


def sync_names(folders: Iterable[Path]) -> None:
    """Wait until the names in folders are on the disk: of what was made, moved there or removed.

    Raises
    ------
    OSError
        If they cannot be synced.
    """
    _sync(folders)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    r"""Write a file or a folder beside its place, and move it there once it is complete and on the disk.

    Yields
    ------
    pathlib.Path
        Where to write. It has the suffix of `path`, is hidden, and is removed if the block raises; an existing `path`
        is then kept. If the process is killed, the next call for `path` on this machine removes it.

    Raises
    ------
    StoreError
        If it cannot be written; its ``errno`` says why.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> with replacing(folder / "table.csv") as partial:
    ...     _ = partial.write_text("well\\nA01\\n")
    >>> [file.name for file in folder.iterdir()]
    ['table.csv']
    """
    with replacing_all(path) as (partial,):
        yield partial


@contextmanager
def replacing_all(*paths: str | Path) -> Iterator[list[Path]]:
    """Do as `replacing` with several files: none is moved before all are written. The folders must exist."""
    targets = [Path(path) for path in paths]
    for target in targets:
        _remove_leftovers(target)
    partials = [_beside(target) for target in targets]
    try:
        with told(targets[0]):
            yield partials
        for target, partial in zip(targets, partials, strict=True):
            with told(target):
                _sync(_tree(partial))
        for target, partial in zip(targets, partials, strict=True):
            with told(target), _out_of_the_way(target, partial):
                partial.replace(target)
        with told(targets[0].parent):
            sync_names({target.parent for target in targets})
    finally:
        for partial in partials:
            _remove(partial)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all.

    Raises
    ------
    StoreError
        If it cannot be written; an existing file is kept.
    """
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _tree(path: Path) -> list[Path]:
    """List a folder, and the files and folders in it; or a file alone."""
    return [path, *path.rglob("*")]


def _sync(paths: Iterable[Path]) -> None:
    """Wait until files, and the lists of names in folders, are on the disk."""
    each = list(paths)
    if len(each) == 1:
        _sync_one(each[0])
        return
    with ThreadPoolExecutor(_SYNCS) as pool:
        for _ in pool.map(_sync_one, each):
            pass


def _sync_one(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno != errno.EINVAL or not path.is_dir():  # some network drives sync files only
            raise
    finally:
        os.close(number)


def _beside(target: Path) -> Path:
    """Return a hidden place beside a target, which tells the process that writes there."""
    return target.with_name(f".{target.stem}-{_NODE}-{os.getpid()}-{uuid4().hex[:8]}{target.suffix}")


def _remove_leftovers(target: Path) -> None:
    """Remove what processes of this machine left beside a target when they were killed."""
    for path in target.parent.glob(f".{escape(target.stem)}-{_NODE}-*-*{escape(target.suffix)}"):
        try:
            os.kill(int(path.name.split("-")[-2]), 0)
        except ProcessLookupError:
            _remove(path)
        except (OverflowError, PermissionError, ValueError):  # another user's, or not ours at all
            continue


@contextmanager
def _out_of_the_way(target: Path, partial: Path) -> Iterator[None]:
    """Move a folder away that a folder is to replace, which the system does not do; it returns if the block raises."""
    if not partial.is_dir() or not target.is_dir() or target.is_symlink():
        yield
        return
    aside = _beside(target)
    target.rename(aside)
    try:
        yield
    except BaseException:
        aside.rename(target)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    """Remove a file or a folder if it is there, as well as can be."""
    shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        path.unlink()
