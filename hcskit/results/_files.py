"""Result tables in files, beside the plates: Parquet for programs, and CSV for people and spreadsheets.

Parquet is exact, and is what hcskit reads. In CSV a text that a spreadsheet would run has an apostrophe in front; see
`hcskit.spreadsheet`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hcskit.errors import InputError, StoreError
from hcskit.files import make_folder, replacing, replacing_all
from hcskit.inputs import open_file
from hcskit.results._catalogue import CATALOGUE
from hcskit.results._table import Table
from hcskit.spreadsheet import to_csv

__all__ = [
    "find_table",
    "found_tables",
    "has_table",
    "made_from",
    "read_table",
    "remove_table",
    "write_csv",
    "write_table",
    "write_tables",
]

#: Key of the Parquet metadata that says which table a file holds, and in which version.
_KEY = b"hcskit"
_ANOTHER = "the step of another package"


def has_table(folder: str | Path, table: Table) -> bool:
    """Whether a screen or a run holds a table."""
    return table.there(folder)


def found_tables(folder: str | Path) -> dict[str, Table]:
    """Return the tables that a screen or a run holds, by name; those of the catalogue first.

    A table that the catalogue does not have, such as one of a step of another package, may hold anything.
    """
    files = sorted(Path(folder, "results").glob("[!.]*.parquet"))  # one that is being written is hidden
    others = [path.stem for path in files if path.stem not in CATALOGUE]
    known = {name: table for name, table in CATALOGUE.items() if table.there(folder)}
    return known | {name: Table(name, "not in the catalogue", _ANOTHER) for name in others}


def find_table(name: str) -> Table:
    """Return the declaration of a table.

    Raises
    ------
    InputError
        If there is no table of that name.
    """
    if name not in CATALOGUE:
        raise InputError(f"there is no result table {name!r}; known: {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def write_table(
    folder: str | Path, table: Table, frame: pd.DataFrame, made_from: Mapping[str, str] | None = None
) -> Path:
    """Write a table into the results of a screen or a run, as Parquet and CSV, whole or not at all.

    Parameters
    ----------
    folder : path-like
        Folder of the screen or run.
    table : Table
        What the table is: one of the catalogue, or a step's own.
    frame : pandas.DataFrame
        Its content.
    made_from : mapping of str to str, optional
        Of plates by name: a digest of all that their rows were made from; see `made_from`.

    Returns
    -------
    pathlib.Path
        The Parquet file; its metadata hold the name and the version of the table.

    Raises
    ------
    InputError
        If the frame is not what the table declares.
    StoreError
        If it cannot be written; the table that was there stays.
    """
    return write_tables(folder, {table: frame}, made_from)[0]


def write_tables(
    folder: str | Path, frames: Mapping[Table, pd.DataFrame], made_from: Mapping[str, str] | None = None
) -> list[Path]:
    """Write tables that belong together: none is replaced before all are written; see `write_table`."""
    for table, frame in frames.items():
        table.check(frame)
    paths = [Path(folder) / table.where for table in frames]
    for path in paths:
        make_folder(path.parent)
    with replacing_all(*paths, *(path.with_suffix(".csv") for path in paths)) as partials:
        for (table, frame), parquet, csv in zip(
            frames.items(), partials[: len(paths)], partials[len(paths) :], strict=True
        ):
            pq.write_table(_marked(frame, table, made_from), parquet)
            to_csv(frame, csv, index=bool(table.index))
    return paths


def _marked(frame: pd.DataFrame, table: Table, made_from: Mapping[str, str] | None) -> pa.Table:
    """Return the content of a Parquet file, whose metadata say which table it holds."""
    content = pa.Table.from_pandas(frame)
    known = {"made_from": dict(made_from)} if made_from else {}
    own = json.dumps({"table": table.name, "version": table.version} | known).encode()
    return content.replace_schema_metadata({**content.schema.metadata, _KEY: own})


def made_from(folder: str | Path, table: Table) -> dict[str, str]:
    """Return what the rows of each plate were made from, as `write_table` was told; empty where it is not known."""
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
        own = json.loads(pq.read_schema(Path(folder) / table.where).metadata[_KEY])
        if own["version"] == table.version:
            return dict(own.get("made_from", {}))
    return {}


def remove_table(folder: str | Path, table: Table) -> None:
    """Remove a table from the results of a screen or a run, if it is there.

    Raises
    ------
    OSError
        If it cannot be removed.
    """
    path = Path(folder) / table.where
    for file in (path, path.with_suffix(".csv")):
        file.unlink(missing_ok=True)


def read_table(folder: str | Path, table: Table) -> pd.DataFrame:
    """Read a table from the results of a screen or a run.

    Raises
    ------
    NotAScreenError
        If the step or command that writes it has not run; the message names it.
    StoreError
        If the file is damaged, is of another version, or does not hold what the table declares.
    """
    path = Path(folder) / table.where
    if not path.exists():
        raise table.missing(folder)
    try:
        with open_file(path) as file:
            content = pq.read_table(file)
        # Files from before there were versions hold the first of each table.
        own = json.loads((content.schema.metadata or {}).get(_KEY, b'{"version": 1}'))
        version = own["version"]
        frame: pd.DataFrame = content.to_pandas()
    except Exception as error:  # pyarrow and pandas raise errors of any kind for a damaged file
        raise StoreError(f"{path} cannot be read: {error}; run {table.writer} again") from error
    if not table.columns:
        return frame  # of another package, whose declaration is not known here
    if version != table.version:
        raise StoreError(
            f"{path} is version {version} of the table {table.name}, expected {table.version}: another hcskit "
            f"wrote it; run {table.writer} again"
        )
    try:
        table.check(frame)
    except InputError as error:
        raise StoreError(f"{path} does not hold what it should: {error}; run {table.writer} again") from error
    return frame


def write_csv(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a table as a CSV file of its own, whole or not at all, without its index.

    Raises
    ------
    StoreError
        If it cannot be written; the file that was there stays.
    """
    with replacing(path) as partial:
        to_csv(frame, partial, index=False)
