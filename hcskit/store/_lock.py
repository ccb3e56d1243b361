"""One writer at a time: a lock that the system releases when the process ends, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hcskit.errors import StoreError

__all__ = ["locked"]


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Hold a folder for writing.

    Raises
    ------
    StoreError
        If another process holds it.
    """
    with (Path(folder) / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"{folder} is being written by another process; wait until it ends, then try again"
            ) from None
        yield
