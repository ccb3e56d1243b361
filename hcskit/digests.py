"""What files and folders hold, as SHA-256; kept, so that what has not changed is not read again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hcskit.errors import InputError
from hcskit.files import write_text
from hcskit.inputs import file_sha256

__all__ = ["CACHE", "Digest", "Digests", "Glance", "digest_of_list", "is_hidden", "stamp", "walk"]

#: Name of the file in the folder of a screen or a run that keeps its digests.
CACHE = ".digests.json"
#: A file may change again within one tick of its file system's clock, unseen: 2 s on FAT. git calls this racy.
_TICK = 2_000_000_000  # ns
_LARGE = 10e9  # bytes: some ten seconds of reading, or a minute on a network drive
#: Hidden files are partial files, locks and what desktops leave; but not these, which hold the metadata of Zarr 2.
_ZARR_2 = frozenset({".zarray", ".zattrs", ".zgroup", ".zmetadata"})


@dataclass(frozen=True)
class Digest:
    """What a file or folder holds.

    Attributes
    ----------
    sha256 : str
        Of a file's bytes. Of a folder: of its list, as `digest_of_list` writes it.
    files, bytes : int
        How many files there are, and their size.
    """

    sha256: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Glance:
    """A file or a folder as it is now, without its content as far as that can be done without.

    Attributes
    ----------
    stamp : str
        Changes whenever a file does, is added, or goes.
    digest : Digest or None
        Of what was changed a moment ago, and so may change again unseen by its stamp.
    """

    stamp: str
    digest: Digest | None


class Digests:
    """Digests of files and folders, and the cache that spares reading them again.

    A file is known by its inode, its size and the times of its last changes, so that it may be moved, and a share be
    mounted elsewhere. The cache saves time only: without it, the result is the same.

    Parameters
    ----------
    cache : pathlib.Path, optional
        File of the cache.
    say : callable
        Receives a line before more than 10 GB are read.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.txt").write_text("a")
    >>> before = Digests().of(folder)
    >>> _ = (folder / "a.txt").write_text("b")
    >>> before.files, before.bytes, before == Digests().of(folder)
    (1, 1, False)
    """

    def __init__(self, cache: Path | None = None, say: Callable[[str], object] = lambda _: None) -> None:
        self._cache, self._say = cache, say
        kept = _read(cache)
        self._files: dict[str, str] = kept["files"]
        self._folders: dict[str, dict[str, str]] = kept["folders"]
        self._is_new = False

    def of(self, path: Path, *, leave_out: Path | None = None, remember: bool = False) -> Digest | None:
        """Return the digest of a file or a folder; None where there is none.

        Parameters
        ----------
        path : pathlib.Path
            The file or folder. Of a folder, hidden files are left out.
        leave_out : pathlib.Path, optional
            A folder inside `path` that does not count.
        remember : bool
            Keep a folder's list, so that `changes` can say later what has changed.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        try:
            if not path.is_dir():
                return Digest(self._of_file(path), 1, path.stat().st_size) if path.is_file() else None
            files = dict(walk(path, leave_out))
            self._warn(path, files.values())
            with ThreadPoolExecutor() as pool:
                found = dict(zip(files, pool.map(self._of_file, files.values()), strict=True))
            digest = Digest(digest_of_list(found), len(found), sum(file.stat().st_size for file in files.values()))
        except OSError as error:
            raise InputError(f"{error.filename or path} cannot be read: {error.strerror or error}") from error
        if remember and digest.sha256 not in self._folders:
            self._folders[digest.sha256] = {name: sha256[:16] for name, sha256 in found.items()}
            self._is_new = True
        return digest

    def glance(self, path: Path, *, leave_out: Path | None = None) -> Glance:
        """Look at a file or a folder, so that `changed_since` can say later whether it has changed meanwhile.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        began = time.time_ns()
        now, changed = _stamped(path, leave_out)
        return Glance(now, self.of(path, leave_out=leave_out) if began - changed <= _TICK else None)

    def changed_since(
        self, before: Glance, path: Path, digest: Digest | None, *, leave_out: Path | None = None
    ) -> bool:
        """Whether a file or a folder has changed between a glance and its digest, which was made just now."""
        is_other = before.digest not in (None, digest) or _stamped(path, leave_out)[0] != before.stamp
        if is_other:
            self._say(f"{path} has changed while it was read; the next run reads it again")
        return is_other

    def changes(self, before: str, now: str) -> str:
        """Say which files differ between two lists of a folder, given by their digests, as far as it is known."""
        old, new = self._folders.get(before), self._folders.get(now)
        if old is None or new is None:
            return "changed"
        kinds = {
            "changed": [name for name in old if name in new and old[name] != new[name]],
            "new": [name for name in new if name not in old],
            "gone": [name for name in old if name not in new],
        }
        return ", ".join(f"{_count(names)} {kind} ({_some(names)})" for kind, names in kinds.items() if names)

    @property
    def known(self) -> dict[str, str]:
        """Digests of files by their stamps, for another process to `learn`."""
        return dict(self._files)

    def learn(self, known: Mapping[str, str]) -> None:
        """Take digests that another process has found."""
        self._is_new |= not known.keys() <= self._files.keys()
        self._files |= known

    def reload(self) -> None:
        """Take what other processes have added to the cache."""
        kept = _read(self._cache)
        self._files = kept["files"] | self._files
        self._folders = kept["folders"] | self._folders

    def save(self) -> None:
        """Write the cache, if it can be written."""
        if self._cache is not None and self._is_new:
            others = _read(self._cache)  # another process may have added to it
            kept = {"files": others["files"] | self._files, "folders": others["folders"] | self._folders}
            with suppress(OSError):
                write_text(self._cache, json.dumps(kept))
                self._is_new = False

    def _warn(self, folder: Path, files: Iterable[Path]) -> None:
        """Say that much will be read: it may take minutes."""
        seen = (file.stat() for file in files)
        unread = sum(one.st_size for one in seen if stamp(one) not in self._files)
        if unread > _LARGE:
            self._say(f"reading {unread / 1e9:.0f} GB in {folder}, to know it again")

    def _of_file(self, path: Path) -> str:
        before = stamp(path.stat())
        if before in self._files:
            return self._files[before]
        began = time.time_ns()
        sha256 = file_sha256(path)
        after = path.stat()
        if stamp(after) == before and began - max(after.st_mtime_ns, after.st_ctime_ns) > _TICK:
            self._files[before] = sha256
            self._is_new = True
        return sha256


def digest_of_list(files: Mapping[str, str]) -> str:
    r"""Return the digest of names and their digests: that of the list which the program ``sha256sum`` prints.

    Examples
    --------
    >>> digest_of_list({"b": "22", "a": "11"}) == hashlib.sha256(b"11  a\n22  b\n").hexdigest()
    True
    """
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(files.items()))
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()


def stamp(of: os.stat_result) -> str:
    """Return what changes whenever a file does, without reading it."""
    return f"{of.st_ino}:{of.st_size}:{of.st_mtime_ns}:{of.st_ctime_ns}"


def is_hidden(name: str) -> bool:
    """Whether a file does not count."""
    return name.startswith(".") and name not in _ZARR_2


def walk(folder: Path, leave_out: Path | None = None) -> Iterator[tuple[str, Path]]:
    """Yield the files below a folder, by their names below it; links are followed, each folder once."""

    def fail(error: OSError) -> None:
        raise error

    seen: set[Path] = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=fail):
        here = Path(place)
        if here.resolve() in seen or here == leave_out:
            folders.clear()
            continue
        seen.add(here.resolve())
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in names:
            file = here / name
            if not is_hidden(name) and file.is_file():
                yield file.relative_to(folder).as_posix(), file


def _stamped(path: Path, leave_out: Path | None) -> tuple[str, int]:
    """Return what changes whenever a file does, is added, or goes; and when one changed last, in ns."""
    try:
        files = walk(path, leave_out) if path.is_dir() else [("", path)] if path.is_file() else []
        found = {name: file.stat() for name, file in files}
    except OSError as error:
        raise InputError(f"{error.filename or path} cannot be read: {error.strerror or error}") from error
    lines = "\n".join(f"{name} {stamp(found[name])}" for name in sorted(found))
    changed = max((max(one.st_mtime_ns, one.st_ctime_ns) for one in found.values()), default=0)
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest(), changed


def _read(cache: Path | None) -> dict[str, dict[str, Any]]:
    """Read a cache; one that is not there, or damaged, is empty."""
    with suppress(OSError, ValueError):
        kept = json.loads(cache.read_text(encoding="utf-8")) if cache is not None else None
        if isinstance(kept, dict) and all(isinstance(kept.get(name), dict) for name in ("files", "folders")):
            return kept
    return {"files": {}, "folders": {}}


def _count(names: list[str]) -> str:
    return "1 file" if len(names) == 1 else f"{len(names)} files"


def _some(names: list[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (" …" if len(names) > 3 else "")
