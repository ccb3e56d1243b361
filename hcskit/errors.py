"""The errors hcskit raises: one base, and one class for each thing a caller may want to catch.

Each also derives from the built-in that a caller would expect, so ``except ValueError`` keeps working.
A message says what was found, where, what was expected, and what to do.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "DamagedError",
    "DriftError",
    "HcskitError",
    "InputError",
    "MismatchError",
    "NotAScreenError",
    "PlateMapError",
    "ReaderError",
    "RunError",
    "StoreError",
    "UnitError",
    "what_is_wrong",
]


class HcskitError(Exception):
    """Base of every error that hcskit raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Not that of OSError: with it, the library by which Dask sends errors cannot restore one of ours that is a
        # ValueError as well.
        return type(self), self.args, self.__dict__


class InputError(HcskitError, ValueError):
    """What the user gave (a parameter, a file, a table) cannot be used; nothing was changed."""


class MismatchError(InputError):
    """A worker of a cluster has other software, or another model, than the machine that asked."""


class UnitError(InputError):
    """A unit is unknown, or two units cannot be compared."""


class PlateMapError(InputError):
    """A plate map is malformed, or does not fit the plate."""


class ReaderError(InputError):
    """A folder of images cannot be read as one consistent plate."""


class NotAScreenError(InputError, FileNotFoundError):
    """A path holds no screen or plate that hcskit can open."""


class StoreError(HcskitError, OSError):
    """A plate could not be written or read; what was complete before is still there."""


class DamagedError(StoreError):
    """Pixels of an imported plate are gone, or cannot be read."""


class RunError(HcskitError, RuntimeError):
    """A pipeline run cannot start, or one of its steps failed."""


class DriftError(RunError):
    """A plate is unlike those that its model learned from, and the caller asked not to accept that."""


def what_is_wrong(error: Exception) -> str:
    """Describe in one line what is wrong with an unreadable file; list pydantic's faults, each with its place."""
    faults = error.errors() if hasattr(error, "errors") and callable(error.errors) else None
    if faults is not None:
        return "; ".join(": ".join([*map(str, fault["loc"]), fault["msg"]]) for fault in faults)
    return " ".join(str(error).split())
