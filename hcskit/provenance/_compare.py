"""Two runs held against each other: what was different in them, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hcskit.provenance._tables import difference
from hcskit.results import CATALOGUE, PHENOTYPE_CONTROLS, QUALITY, RESPONSES, RunRecord, Table
from hcskit.run import Run, open_run

__all__ = ["Comparison", "compare_runs"]

_SIDES = ("first", "second")
_SHORT = 12  # characters of a digest that are shown


@dataclass(frozen=True)
class Comparison:
    """How two runs differ; `str` formats it as a page. Rows are those that differ; columns ``first`` and ``second``.

    Attributes
    ----------
    parameters : pandas.DataFrame
        Index ``parameter``. The folder of the run itself is left out, and so are files and folders: see `inputs`.
    inputs : pandas.DataFrame
        Index ``parameter``: digests of the content of the files and folders that parameters name, wherever they are.
    versions : pandas.DataFrame
        Index ``package``.
    code : pandas.DataFrame
        Index ``of``: hcskit itself, the commit of the pipeline's repository, and the notebook of each step.
    responses : pandas.DataFrame
        Index ``compound, readout`` and what else splits a compound: the EC50 of either run, in the unit of its row,
        ``fold`` between them, and the categories.
    z_prime : pandas.DataFrame
        Index ``plate, readout``: Z′-factor of the controls in each phenotype.
    wells : pandas.DataFrame
        Index ``plate, well``: how many fields of the well are left out.
    tables : pandas.DataFrame
        Index ``table``: all result tables that either run has; ``difference``, the largest relative one of a number: 0
        where the tables are equal, and infinite where rows, columns or words differ, or one run has none.
    """

    parameters: pd.DataFrame
    inputs: pd.DataFrame
    versions: pd.DataFrame
    code: pd.DataFrame
    responses: pd.DataFrame
    z_prime: pd.DataFrame
    wells: pd.DataFrame
    tables: pd.DataFrame

    @property
    def equal(self) -> bool:
        """Whether all result tables are equal, number by number."""
        return bool((self.tables["difference"] == 0).all())

    def __str__(self) -> str:
        shown = {
            "Parameters": self.parameters,
            "Content of inputs": self.inputs,
            "Versions": self.versions,
            "Code": self.code,
            "EC50": self.responses,
            "Z′-factor": self.z_prime,
            "Fields left out": self.wells,
        }
        parts = [
            f"{title}\n{table.reset_index().to_string(index=False)}" for title, table in shown.items() if len(table)
        ]
        return "\n\n".join([*parts, self.verdict])

    @property
    def verdict(self) -> str:
        """Whether the numbers are equal, in a line."""
        if self.tables.empty:
            return "Neither run has a result table."
        if self.equal:
            return f"All numbers are equal, in {len(self.tables)} result tables."
        other = self.tables[self.tables["difference"] > 0]["difference"]
        finite = other[np.isfinite(other)]
        told = [f"{name} by up to {value:.1e} of a number" for name, value in finite.items()]
        told += [f"{name} in rows, columns or words" for name in other.index.difference(finite.index)]
        return f"{len(other)} of {len(self.tables)} result tables differ: {'; '.join(told)}."


def compare_runs(first: Run | str | Path, second: Run | str | Path) -> Comparison:
    """Say how two runs differ: in what went into them, and in what came out.

    Parameters
    ----------
    first, second : Run or path-like
        Runs, or their folders.

    Raises
    ------
    NotAScreenError
        If one is no run.
    StoreError
        If a table is damaged.

    Examples
    --------
    >>> compare_runs("runs/plate7", "runs/plate7-again").equal  # doctest: +SKIP
    True
    """
    one, other = (run if isinstance(run, Run) else open_run(run) for run in (first, second))
    records = [one.record, other.record]
    return Comparison(
        parameters=_sides("parameter", *map(_parameters, records)),
        inputs=_sides("parameter", *map(_inputs, records)),
        versions=_sides("package", *({"python": record.python} | record.versions for record in records)),
        code=_sides("of", *map(_code, records)),
        responses=_responses(one, other),
        z_prime=_column(one, other, PHENOTYPE_CONTROLS, ["plate", "readout"], "z_prime"),
        wells=_wells(one, other),
        tables=_tables(one, other),
    )


def _sides(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> pd.DataFrame:
    """Return what differs between two mappings; NaN is equal to NaN."""
    rows = {
        key: (first.get(key), second.get(key))
        for key in {**first, **second}
        if str(first.get(key)) != str(second.get(key))
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(_SIDES), dtype=object).rename_axis(name)


def _parameters(record: RunRecord) -> dict[str, Any]:
    files = {source.parameter for source in record.inputs}
    return {name: value for name, value in record.parameters.items() if name != "run" and name not in files}


def _inputs(record: RunRecord) -> dict[str, str]:
    return {one.parameter: f"{one.sha256[:_SHORT]} ({one.files} files)" for one in record.inputs}


def _code(record: RunRecord) -> dict[str, str | None]:
    notebooks = {f"step {step.name}": step.notebook_sha256[:_SHORT] for step in record.steps}
    return {"hcskit": record.code[:_SHORT], "git": record.git} | notebooks


def _responses(first: Run, second: Run) -> pd.DataFrame:
    found = [_read(run, RESPONSES) for run in (first, second)]
    keys = list(dict.fromkeys(str(key) for table in found if table is not None for key in table.index.names))
    keys = keys or RESPONSES.labels
    sides = {side: _by(table, keys) for side, table in zip(_SIDES, found, strict=True)}
    ec50 = pd.DataFrame({side: table["ec50"].astype(float) for side, table in sides.items()})
    category = pd.DataFrame({f"category_{side}": table["category"] for side, table in sides.items()})
    table = ec50.assign(fold=ec50["second"] / ec50["first"]).join(category).rename_axis(keys)
    return table.loc[_differs(ec50) | (category["category_first"] != category["category_second"])]


def _by(table: pd.DataFrame | None, keys: list[str]) -> pd.DataFrame:
    """Return the responses by the same labels; a label that they do not have is empty."""
    flat = pd.DataFrame() if table is None else table.reset_index()
    flat = flat.reindex(columns=[*keys, "ec50", "category"])
    return flat.fillna(dict.fromkeys(keys, "")).set_index(keys)


def _column(first: Run, second: Run, table: Table, keys: list[str], name: str) -> pd.DataFrame:
    sides = [_read(run, table) for run in (first, second)]
    flat = [pd.DataFrame(columns=[*keys, name]) if side is None else side for side in sides]
    return _differing([side.set_index(keys)[name] for side in flat], keys)


def _wells(first: Run, second: Run) -> pd.DataFrame:
    return _differing([_left_out(_read(run, QUALITY)) for run in (first, second)], ["plate", "well"])


def _left_out(quality: pd.DataFrame | None) -> pd.Series[Any]:
    """Count the fields of each well that are left out."""
    if quality is None:
        quality = pd.DataFrame(columns=["plate", "well", "field", "excluded"]).set_index(["plate", "well", "field"])
    fields = quality["excluded"].astype(bool).groupby(["plate", "well", "field"]).any()
    return fields.groupby(["plate", "well"]).sum()


def _differing(sides: list[pd.Series[Any]], keys: list[str]) -> pd.DataFrame:
    both = pd.DataFrame(dict(zip(_SIDES, sides, strict=True))).rename_axis(keys)
    return both.loc[_differs(both)]


def _differs(both: pd.DataFrame) -> pd.Series[bool]:
    return (both["first"] != both["second"]) & ~both.isna().all(axis=1)


def _tables(first: Run, second: Run) -> pd.DataFrame:
    found = {
        name: difference(_read(first, table), _read(second, table))
        for name, table in CATALOGUE.items()
        if first.has(table) or second.has(table)
    }
    return pd.DataFrame({"difference": found}, dtype=float).rename_axis("table")


def _read(run: Run, table: Table) -> pd.DataFrame | None:
    return run.read(table) if run.has(table) else None
