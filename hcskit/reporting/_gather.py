"""All that a run has left for its report."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from hcskit.reporting._data import ReportData
from hcskit.results import (
    CURVES,
    IMAGE_CONTROLS,
    PHENOTYPE_CONTROLS,
    POINTS,
    PREDICTIONS,
    QUALITY,
    RESPONSES,
    read_illumination,
    read_table,
)
from hcskit.store import open_screen

__all__ = ["gather_report"]


def gather_report(run: str | Path, truth: str | Path | None = None) -> ReportData:
    """Read the results of a run.

    Parameters
    ----------
    run : path-like
        Folder of the run, all steps before the report done.
    truth : path-like, optional
        CSV of known effective concentrations; by default that of the run's own simulated plate, if it has one.

    Raises
    ------
    NotAScreenError
        If a step has not run.
    """
    run = Path(run)
    known = Path(truth) if truth else run / "export" / "truth.csv"
    record = run / "run.json"
    return ReportData(
        title=run.resolve().name,
        screen=open_screen(run),
        quality=read_table(run, QUALITY),
        controls=pd.concat([read_table(run, name) for name in (PHENOTYPE_CONTROLS, IMAGE_CONTROLS)]),
        illumination=read_illumination(run),
        predictions=read_table(run, PREDICTIONS),
        responses=read_table(run, RESPONSES),
        points=read_table(run, POINTS),
        curves=read_table(run, CURVES),
        history=pd.read_csv(run / "model" / "history.csv"),
        truth=pd.read_csv(known) if truth or known.exists() else None,
        record=json.loads(record.read_text(encoding="utf-8")) if record.exists() else None,
    )
