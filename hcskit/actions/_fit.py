"""The response step: a concentration-response curve for each compound and readout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from hcskit.actions._mask import masked_readouts
from hcskit.assay import normalise
from hcskit.errors import InputError, what_is_wrong
from hcskit.platemap import recognise_readouts
from hcskit.response import LEAST_EFFECT, ResponseTables, fit_responses
from hcskit.results import CURVES, HITS, POINTS, RESPONSES, write_tables
from hcskit.spreadsheet import as_read

__all__ = ["fit_wells"]

#: Columns that are text, even where all of their values look like numbers.
_TEXT = dict.fromkeys(("plate", "well", "role", "compound", "concentration_unit", "readout"), str)


def fit_wells(
    data: str | Path,
    out: str | Path | None = None,
    *,
    by: Sequence[str] = (),
    readouts: Sequence[str] = (),
    unit: str | None = None,
    method: str | None = None,
    level: float = 0.95,
    least_effect: float = LEAST_EFFECT,
    false_positive_rate: float = 0.05,
    say: Callable[[str], object] = tqdm.write,
) -> ResponseTables:
    """Fit the concentration-response of each compound and readout of a screen, or of a table of wells.

    Parameters
    ----------
    data : path-like
        Folder of a screen or a run that has predictions; its masked wells are left out. Or a CSV or Parquet file with
        one row a well, or a well and readout, from hcskit or from another program: see `recognise_readouts`.
    out : path-like, optional
        Folder to write the tables ``responses``, ``points``, ``curves`` and ``hits`` into. By default the screen
        itself; of a file, nothing is written.
    by : sequence of str
        Columns that tell experiments apart, such as the cell line.
    readouts : sequence of str
        Columns of a file that are readouts; by default all columns of numbers that mean nothing else.
    unit : str, optional
        Unit of the concentrations of a file that does not tell it.
    method : str, optional
        How plates are normalised before they are fitted, one of `hcskit.assay.METHODS`; not at all by default.
    level : float
        Confidence level of the intervals.
    least_effect : float
        Share of the positive controls' effect that a compound has to exceed, or it is called inactive.
    false_positive_rate : float
        Share of compounds without effect that are called hits: see `hcskit.response.score_hits`.
    say : callable
        Receives what columns of a file were taken for, and the paths of written files.

    Returns
    -------
    hcskit.response.ResponseTables
        The fits, and which compounds are hits.

    Raises
    ------
    NotAScreenError
        If the folder has no predictions.
    InputError
        If the file cannot be read, a well is at fault, or the level, the least effect or the rate is out of range.
    StoreError
        If a table is damaged or cannot be written.
    """
    source = Path(data)
    if source.is_file():
        wells, said = recognise_readouts(_read(source), str(source), unit=unit, readouts=readouts)
        for line in said:
            say(line)
        wells = wells.fillna({"compound": "", "concentration_unit": ""})  # of controls, as in a plate map
    else:
        wells, out = masked_readouts(source), out or source
    wells = wells if method is None else normalise(wells, method)
    fits = fit_responses(wells, by=by, level=level, least_effect=least_effect, false_positive_rate=false_positive_rate)
    fits = replace(fits, responses=fits.responses.assign(normalisation=method or ""))
    if out is not None:
        found = {RESPONSES: fits.responses, CURVES: fits.curves, POINTS: fits.points, HITS: fits.hits}
        for path in write_tables(out, found):
            say(f"wrote {path}")
    return fits


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (OSError, ValueError) as error:  # pandas' own errors, pyarrow's, and those of the encoding
        raise InputError(
            f"{path} cannot be read as a table of wells: {what_is_wrong(error)}; expected CSV or Parquet"
        ) from error
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=_TEXT)
    escaped = {name: table[name].map(as_read, na_action="ignore") for name in _TEXT if name in table}
    return table.assign(**escaped)
