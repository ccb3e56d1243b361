"""The table of wells that is to be fitted: checked, cleaned, in one unit for each compound."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from hcskit.errors import InputError, UnitError
from hcskit.platemap import ROLES
from hcskit.units import convert, parse_unit

__all__ = ["MINIMUM_CONCENTRATIONS", "NETWORK", "REQUIRED", "checked", "compound_units", "in_one_unit", "titrated"]

#: Columns of what each network of an ensemble reads, numbered from 1.
NETWORK = "network_{}"
#: Columns that a table of points has.
REQUIRED = ("plate", "well", "role", "compound", "concentration", "concentration_unit", "readout", "value")
_MISSING = {"", "na", "n/a", "nan", "none", "null"}
# Carried columns that do not tell experiments apart: they describe a well, a copy of the experiment or a file.
_NO_EXPERIMENT = re.compile(
    r"network_\d+|probability|row|column|fields?|replicate|batch|barcode|date|source|file|path|n_\w+|\w+_(sd|std|low|high)|sd|std",
    re.IGNORECASE,
)
#: A curve of four parameters is not fitted to fewer distinct concentrations above zero.
MINIMUM_CONCENTRATIONS = 4


def checked(points: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the table with numbers for numbers, or say which well is at fault.

    Raises
    ------
    InputError
        If a column is missing, a value is no number, or a well contradicts itself.
    """
    missing = [name for name in (*REQUIRED, *by) if name not in points.columns]
    if missing:
        raise InputError(
            f"the table of points lacks {', '.join(missing)}; expected columns {', '.join((*REQUIRED, *by))}"
        )
    untreated = points["role"] == "negative_control"
    compound = points["compound"].astype(object).fillna("").astype(str).str.strip()
    table = points.assign(compound=compound.where(~untreated, ""))
    table["value"] = _numbers(points, "value")
    table["concentration"] = _numbers(points, "concentration").where(~untreated, 0.0)
    _check_wells(table)
    if not (table["role"] == "treatment").any():
        raise InputError("no well has the role treatment; there is nothing to fit")
    _check_carried(table, by)
    _warn_of_spellings(table)
    return table


def _numbers(points: pd.DataFrame, name: str) -> pd.Series[float]:
    """Return a column as numbers; what stands for a missing value is NaN."""
    given = points[name]
    if pd.api.types.is_numeric_dtype(given):
        return given.astype(float)
    text = given.astype(object).where(given.notna(), "").astype(str).str.strip()
    known = text.where(~text.str.lower().isin(_MISSING), "nan")
    numbers = pd.to_numeric(known, errors="coerce")
    wrong = numbers.isna() & (known != "nan")
    if wrong.any():
        place = _place(points[wrong].iloc[0])
        raise InputError(
            f"{place}: {name} {text[wrong].iloc[0]!r} is not a number ({int(wrong.sum())} such row(s)); "
            "give a number, or leave the cell empty"
        )
    return numbers.astype(float)


def _place(row: pd.Series[Any]) -> str:
    return f"plate {row['plate']}, well {row['well']}, readout {row['readout']}"


def _check_wells(table: pd.DataFrame) -> None:
    treated, concentration = table["role"] == "treatment", table["concentration"]
    strange = table.loc[~table["role"].isin(ROLES), "role"]
    hint = ""
    if len(strange):
        meant = difflib.get_close_matches(str(strange.iloc[0]).strip().lower().replace(" ", "_"), ROLES, n=1)
        hint = f" but {strange.iloc[0]!r}" + (f"; did you mean {meant[0]!r}?" if meant else "")
    faults = {
        "plate, well or readout is missing": table[["plate", "well", "readout"]].isna().any(axis=1),
        f"role is not one of {', '.join(ROLES)}{hint}": ~table["role"].isin(ROLES),
        "the well is listed twice for a readout": table.duplicated(["plate", "well", "readout"]),
        "a treatment needs a compound": treated & (table["compound"] == ""),
        "a treatment needs a concentration, finite and zero or above": treated
        & ~(np.isfinite(concentration) & (concentration >= 0)),
        "the value is infinite; expected a number or NaN": np.isinf(table["value"]),
    }
    for fault, where in faults.items():
        if where.any():
            raise InputError(f"{_place(table[where].iloc[0])}: {fault} ({int(where.sum())} such row(s))")


def _check_carried(table: pd.DataFrame, by: Sequence[str]) -> None:
    """Refuse to pool what a carried column says is different, such as two cell lines or times.

    A column splits a compound if it differs between the compound's plates, or if each of its values has a whole
    series of concentrations.
    """
    treated = table[table["role"] == "treatment"]
    for name in table.columns:
        if name in (*REQUIRED, *by) or _NO_EXPERIMENT.fullmatch(str(name)):
            continue
        counts = treated.groupby("compound", observed=True)[name].nunique()
        for compound in counts.index[counts > 1]:
            own = treated[treated["compound"] == compound]
            by_plate = own.groupby("plate", observed=True)[name].nunique()
            series = own.groupby(name, observed=True)["concentration"].nunique()
            text = not pd.api.types.is_numeric_dtype(own[name])
            if (text and (by_plate <= 1).all()) or (series >= MINIMUM_CONCENTRATIONS).all():
                found = ", ".join(sorted(map(str, series.index))[:5])
                raise InputError(
                    f"compound {compound} has {len(series)} values in column {name} ({found}); "
                    f"fit them apart with by=[{str(name)!r}], or drop the column to pool them"
                )


def _warn_of_spellings(table: pd.DataFrame) -> None:
    names = pd.Series(table.loc[table["role"] == "treatment", "compound"].unique())
    for _, same in names.groupby(names.str.casefold().str.replace(r"[\s_-]+", "", regex=True)):
        if len(same) > 1:
            spelled = ", ".join(repr(name) for name in sorted(same))
            warnings.warn(f"{spelled} may be one compound; they are fitted apart", stacklevel=4)


def titrated(table: pd.DataFrame) -> pd.Series[bool]:
    """Return which wells of positive controls belong to a curve.

    Those of a compound that has a whole series of concentrations as a control; and those of a compound that is tested
    as a treatment, at concentrations that it is not tested at: the highest doses of its series, say, which the other
    compounds are compared with.
    """
    own = table[(table["role"] == "positive_control") & (table["concentration"] > 0) & (table["compound"] != "")]
    counts = own.groupby("compound", observed=True)["concentration"].nunique()
    treated = table[table["role"] == "treatment"]
    tested = pd.MultiIndex.from_frame(treated[["compound", "concentration"]].astype({"compound": str}))
    doses = pd.MultiIndex.from_frame(own[["compound", "concentration"]].astype({"compound": str}))
    further = own["compound"].astype(str).isin(tested.get_level_values(0)) & ~doses.isin(tested)
    chosen = own["compound"].isin(counts.index[counts >= MINIMUM_CONCENTRATIONS]) | further
    return pd.Series(table.index.isin(own.index[chosen]), index=table.index)


def compound_units(table: pd.DataFrame) -> dict[str, str]:
    """Return the unit of each compound: the most common one where several of one dimension are given.

    Raises
    ------
    UnitError
        If a unit is unknown, or a compound's units measure different quantities.
    """
    units = {}
    treated = table[(table["role"] == "treatment") | titrated(table)]
    for compound, own in treated.groupby("compound", observed=True)["concentration_unit"]:
        spellings = own.astype(str)
        names = spellings.map({unit: parse_unit(unit).name for unit in spellings.unique()})
        common = str(names.value_counts(sort=True).sort_index(kind="stable").idxmax())
        for other in names.unique():
            try:
                convert(1.0, str(other), common)
            except UnitError as error:
                spelled = ", ".join(sorted(names.unique()))
                raise UnitError(
                    f"compound {compound} is given in several units ({spelled}) that cannot be compared: {error}"
                ) from error
        units[str(compound)] = common
    return units


def in_one_unit(table: pd.DataFrame, units: dict[str, str]) -> pd.DataFrame:
    """Return the table with every treatment's concentration in its compound's unit."""
    target = table["compound"].map(units)
    given = table["concentration_unit"].astype(object)
    treated = (table["role"] == "treatment") | titrated(table)
    factors = pd.Series(1.0, index=table.index)
    pairs = pd.DataFrame({"given": given[treated].astype(str), "target": target[treated]})
    for unit, wanted in pairs.drop_duplicates().itertuples(index=False):
        factors[treated & (given.astype(str) == unit) & (target == wanted)] = convert(1.0, str(unit), str(wanted))
    converted = table.loc[factors != 1.0, "compound"].unique()
    concentration = table["concentration"] * factors
    # A change of unit adds rounding: without it equal concentrations are equal again.
    rounded = treated & table["compound"].isin(converted)
    concentration[rounded] = [float(f"{value:.10g}") for value in concentration[rounded]]
    return table.assign(concentration=concentration, concentration_unit=target.fillna(given))
