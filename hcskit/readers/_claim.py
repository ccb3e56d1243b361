"""How a reader says that a folder is of its layout."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Claim"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A reader's word that a folder is of its layout.

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
