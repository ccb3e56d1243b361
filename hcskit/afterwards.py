"""Register a call for when another library is imported, without importing that library."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["after_import"]


def after_import(library: str, call: Callable[[], object]) -> None:
    """Call a function as soon as a library is imported, or immediately if it already is.

    Examples
    --------
    >>> after_import("sys", lambda: print("sys is there"))
    sys is there
    """
    if library in sys.modules:
        call()
    else:
        sys.meta_path.insert(0, _Finder(library, call))


class _Finder:
    """Finds the library as Python does, and makes the call after loading it."""

    def __init__(self, library: str, call: Callable[[], object]) -> None:
        self.library, self.call = library, call

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self.library:
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in others if spec is not None), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                self.call()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
