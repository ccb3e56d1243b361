"""The file-name patterns that hcskit ships."""

from __future__ import annotations

from pathlib import Path

from hcskit.readers.toolkit import FilePattern

__all__ = ["presets"]

_PRESETS = Path(__file__).with_name("presets")


def presets() -> dict[str, FilePattern]:
    """Return the layouts that hcskit ships, by name.

    Examples
    --------
    >>> "bbbc013" in presets()
    True
    """
    patterns = map(FilePattern.from_yaml, sorted(_PRESETS.glob("*.yaml")))
    return {pattern.name: pattern for pattern in patterns}
