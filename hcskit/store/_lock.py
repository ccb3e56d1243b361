"""Locks on a plate that many may write at once; the system releases them when a process ends, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

__all__ = ["registering", "writing"]


@contextmanager
def registering(plate: Path) -> Iterator[None]:
    """Hold a plate's metadata for a moment, alone; waits for others who do.

    The locks are beside the plate: in an OME-Zarr, other programs would wonder about them. They need a file system
    whose locks (flock) hold between all machines that import into one plate, as NFS 4 and Lustre with ``flock`` do.
    """
    with _lock_file(plate, "lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
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
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tidy()
        except BlockingIOError:
            pass
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def _lock_file(plate: Path, kind: str) -> TextIO:
    plate.parent.mkdir(parents=True, exist_ok=True)
    return plate.with_name(f".{plate.name}.{kind}").open("a")
