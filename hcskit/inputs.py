"""Files that others wrote: opened only if they are files, and read within bounds."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

__all__ = ["file_sha256", "kind_of_file", "open_file", "read_bytes", "read_json"]

_MOST_JSON = 1 << 28  # bytes; the metadata of a plate of 1536 wells are about 1 MB
_DEEPEST = 100  # so that whoever walks through it may do so by recursion
_TOO_DEEP = "it is nested too deeply"
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def kind_of_file(mode: int) -> str:
    """Say what has a mode that is no regular file's.

    Examples
    --------
    >>> kind_of_file(stat.S_IFIFO | 0o600)
    'a named pipe'
    """
    return _KINDS.get(stat.S_IFMT(mode), "something else")


def open_file(path: str | Path) -> BufferedReader:
    """Open a file for reading. A named pipe, a socket or a device, which may never answer, is refused at once.

    Raises
    ------
    OSError
        If it cannot be opened, or is no regular file.
    """
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        raise OSError(errno.EINVAL, f"it is {kind_of_file(mode)}, not a file", str(path))
    return file


def read_bytes(path: str | Path, most: int | None = None) -> bytes:
    """Read a file of at most `most` bytes.

    Raises
    ------
    OSError
        If it cannot be read, is no regular file, or is larger.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise OSError(errno.EFBIG, f"it has {size:,} bytes, expected {most:,} at most", str(path))
        return file.read()


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Raises
    ------
    OSError
        If it cannot be read, or is no regular file.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: str | Path) -> Any:
    """Read a JSON file in UTF-8.

    Raises
    ------
    OSError
        If it cannot be read, is no regular file, or has more than 256 MB.
    ValueError
        If it is not JSON, or is nested too deeply.
    """
    try:
        found = json.loads(read_bytes(path, _MOST_JSON).decode("utf-8-sig"))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    level: list[Any] = [[found]]
    for _ in range(_DEEPEST):
        inside = (value for one in level for value in (one.values() if isinstance(one, dict) else one))
        level = [value for value in inside if isinstance(value, dict | list)]
        if not level:
            return found
    raise ValueError(_TOO_DEEP)
