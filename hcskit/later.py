"""Put off what a library imports at its start and hardly ever uses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

__all__ = ["put_off"]


@contextmanager
def put_off(name: str) -> Iterator[None]:
    """Let imports in this context have a stand-in for a module, which is imported when one of its functions is called.

    Nothing changes where it is imported already, or not installed. It must be a module that nothing else imports at the
    same time: another thread would be given the stand-in.

    Examples
    --------
    >>> with put_off("this"):
    ...     import this
    >>> "this" in sys.modules
    False
    """
    if name in sys.modules or find_spec(name) is None:
        yield
        return
    sys.modules[name] = _StandIn(name)
    try:
        yield
    finally:
        del sys.modules[name]


class _StandIn(ModuleType):
    """Has every function, as far as anybody can tell before it is called."""

    def __getattr__(self, function: str) -> Callable[..., Any]:
        if function.startswith("__"):  # Python asks modules for some that they may lack
            raise AttributeError(function)

        def call(*arguments: Any, **options: Any) -> Any:
            return getattr(import_module(self.__name__), function)(*arguments, **options)

        return call
