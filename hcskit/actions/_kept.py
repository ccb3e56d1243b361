"""Plates that need not be computed again: their rows in a result table were made from what is there now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from hcskit.errors import HcskitError
from hcskit.results import Table, illumination_digest, made_from, read_table
from hcskit.software import code_digest, versions
from hcskit.store import plate_contents

__all__ = ["kept_rows", "plate_keys"]


def plate_keys(screen: Path, depends: Callable[[str], str]) -> dict[str, str]:
    """Return, for each plate by name, a digest of all that its results are made from.

    These are its images and labels, its illumination, hcskit's code, the libraries' versions, and what `depends` says
    of the plate. A plate is left out of which it is not known what was imported.
    """
    software = [code_digest(), versions()]
    keys = {}
    for name, content in plate_contents(screen).items():
        text = json.dumps([content, illumination_digest(screen, name), depends(name), *software])
        keys[name] = hashlib.sha256(text.encode()).hexdigest()
    return keys


def kept_rows(screen: Path, table: Table, keys: dict[str, str]) -> dict[str, pd.DataFrame]:
    """Return the rows of the plates that were made from what `keys` says, by plate."""
    before = made_from(screen, table)
    same = [name for name, key in keys.items() if before.get(name) == key]
    try:
        rows = read_table(screen, table) if same else pd.DataFrame()
        return {name: rows.loc[[name]] for name in same}
    except (HcskitError, KeyError):  # damaged, or gone meanwhile
        return {}
