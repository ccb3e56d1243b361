"""Locks on a folder, which the system releases when the process ends, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hcskit.errors import StoreError

__all__ = ["locked", "shared"]


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Hold a folder for writing, alone.

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


@contextmanager
def shared(folder: Path, tidy: Callable[[], None]) -> Iterator[None]:
    """Hold a folder for writing, together with others who do so.

    The lock is beside the folder: in an OME-Zarr, other programs would wonder about it.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; the one above it is made.
    tidy : callable
        Called first, if nobody else is writing: removes what those left who were stopped.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tidy()
        except BlockingIOError:
            pass
        fcntl.flock(file, fcntl.LOCK_SH)
        yield
