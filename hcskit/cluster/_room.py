"""Folders that will be written into."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hcskit.errors import InputError

__all__ = ["make_room"]


def make_room(folder: Path) -> int:
    """Make a folder if it is not there, and return how many bytes its disk has free.

    Raises
    ------
    InputError
        If nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return shutil.disk_usage(folder).free
    except OSError as error:
        raise InputError(
            f"nothing can be written into {folder}: {error.strerror}; choose another folder, or mend this one"
        ) from error
