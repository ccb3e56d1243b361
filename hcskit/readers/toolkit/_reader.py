"""What a reader is: two functions, and how it says that a folder is of its layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from hcskit.readers.toolkit._index import ImageIndex

__all__ = ["Claim", "Reader"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A reader's claim that a folder is of its layout.

    Attributes
    ----------
    reason : str
        What it knows the layout by, in words for the user.
    names : int or None
        How many files fit, where only their names speak for it; None where the vendor's own index was found. An index
        outweighs any number of names.
    """

    reason: str
    names: int | None = None


@runtime_checkable
class Reader(Protocol):
    """A vendor's layout: a module or an object with these two functions. It opens no image.

    An entry point of the group ``hcskit.readers`` names it.
    """

    def claim(self, folder: Path, files: Sequence[Path]) -> Claim | None:
        """Say whether the folder is of this layout; `files` are all below it, in no certain order."""

    def index(self, folder: Path, files: Sequence[Path]) -> list[ImageIndex]:
        """Index the images, one index for each plate."""
