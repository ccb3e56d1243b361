"""A parameter's value in JSON, which has no infinity and no NaN."""

from __future__ import annotations

import math
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

__all__ = ["Value", "spell"]

_FLOAT = "float"


def spell(value: Any) -> Any:
    """Return a value as JSON can hold it: ``{"float": "-inf"}`` for a number that it lacks.

    Two values are equal if they are spelled alike; so NaN equals NaN.

    Examples
    --------
    >>> spell(float("-inf")), spell(1.5)
    ({'float': '-inf'}, 1.5)
    """
    return {_FLOAT: str(value)} if isinstance(value, float) and not math.isfinite(value) else value


def _read(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {_FLOAT}:
        value = float(value[_FLOAT])
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    if value is not None and not isinstance(value, str | int | float | bool):
        raise ValueError(f"{value!r} is not the value of a parameter")
    return value


_SCHEMA = {
    "anyOf": [
        {"type": ["string", "integer", "number", "boolean", "null"]},
        {"type": "array", "items": {"type": "string"}},
        {
            "type": "object",
            "properties": {_FLOAT: {"enum": ["inf", "-inf", "nan"]}},
            "required": [_FLOAT],
            "additionalProperties": False,
        },
    ]
}
#: A parameter's value: text, a number, a truth value, a list of paths or None.
Value: TypeAlias = Annotated[Any, BeforeValidator(_read), PlainSerializer(spell), WithJsonSchema(_SCHEMA)]
