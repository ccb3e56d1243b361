"""What the sections of a recipe have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Section"]


class Section(BaseModel):
    """A part of a recipe: it cannot be changed, and refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
