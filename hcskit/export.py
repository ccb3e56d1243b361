"""The results of a screen for other programs: CSV tables, and AnnData.

AnnData (Virshup et al., J. Open Source Softw. 9:4371, 2024, https://doi.org/10.21105/joss.04371) is what scanpy and its
kin read: one row an observation, here a well.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from hcskit.errors import InputError
from hcskit.files import make_folder, replacing_all
from hcskit.platemap import COLUMNS
from hcskit.results import PREDICTIONS, PROFILES, WELLS, Table, found_tables, read_table
from hcskit.spreadsheet import to_csv
from hcskit.store import open_plate, plate_folders

__all__ = ["export_screen"]

_WELL = ["plate", "well"]
#: Results that can be the matrix of an AnnData, in order of preference.
_MAIN = (PROFILES.name, PREDICTIONS.name)
# Columns and index levels that identify a value, in the order they are written.
_LABELS = (*_WELL, "field", "time", "channel", "z", "phenotype", "feature", "compound", "readout")
_Writers: TypeAlias = dict[Path, Callable[[Path], object]]


def export_screen(screen: str | Path, out: str | Path, format: str = "csv") -> list[Path]:
    """Write the wells of a screen, with their treatments, and all its results.

    Files of the same names are replaced once all are written; other files are kept.

    Parameters
    ----------
    screen : path-like
        Folder of a screen or a run.
    out : path-like
        Folder to write to.
    format : {"csv", "anndata"}
        - ``"csv"``: ``wells.csv``, and one file for each result; one that has wells has their treatments too. A text
          that a spreadsheet would run as a formula has an apostrophe in front; see `hcskit.spreadsheet`.
        - ``"anndata"``: ``<screen>.h5ad``. ``obs`` are the wells (``<plate>:<well>``) with their treatments; ``X`` and
          ``var`` are the features of the profiles or, where there are none, the probabilities of the phenotypes; other
          results with one value or row of values a well are in ``obsm``, the rest (such as the responses) in ``uns``.

    Returns
    -------
    list of pathlib.Path
        What was written.

    Raises
    ------
    InputError
        If the format is unknown, `out` is where the screen keeps its own tables, or a result has wells that the screen
        has not.
    NotAScreenError
        If there is no plate.
    StoreError
        If a result cannot be read, or the files cannot be written; those that were there stay.
    """
    screen, out = Path(screen), Path(out)
    plan = {"csv": _csv_files, "anndata": _anndata_file}.get(format)
    if plan is None:
        raise InputError(f"{format!r} is no format of export; expected csv or anndata")
    if out.resolve() == (screen / PROFILES.where).parent.resolve():
        raise InputError(f"{out} is where the screen keeps its own tables; export to another folder")
    wells = _wells(screen)
    tables = {name: _labelled(table, screen, wells) for name, table in found_tables(screen).items()}
    files = plan(wells, tables, out, screen.resolve().name)
    make_folder(out)
    with replacing_all(*files) as partials:
        for write, partial_file in zip(files.values(), partials, strict=True):
            write(partial_file)
    return list(files)


def _wells(screen: Path) -> pd.DataFrame:
    """Return one row a well: ``plate, well, row, column`` and what the plate maps have."""
    plates = []
    for plate in map(open_plate, plate_folders(screen)):
        coordinates = [str(name) for name in plate.coords if plate[name].dims == ("well",)]
        wells = plate.coords.to_dataset()[coordinates].to_dataframe().reset_index()
        plates.append(wells.assign(plate=plate.attrs["plate"]))
    table = pd.concat(plates, ignore_index=True)
    first = [name for name in (*_WELL, "row", "column", *COLUMNS[1:]) if name in table]
    table = table[[*first, *table.columns.difference(first, sort=False)]]
    WELLS.check(table)
    return _plain(table)


def _labelled(declared: Table, screen: Path, wells: pd.DataFrame) -> pd.DataFrame:
    """Read a result with its labels as columns, the first ones; check that the screen has its wells."""
    table = read_table(screen, declared)
    table = _plain(table if table.index.names == [None] else table.reset_index())
    labels = [label for label in _LABELS if label in table]
    if _has_wells(table):
        strange = pd.MultiIndex.from_frame(table[_WELL]).difference(pd.MultiIndex.from_frame(wells[_WELL]))
        if len(strange):
            raise InputError(
                f"{screen / declared.where} has {len(strange)} well(s) that the screen has not, such as plate "
                f"{strange[0][0]}, well {strange[0][1]}; run {declared.writer} again"
            )
    return table[[*labels, *table.columns.difference(labels, sort=False)]]


def _has_wells(table: pd.DataFrame) -> bool:
    return set(_WELL) <= set(table.columns)


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return numbers and booleans unchanged, and everything else as text, empty for missing values."""
    plain = table.rename(columns=str)
    for name, column in plain.items():
        if not (pd.api.types.is_numeric_dtype(column) and isinstance(column.dtype, np.dtype)):
            plain[name] = column.astype(object).where(column.notna(), "").astype(str)
    return plain


def _csv_files(wells: pd.DataFrame, tables: Mapping[str, pd.DataFrame], out: Path, _: str) -> _Writers:
    joined = {name: _with_treatments(table, wells) for name, table in tables.items()}
    return {
        out / f"{name}.csv": partial(to_csv, table, index=False)
        for name, table in ({WELLS.name: wells} | joined).items()
    }


def _with_treatments(table: pd.DataFrame, wells: pd.DataFrame) -> pd.DataFrame:
    """Insert the plate map's columns that the table lacks after its labels."""
    if not _has_wells(table):
        return table
    lacking = [*_WELL, *wells.columns.difference(table.columns, sort=False)]
    labels = [name for name in table.columns if name in _LABELS]
    values = table.columns.difference(labels, sort=False)
    return table.merge(wells[lacking], on=_WELL, how="left")[[*labels, *lacking[len(_WELL) :], *values]]


def _anndata_file(wells: pd.DataFrame, tables: Mapping[str, pd.DataFrame], out: Path, screen: str) -> _Writers:
    import anndata  # here, as it is slow to import
    import h5py

    names = pd.Index(wells["plate"] + ":" + wells["well"])
    by_well = {name: _by_well(table, wells, names) for name, table in tables.items()}
    found = {name: wide for name, wide in by_well.items() if wide is not None}
    main = next((name for name in _MAIN if name in found), "")
    measured = found.get(main, pd.DataFrame(index=names))
    matrices = _matrices(measured.select_dtypes(exclude=object))
    found[main] = measured.select_dtypes(object)  # text that a profile has besides its numbers
    x = matrices.pop(0)[1]
    data = anndata.AnnData(
        X=x.to_numpy(dtype=float),
        obs=_keyed(wells.set_index(names)).apply(_categories),
        var=pd.DataFrame(index=x.columns.astype(str)),
        layers={name: layer.to_numpy(dtype=float) for name, layer in matrices},
        obsm={name: _keyed(_flat(wide)) for name, wide in found.items() if wide.size},
        uns={name: _keyed(tables[name]) for name, wide in by_well.items() if wide is None},
    )
    # HDF5 cannot close a file on a full disk, so it writes to memory: a screen's tables are small.
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        anndata.io.write_elem(file, "/", data, dataset_kwargs={"compression": "gzip"})
    return {out / f"{screen}.h5ad": lambda path: path.write_bytes(memory.getbuffer())}


def _by_well(table: pd.DataFrame, wells: pd.DataFrame, names: pd.Index) -> pd.DataFrame | None:
    """Return the table with one row a well, without its treatments; columns (value, label), where it has labels.

    None if it is not of wells, or has more than one label besides.
    """
    if not _has_wells(table):
        return None
    own = table[[*_WELL, *table.columns.difference(wells.columns, sort=False)]]
    labels = [name for name in own.columns if name in _LABELS and name not in _WELL]
    if len(labels) > 1 or own.duplicated([*_WELL, *labels]).any():
        return None
    if labels:
        values = own.columns.difference([*_WELL, *labels], sort=False)
        order = pd.MultiIndex.from_product([values, own[labels[0]].unique()])
        wide = own.pivot(index=_WELL, columns=labels[0]).reindex(columns=order)  # noqa: PD010 - nothing to average
    else:
        wide = own.set_index(_WELL)
    return _plain(wide.reindex(pd.MultiIndex.from_frame(wells[_WELL])).set_axis(names))


def _matrices(wide: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the numbers of a table by well as matrices of one shape, one for each value that a label has."""
    if wide.columns.nlevels == 1:
        return [("", wide)]
    return [(str(value), wide[value]) for value in wide.columns.get_level_values(0).unique()]


def _flat(wide: pd.DataFrame) -> pd.DataFrame:
    """Name each column by its label and value: ``sick probability``."""
    if wide.columns.nlevels == 1:
        return wide
    values, labels = (wide.columns.get_level_values(level) for level in (0, 1))
    return wide.set_axis([f"{label} {value}" for value, label in zip(values, labels, strict=True)], axis=1)


def _keyed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with column names that HDF5 accepts, and an index of text, which AnnData needs."""
    return table.rename(index=str, columns=lambda name: str(name).replace("/", "_"))


def _categories(column: pd.Series) -> pd.Series:
    return column.astype("category") if column.dtype == object else column
