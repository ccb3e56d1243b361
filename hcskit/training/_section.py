"""What the sections of a recipe have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["Section", "kind_or"]


class Section(BaseModel):
    """A part of a recipe: it cannot be changed, and refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def kind_or(default: str) -> Callable[[Any], str]:
    """Tell the kind of a section, which may be left out."""

    def kind(section: Any) -> str:
        found = section.get("kind", default) if isinstance(section, dict) else getattr(section, "kind", default)
        return str(found)

    return kind
