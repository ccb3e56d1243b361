"""Plates that steps set aside: each says which it could not use; all later steps leave these out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from hcskit.results._files import has_table, read_table, remove_table, write_table
from hcskit.results._import import SET_ASIDE

__all__ = ["plates_set_aside", "set_aside", "take_back"]

_STEPS = ("import", "quality", "train", "predict")


def plates_set_aside(folder: str | Path) -> dict[str, str]:
    """Return the plates that are not in a screen or a run because a step could not use them, each with the reason."""
    return {str(plate): str(reason) for plate, reason in _table(folder)["reason"].items()}


def take_back(folder: str | Path, step: str) -> None:
    """Take in what a step has set aside, and steps after it: it is about to try again."""
    table = _table(folder)
    _write(folder, table, table[table["step"].map(_STEPS.index) < _STEPS.index(step)])


def set_aside(folder: str | Path, step: str, reasons: Mapping[str, str]) -> None:
    """Leave plates out of all later steps, and write the table that names them.

    Parameters
    ----------
    folder : path-like
        Folder of the screen or run.
    step : {"import", "quality", "train", "predict"}
        Which step cannot use them.
    reasons : mapping of str to str
        What is wrong with each, by name.
    """
    table = _table(folder)
    own = pd.DataFrame({"reason": reasons, "step": step}, index=pd.Index(reasons, name="plate"))
    _write(folder, table, pd.concat([table, own]) if len(table) else own)


def _table(folder: str | Path) -> pd.DataFrame:
    if not has_table(folder, SET_ASIDE):
        return pd.DataFrame({"reason": [], "step": []}, index=pd.Index([], name="plate", dtype=str), dtype=str)
    table = read_table(folder, SET_ASIDE)
    return table if "step" in table else table.assign(step=_STEPS[0])


def _write(folder: str | Path, before: pd.DataFrame, table: pd.DataFrame) -> None:
    """Write the table if it has changed; without plates there is none."""
    if table.equals(before):
        return
    if table.empty:
        remove_table(folder, SET_ASIDE)
    else:
        write_table(folder, SET_ASIDE, table)
