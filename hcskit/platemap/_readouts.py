"""Tables of readouts from other programs: which column is what, with a word on each guess."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from hcskit.errors import InputError
from hcskit.plate import row_name
from hcskit.platemap._doses import spell_doses
from hcskit.platemap._names import key, name_columns, roles_of_projects, similar, spell_roles

__all__ = ["recognise_readouts"]

_TREATMENT = ("plate", "well", "role", "compound", "concentration", "concentration_unit")
_LONG = ("readout", "value")
# Words for a compound that a plate map may use for something else, so that they count only where nothing else does.
_MAYBE_COMPOUND = ("treatment", "agent", "molecule", "chemical", "inhibitor", "perturbation", "product", "sample")
_SOLVENT = re.compile(
    r"dmso|vehicle|untreated|untreatedcontrol|negativecontrol|negcon(trol)?|neg|mock|medium|media|water"
)
# Numbers that describe a well or a file and are not read from its cells.
_NO_READOUT = re.compile(
    r"row|column|col|replicate\w*|rep|batch|passage|time\w*|day|hours?|date|site|field\w*|index|unnamed.*|"
    r"\w*number|\w*_?id|metadata_.*|n_\w+|network_\d+|probability|\w+_(sd|std|sem|low|high)|sd|std",
    re.IGNORECASE,
)


def recognise_readouts(
    table: pd.DataFrame, source: str, *, unit: str | None = None, readouts: Sequence[str] = ()
) -> tuple[pd.DataFrame, list[str]]:
    """Bring a table of wells from another program to the columns that `hcskit.response.fit_responses` takes.

    A table that has them is returned as it is. Else columns are told by their usual names in any spelling (``Dose``,
    ``conc. [µM]``, ``Drug``, ``Metadata_Well``, ``Barcode`` …); columns of numbers that mean nothing else are readouts.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a well, or a well and readout; several rows of a well are averaged.
    source : str
        What to call the table in an error.
    unit : str, optional
        Unit of the concentrations, where the table does not tell.
    readouts : sequence of str
        Columns that are readouts; by default all that may be.

    Returns
    -------
    points : pandas.DataFrame
    said : list of str
        What was taken for what, in words.

    Raises
    ------
    InputError
        If there is no concentration or no compound, no unit of the concentrations, or nothing that may be a readout.
    """
    if {*_TREATMENT, *_LONG} <= set(table.columns):
        return table, []
    said: list[str] = []
    table, written = _named(table.rename(columns=str), source, said)
    _need(table, source)
    table = _with_places(table, said)
    table = _with_doses(table, written or unit or "", source)
    table = _with_roles(table, said)
    return _long(table, readouts, source, said), said


def _named(table: pd.DataFrame, source: str, said: list[str]) -> tuple[pd.DataFrame, str]:
    given = [str(name) for name in table]
    bare = {name: name.removeprefix("Metadata_") for name in given if name.removeprefix("Metadata_") not in given}
    table, unit = name_columns(table.rename(columns=bare), source)
    if "compound" not in table:
        others = [str(name) for name in table if key(str(name)) in _MAYBE_COMPOUND]
        table = table.rename(columns=dict.fromkeys(others[:1], "compound"))
    long = {name: key(name) for name in map(str, table) if key(name) in _LONG and name not in _LONG}
    table = table.rename(columns=long)
    renamed = [f"{old!r} as {new}" for old, new in zip(given, table.columns, strict=True) if old != new]
    if renamed:
        said.append(f"took {', '.join(renamed)}" + (f", in {unit}" if unit else ""))
    return table, unit


def _need(table: pd.DataFrame, source: str) -> None:
    missing = [name for name in ("compound", "concentration") if name not in table]
    if missing:
        near = {name: similar(name, [*map(str, table)], _MAYBE_COMPOUND * (name == "compound")) for name in missing}
        hints = [f"Did you mean {own!r} as the {name}?" for name, own in near.items() if own]
        raise InputError(
            f"{source} has no column that is surely the {' or the '.join(missing)}; "
            f"it has {', '.join(map(str, table))}. "
            + (" ".join(hints) or "Rename the one that is: compound, concentration (uM) …")
        )


def _with_places(table: pd.DataFrame, said: list[str]) -> pd.DataFrame:
    if "well" not in table and {"row", "column"} <= set(table.columns):
        rows = [row_name(int(own) - 1) if str(own).isdecimal() else str(own) for own in table["row"]]
        table = table.assign(well=[f"{row}{int(own):02d}" for row, own in zip(rows, table["column"], strict=True)])
        said.append("wells named by 'row' and 'column'")
    if "well" not in table:
        table = table.assign(well=[f"row {number}" for number in range(1, len(table) + 1)])
        said.append("there is no column of wells: each row is one")
    if "plate" not in table:
        table = table.assign(plate="plate")
        said.append("there is no column of plates: all wells are on one")
    return table


def _with_doses(table: pd.DataFrame, unit: str, source: str) -> pd.DataFrame:
    text = table.assign(**{name: table[name].map(_text) for name in ("well", "concentration")})
    if "concentration_unit" in text:
        text["concentration_unit"] = text["concentration_unit"].map(_text)
    table = spell_doses(text, unit, source, decimal_comma=False)
    if "concentration_unit" not in table:
        raise InputError(
            f"{source} does not tell the unit of its concentrations; call the column concentration (uM), "
            "add a column concentration_unit, or say --unit uM"
        )
    return table.assign(compound=table["compound"].map(_text))


def _text(cell: object) -> str:
    return "" if cell is None or cell != cell else str(cell).strip()


def _with_roles(table: pd.DataFrame, said: list[str]) -> pd.DataFrame:
    table = roles_of_projects(table)
    if "role" in table:
        return table.assign(role=spell_roles(table["role"].map(_text)))
    untreated = pd.to_numeric(table["concentration"], errors="coerce").fillna(0) == 0
    solvent = table["compound"].map(lambda name: not name or _SOLVENT.fullmatch(key(name)) is not None)
    positive = table["compound"].map(lambda name: spell_roles(pd.Series([name])).iloc[0] == "positive_control")
    role = (untreated | solvent).map({True: "negative_control", False: "treatment"})
    role = role.mask(positive, "positive_control")
    counts = role.value_counts()
    listed = ", ".join(f"{count} {str(name).replace('_', ' ')}" for name, count in counts.items())
    said.append(
        "there is no column of roles: wells of a solvent, without a compound or at concentration 0 are negative "
        f"controls ({listed} rows)"
    )
    return table.assign(role=role)


def _long(table: pd.DataFrame, readouts: Sequence[str], source: str, said: list[str]) -> pd.DataFrame:
    """Return one row a well and readout."""
    unknown = [name for name in readouts if name not in table]
    if unknown:
        raise InputError(f"{source} has no column {unknown[0]!r} to be a readout; it has {', '.join(map(str, table))}")
    if "value" in table and not readouts:
        return table if "readout" in table else table.assign(readout="value")
    names = [str(name) for name in table]
    numbers = [name for name in names if name not in _TREATMENT and pd.api.types.is_numeric_dtype(table[name])]
    found = list(readouts) or [name for name in numbers if not _NO_READOUT.fullmatch(name)]
    if not found:
        raise InputError(
            f"{source} has no column of numbers that may be a readout; call it value, or name it with --readout"
        )
    said.append(f"readouts: {', '.join(found)}")
    others = [name for name in names if name not in found]
    carried = [
        name for name in others if name in _TREATMENT or not _NO_READOUT.fullmatch(name) or name in ("time", "day")
    ]
    where = ["plate", "well"]
    if table.duplicated(where).any():
        same = table.groupby(where, sort=False)
        said.append(f"{same.size().max()} rows of a well are averaged")
        fixed = [name for name in carried if same[name].nunique(dropna=False).max() == 1]
        table = same[[name for name in fixed if name not in where]].first().join(same[found].mean()).reset_index()
        carried = fixed
    return table.melt(id_vars=carried, value_vars=found, var_name="readout", value_name="value")
