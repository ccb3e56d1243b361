"""Locks on a plate that many may write at once.

The locks are beside the plate: in an OME-Zarr, other programs would wonder about them. They need a file system whose
locks (flock) hold between all machines that import into one plate, as NFS 4 and Lustre with ``flock`` do.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from hcskit.errors import StoreError
from hcskit.files import make_folder
from hcskit.locks import lock, name_holder

__all__ = ["registering", "writing"]

_PATIENCE, _POLL = 60.0, 0.02  # seconds; others hold the metadata for a moment only


@contextmanager
def registering(plate: Path) -> Iterator[None]:
    """Hold a plate's metadata for a moment, alone; waits for others who do.

    Raises
    ------
    StoreError
        If another process holds them for a minute, whose name is told; or if the file system has no locks.
    """
    with _lock_file(plate, "lock") as file:
        ends = time.monotonic() + _PATIENCE
        while not lock(file, fcntl.LOCK_EX):
            if time.monotonic() > ends:
                raise StoreError(
                    f"{plate} is held by {name_holder(file)}, which should take a moment only; end that process if it "
                    "hangs, then import again"
                )
            time.sleep(_POLL)
        yield


@contextmanager
def writing(plate: Path, tidy: Callable[[], None]) -> Iterator[None]:
    """Hold a plate for writing wells, together with others who do so.

    Parameters
    ----------
    plate : pathlib.Path
        The plate's folder.
    tidy : callable
        Called first, if nobody else is writing: removes what those left who were stopped.
    """
    with _lock_file(plate, "writers") as file:
        if lock(file, fcntl.LOCK_EX):
            tidy()
        while not lock(file, fcntl.LOCK_SH):  # another one tidies
            time.sleep(_POLL)
        yield


def _lock_file(plate: Path, kind: str) -> TextIO:
    return (make_folder(plate.parent) / f".{plate.name}.{kind}").open("a+", encoding="utf-8")
