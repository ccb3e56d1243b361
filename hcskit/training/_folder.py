"""The folder of a training: one process at a time writes it, and others read how far it is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pandas as pd

from hcskit.errors import StoreError
from hcskit.files import make_folder
from hcskit.locks import locked

__all__ = ["read_history", "sole_writer"]

_PATIENCE, _POLL = 90.0, 1.0  # seconds; a worker that has lost its scheduler ends its ranks within about 30
_READS, _PAUSE = 3, 0.2


@contextmanager
def sole_writer(out: str | Path) -> Iterator[None]:
    """Let rank 0 write into a folder once no other rank 0 does; the other ranks wait for it where they meet.

    Ranks that a lost driver or a lost network left behind may live for a while yet.

    Raises
    ------
    StoreError
        If another one still writes after a minute and a half.
    """
    with ExitStack() as stack:
        if os.environ.get("HOROVOD_RANK", "0") == "0":
            folder = make_folder(Path(out, "logs"))
            ends = time.monotonic() + _PATIENCE
            while True:
                try:
                    stack.enter_context(locked(folder))
                    break
                except StoreError:
                    if time.monotonic() > ends:
                        raise
                    time.sleep(_POLL)
        yield


def read_history(out: str | Path) -> pd.DataFrame:
    """Return the epochs that are done, one row each; a shared file system may fail while the file is replaced."""
    path = Path(out, "history.csv")
    for _ in range(_READS):
        with suppress(OSError, pd.errors.ParserError, pd.errors.EmptyDataError):
            return pd.read_csv(path)
        if not path.exists():
            break
        time.sleep(_PAUSE)
    return pd.DataFrame()
