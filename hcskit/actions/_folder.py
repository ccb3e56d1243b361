"""Data for a cluster are given by their path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hcskit.errors import InputError

__all__ = ["folder_of"]


def folder_of(data: Any) -> Path:
    """Return the absolute path of data that workers of a cluster will open.

    Raises
    ------
    InputError
        If the data are open already.
    """
    if not isinstance(data, str | Path):
        raise InputError(
            f"on a cluster, data are given by their folder, which all workers see; found {type(data).__name__}"
        )
    return Path(data).resolve()
