"""Values as text for the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["as_table", "count", "some"]


def as_table(value: Any) -> dict[str, Any]:
    """Bring a mapping, a mapping of mappings or a list of mappings to columns and rows of text."""
    if isinstance(value, Mapping):
        value = [
            {"name": name, **(dict(entry) if isinstance(entry, Mapping) else {"value": entry})}
            for name, entry in value.items()
        ]
    columns = list(dict.fromkeys(name for row in value for name in row))
    return {"columns": columns, "rows": [[_text(row.get(name, "")) for name in columns] for row in value]}


def count(number: int, noun: str) -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> count(1, "plate"), count(1536, "well")
    ('1 plate', '1,536 wells')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def some(names: list[str], limit: int = 4) -> str:
    """List the first names, and how many more there are.

    Examples
    --------
    >>> some(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def _text(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, (list, tuple, dict)) else str(value)
