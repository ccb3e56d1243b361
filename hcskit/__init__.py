"""High-content screening from a microscope's export folder to effective concentrations.

>>> import hcskit
>>> screen = hcskit.open_screen("runs/demo")  # doctest: +SKIP
>>> screen["demo"].to_dataset().hcs.montage("B02")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hcskit.version import __version__

if TYPE_CHECKING:
    from hcskit.store import open_plates, open_screen

__all__ = ["__version__", "open_plates", "open_screen"]


def __getattr__(name: str) -> Any:
    # Loaded when first asked for: arrays and plots take seconds, and `hcskit --help` must answer at once.
    if name in ("open_plates", "open_screen"):
        import hcskit.accessor  # noqa: F401 - registers plate.hcs
        from hcskit import store

        return getattr(store, name)
    raise AttributeError(f"module 'hcskit' has no attribute {name!r}")
