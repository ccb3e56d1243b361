"""Parts that other packages can add: each kind has a group of entry points, our own parts among them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from hcskit.errors import InputError

__all__ = ["Plugins"]

T = TypeVar("T")


class Plugins(Mapping[str, T], Generic[T]):
    """The parts of one kind by name; each is loaded on demand.

    Parameters
    ----------
    group : str
        Group of entry points, such as ``hcskit.models``.
    word : str
        What one of them is called in messages: ``network``.

    Examples
    --------
    >>> readers = Plugins("hcskit.readers", "reader")
    >>> "harmony" in readers
    True
    """

    def __init__(self, group: str, word: str) -> None:
        self.group, self.word = group, word

    @cached_property
    def _found(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        # If two have the same name, ours is used: installing a package must not replace a part of hcskit.
        for point in sorted(entry_points(group=self.group), key=lambda point: not point.value.startswith("hcskit.")):
            if point.name in found:
                warnings.warn(
                    f"the {self.word} {point.name!r} is there twice; {point.value} is left out, and "
                    f"{found[point.name].value} taken",
                    stacklevel=3,
                )
            else:
                found[point.name] = point
        return dict(sorted(found.items()))

    def __getitem__(self, name: str) -> T:
        """Load a part.

        Raises
        ------
        InputError
            If there is none of that name, or it cannot be loaded.
        """
        if name not in self._found:
            raise UnknownPartError(f"there is no {self.word} {name!r}; known: {', '.join(self)}")
        point = self._found[name]
        try:
            return cast("T", point.load())
        except Exception as error:
            raise InputError(
                f"the {self.word} {name!r} cannot be loaded from {point.value}: {type(error).__name__}: {error}; mend "
                "or remove the package that brings it"
            ) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def working(self) -> dict[str, T]:
        """Load all parts; one that cannot be loaded is left out with a warning."""
        parts: dict[str, T] = {}
        for name in self:
            try:
                parts[name] = self[name]
            except InputError as error:
                warnings.warn(f"left out: {error}", stacklevel=2)
        return parts


class UnknownPartError(InputError, KeyError):
    """There is no part of that name."""

    __str__ = Exception.__str__  # a KeyError would put the message into quotes
