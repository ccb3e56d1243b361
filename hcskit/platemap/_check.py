"""The one form of a plate map, and whether a table is fit to be one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from hcskit.errors import InputError, PlateMapError, UnitError
from hcskit.plate import parse_well
from hcskit.units import convert, parse_unit

__all__ = ["COLUMNS", "ROLES", "check_plate_map", "raise_faults"]

#: What a well can be for.
ROLES = ("treatment", "negative_control", "positive_control", "empty")
#: The columns of a plate map that hcskit understands; others are carried along.
COLUMNS = ("well", "compound", "concentration", "concentration_unit", "role", "moa", "replicate")
_REQUIRED = ("well", "compound", "concentration", "concentration_unit", "role")
_TEXT = ("compound", "concentration_unit", "role", "moa")
# Names that a plate gives itself (see hcskit.screen). Row and column follow from the well, and many maps repeat them.
_OWN = (
    *("plate", "field", "time", "channel", "z", "y", "x", "image", "present", "excluded", "flatfield"),
    *("exposure", "excitation", "emission", "position_x", "position_y", "elapsed", "acquired"),
)
_REPEATED = ("row", "column")


def check_plate_map(table: pd.DataFrame, source: str = "the plate map") -> pd.DataFrame:
    """Check a plate map and bring it to its one form.

    A compound is brought to one unit, that of most of its wells. All faults are collected and reported together, each
    with its well.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a well; the columns of `COLUMNS`, as text or as numbers.
    source : str
        What to call the table in an error.

    Returns
    -------
    pandas.DataFrame
        Index ``well`` (``A01``), sorted by row and column; the columns of `COLUMNS` first. ``compound``,
        ``concentration_unit``, ``role`` and ``moa`` are text, empty where there is none; ``concentration`` is float,
        NaN where there is none. A slash in the name of another column is an underscore.

    Raises
    ------
    PlateMapError
        If a column is missing or its name is not free, a well is unknown or listed twice, a role or a unit is unknown,
        a concentration is missing, negative or not a number, or one compound is given in units that do not convert.
    """
    # Labels of a plate are paths in a screen, so a slash in one would be a step down.
    table = table.rename(columns=lambda name: str(name).strip().replace("/", "_"))
    _check_columns(list(table.columns), source)
    if table.empty:
        raise PlateMapError(f"{source}: no wells; expected one row for each well")
    table = table.drop(columns=[name for name in _REPEATED if name in table.columns])
    faults: list[str] = []
    table = table.assign(moa=table["moa"] if "moa" in table.columns else "")
    for name in _TEXT:
        table[name] = _text(table[name])
    table["concentration"] = _numbers(table, faults)
    table["concentration_unit"] = [
        _unit(well, unit, faults) for well, unit in zip(table["well"], table["concentration_unit"], strict=True)
    ]
    table["well"] = [_well(name, faults) for name in table["well"].astype(str)]
    table = _one_row_a_well(table, faults)
    table = _one_spelling(table, source)
    table = _one_unit(table, faults)
    _check_treatments(table, faults)
    raise_faults(source, faults)
    known = [name for name in COLUMNS if name in table.columns]
    return table.loc[sorted(table.index, key=parse_well), [*known, *table.columns.difference(known, sort=False)]]


def raise_faults(source: str, faults: Sequence[str]) -> None:
    """Report all faults of a plate map together, if there are any."""
    if faults:
        listed = "".join(f"\n  - {fault}" for fault in faults[:20])
        rest = f"\n  - and {len(faults) - 20} more" if len(faults) > 20 else ""
        raise PlateMapError(f"{source} has {len(faults)} fault(s):{listed}{rest}")


def _check_columns(names: list[str], source: str) -> None:
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        found = ", ".join(names) or "none"
        raise PlateMapError(
            f"{source}: {', '.join(missing)} is missing; expected {', '.join(_REQUIRED)} (moa, replicate and others "
            f"are optional), found {found[:200]}"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    taken = [name for name in names if name in _OWN]
    if twice or taken:
        raise PlateMapError(
            f"{source}: column {', '.join(twice or taken)} {'is there twice' if twice else 'has a name hcskit uses'}; "
            "remove or rename it"
        )


def _text(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), "").astype(str).str.strip()


def _numbers(table: pd.DataFrame, faults: list[str]) -> pd.Series:
    text = _text(table["concentration"])
    numbers = pd.to_numeric(text.where(text != ""), errors="coerce").astype(float)
    for well, value in zip(table["well"], text.where(numbers.isna(), ""), strict=True):
        if value:
            faults.append(f"well {well}: concentration {value!r} is not a number")
    for well, number in zip(table["well"], numbers, strict=True):
        if number < 0 or np.isinf(number):
            faults.append(f"well {well}: concentration {number:g} is not a finite, positive number or zero")
    return numbers


def _unit(well: str, unit: str, faults: list[str]) -> str:
    try:
        return parse_unit(unit).name if unit else ""
    except InputError as error:
        faults.append(f"well {well}: {error}")
        return unit


def _well(name: str, faults: list[str]) -> str:
    try:
        return parse_well(name).name
    except InputError as error:
        faults.append(str(error))
        return ""


def _one_row_a_well(table: pd.DataFrame, faults: list[str]) -> pd.DataFrame:
    table = table[table["well"] != ""]
    twice = table["well"][table["well"].duplicated()]
    faults.extend(f"well {well} is listed more than once" for well in sorted(set(twice)))
    return table.drop_duplicates("well").set_index("well")


def _one_spelling(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Take compounds for one whose names differ in case and blanks only, and warn."""
    spelled: dict[str, str] = {}
    for name in table["compound"]:
        spelled.setdefault(" ".join(name.split()).casefold(), name)
    names = table["compound"].map(lambda name: spelled[" ".join(name.split()).casefold()])
    other = sorted({f"{old!r} is {new!r}" for old, new in zip(table["compound"], names, strict=True) if old != new})
    if other:
        listed = f"{', '.join(other[:6])}{' …' if len(other) > 6 else ''}"
        warnings.warn(f"{source}: compounds that differ in case or blanks are taken for one: {listed}", stacklevel=4)
    return table.assign(compound=names)


def _one_unit(table: pd.DataFrame, faults: list[str]) -> pd.DataFrame:
    """Bring the concentrations of each compound to one unit, that of its most wells."""
    dosed = table[(table["compound"] != "") & (table["concentration_unit"] != "")]
    for compound, rows in dosed.groupby("compound"):
        units = rows["concentration_unit"]
        usual, *others = units.value_counts().index
        if not others:
            continue
        try:
            converted = [
                float(f"{convert(value, unit, usual):.12g}")
                for value, unit in zip(rows["concentration"], units, strict=True)
            ]
        except UnitError:
            listed = ", ".join(sorted(set(units)))
            faults.append(f"compound {compound} is given in several units ({listed}) that do not convert; use one")
        else:
            table.loc[rows.index, "concentration"] = converted
            table.loc[rows.index, "concentration_unit"] = usual
    return table


def _check_treatments(table: pd.DataFrame, faults: list[str]) -> None:
    for well, role, compound, concentration, unit in table[
        ["role", "compound", "concentration", "concentration_unit"]
    ].itertuples():
        if role not in ROLES:
            faults.append(f"well {well}: role {role!r} is not one of {', '.join(ROLES)}")
        if role == "treatment" and not compound:
            faults.append(f"well {well}: a treatment needs a compound")
        if role == "treatment" and np.isnan(concentration):
            faults.append(f"well {well}: a treatment needs a concentration (zero and missing are different)")
        if not np.isnan(concentration) and not unit:
            faults.append(f"well {well}: concentration {concentration:g} has no concentration_unit")
