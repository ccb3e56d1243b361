"""Locks, which the system releases when a process ends, however it ends; each says who holds it."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from hcskit.errors import StoreError
from hcskit.files import told

__all__ = ["is_locked", "lock", "locked", "name_holder"]


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Lock a folder for writing by this process alone. The system releases the lock when the process ends.

    Raises
    ------
    StoreError
        If another process holds it, whose name is told; or if the file system has no locks.
    """
    path = Path(folder, ".lock")
    with ExitStack() as stack:
        with told(path):
            file = stack.enter_context(path.open("a+", encoding="utf-8"))
        if not lock(file, fcntl.LOCK_EX):
            raise StoreError(f"{folder} is being written by {name_holder(file)}; wait until it ends, then try again")
        yield


def is_locked(folder: str | Path) -> bool:
    """Whether a process holds the lock of a folder."""
    try:
        with Path(folder, ".lock").open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is no lock, or none that this process may see
        return False
    return False


def lock(file: TextIO, kind: int) -> bool:
    """Lock an open file, ``fcntl.LOCK_EX`` or ``fcntl.LOCK_SH``, and return True; False if another process holds it.

    Who holds it alone is written into it; see `name_holder`.

    Raises
    ------
    StoreError
        If the file system has no locks, or only pretends to; or if it is full.
    """
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
        if kind == fcntl.LOCK_EX:
            with Path(file.name).open("ab") as other, suppress(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                raise OSError(errno.ENOLCK, "a second lock was granted beside the first")
    except BlockingIOError:
        return False
    except OSError as error:
        raise StoreError(
            f"the file system of {file.name} has no locks ({error.strerror}), so two processes could write there at "
            "once; mount it with locks that hold between all machines (flock), or choose a folder on another"
        ) from error
    if kind == fcntl.LOCK_EX:
        with told(file.name):
            file.truncate(0)
            since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
            file.write(f"process {os.getpid()} on {socket.gethostname()} since {since}")
            file.flush()
    return True


def name_holder(file: TextIO) -> str:
    """Return who holds a lock, from the file that `lock` has found locked."""
    file.seek(0)
    return file.read() or "another process"
