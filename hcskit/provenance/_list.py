"""The runs below a folder, each in a line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hcskit.errors import HcskitError, InputError
from hcskit.response import EFFECTS
from hcskit.results import IMAGE_CONTROLS, PHENOTYPE_CONTROLS, RECORD, RESPONSES
from hcskit.run import Run, open_run

__all__ = ["list_runs"]

_COLUMNS = ["pipeline", "status", "started", "seconds", "plates", "z_prime", "hits"]


def list_runs(folder: str | Path) -> pd.DataFrame:
    """List the runs in a folder and below it, the latest last.

    Parameters
    ----------
    folder : path-like
        Where to look. Plates, hidden folders, and what lies in a run are not searched.

    Returns
    -------
    pandas.DataFrame
        Index ``run``: its folder, from `folder`. Columns ``pipeline``; ``status`` (``unreadable`` if its record is);
        ``started`` (UTC); ``seconds``, the sum of its steps'; ``plates``, how many; ``z_prime``, the best of its
        controls'; and ``hits``, how many compounds have an effect. What a run does not have is NaN.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"there is no folder {folder}")
    rows = {str(found.relative_to(root)): _row(found) for found in _runs(root)}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=_COLUMNS).rename_axis("run")
    return table.sort_values("started", kind="stable")


def _runs(root: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(root):
        if RECORD.where in files:
            folders.clear()
            yield Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not name.endswith(".zarr"))


def _row(folder: Path) -> list[Any]:
    run = open_run(folder)
    plates = len(list(folder.glob("*.zarr")))
    try:
        record = run.record
        seconds = sum(step.seconds or 0.0 for step in record.steps)
        of_record = [record.pipeline, record.status, datetime.fromisoformat(record.started), seconds]
        return [*of_record, plates, _z_prime(run), _hits(run)]
    except HcskitError:
        return ["", "unreadable", pd.NaT, np.nan, plates, np.nan, np.nan]


def _z_prime(run: Run) -> float:
    """Return the best Z′-factor of the phenotypes; before prediction, of the plain image statistics."""
    table = next((table for table in (PHENOTYPE_CONTROLS, IMAGE_CONTROLS) if run.has(table)), None)
    return float("nan") if table is None else float(run.read(table)["z_prime"].max())


def _hits(run: Run) -> float:
    if not run.has(RESPONSES):
        return float("nan")
    effects = run.responses[run.responses["category"].isin(EFFECTS)]
    return float(effects.index.get_level_values("compound").nunique())
