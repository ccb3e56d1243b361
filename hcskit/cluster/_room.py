"""Folders that will be written into."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hcskit.files import make_folder, told

__all__ = ["make_room"]


def make_room(folder: Path) -> int:
    """Make a folder if it is not there, and return how many bytes its disk has free.

    Raises
    ------
    StoreError
        If nothing can be written into it.
    """
    with told(make_folder(folder)), tempfile.TemporaryFile(dir=folder):
        return shutil.disk_usage(folder).free
