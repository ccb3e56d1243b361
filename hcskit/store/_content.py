"""What the stored plates of a screen were made from, as one digest each."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from hcskit.store import _layout
from hcskit.store._open import plate_folders

__all__ = ["plate_contents"]

_NOT_CONTENT = frozenset({"complete", "source"})


def plate_contents(screen: str | Path) -> dict[str, str]:
    """Return, for each plate by name, a digest of its labels, its plate map, and the files that it was made from.

    Two plates with one digest hold the same; a plate is left out of which that is not known.
    """
    found = {}
    for folder in plate_folders(screen):
        own = _layout.read_attributes(folder)
        wells = {well: _layout.well_digest(folder, well) for well in own["labels"]["well"]}
        if all(wells.values()):
            content = {name: value for name, value in own.items() if name not in _NOT_CONTENT}
            text = json.dumps([content, wells], sort_keys=True)
            found[str(own["name"])] = hashlib.sha256(text.encode()).hexdigest()
    return found
