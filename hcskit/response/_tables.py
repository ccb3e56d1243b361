"""All compounds and readouts of a screen: from a tidy table of wells to tables of fits, points and curves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from hcskit.errors import InputError, UnitError
from hcskit.platemap import ROLES
from hcskit.response._fit import fit_hill
from hcskit.response._hill import Floats
from hcskit.response._result import HillFit
from hcskit.units import parse_unit

__all__ = ["ResponseTables", "fit_responses"]

#: Columns of what each network of an ensemble reads, numbered from 1.
NETWORK = "network_{}"
#: Points of a drawn curve.
CURVE_POINTS = 100
_REQUIRED = ("plate", "well", "role", "compound", "concentration", "concentration_unit", "readout", "value")
_COLUMNS = (
    *("ec50", "ec50_low", "ec50_high", "ec50_spread", "concentration_unit"),
    *("hill_slope", "hill_slope_low", "hill_slope_high"),
    *("bottom", "top", "category", "rmse", "r2", "n_wells", "n_concentrations", "tested_low", "tested_high"),
    *("p_value", "n_controls", "n_missing", "note"),
)
_OFFSET_SHARE = 0.2  # of a curve's amplitude: plates whose controls differ by more are worth a note


@dataclass(frozen=True, slots=True)
class ResponseTables:
    """Fits of a screen.

    Attributes
    ----------
    responses : pandas.DataFrame
        Index (compound, readout), columns as in `HillFit` and ``concentration_unit``; one row a fit.
    points : pandas.DataFrame
        The wells that were fitted, as given but for the unit's spelling: treatments, and negative controls with
        concentration 0 and no compound.
    curves : pandas.DataFrame
        Columns ``compound, readout, concentration, concentration_unit, value, low, high``: each fitted curve and its
        95 % band at 100 concentrations over the tested range.
    """

    responses: pd.DataFrame
    points: pd.DataFrame
    curves: pd.DataFrame


@dataclass(frozen=True, slots=True)
class _Controls:
    """Controls of one plate and readout; the positive ones' values by compound."""

    negative: pd.DataFrame
    positive: dict[str, Floats]


def fit_responses(points: pd.DataFrame) -> ResponseTables:
    """Fit every compound and readout.

    A compound is fitted to its treated wells and the negative controls of the plates these are on, as given: values
    are not normalised, so offsets between plates count as noise (and are noted). Positive controls of the same plates
    tell the full scale of a readout.

    Parameters
    ----------
    points : pandas.DataFrame
        One row a well and readout: columns ``plate, well, role, compound, concentration, concentration_unit, readout,
        value``; others are carried along. Rows without a value (NaN) are left out and counted. Columns ``network_1``
        and so on are what each network of an ensemble reads, where the value is their average: see `fit_hill`.

    Returns
    -------
    ResponseTables
        Sorted by compound and readout.

    Raises
    ------
    InputError
        If a column is missing, no well is treated, a well is listed twice for a readout, a role is unknown, a
        treatment lacks a compound or concentration, or a value is infinite.
    UnitError
        If a unit is unknown, or one compound is given in several units.
    """
    table = _checked(points)
    units = _units(table)
    rows, curves = [], []
    for compound, readout, wells, controls in _compounds(table):
        fit, note = _fit(wells, controls)
        unit = units[compound]
        rows.append(_row(fit, note) | {"compound": compound, "readout": readout, "concentration_unit": unit})
        if fit.category != "not fitted":
            curves.append(_curve(fit, compound, readout, unit))
    responses = pd.DataFrame(rows).set_index(["compound", "readout"])[list(_COLUMNS)].sort_index()
    drawn = pd.concat(curves, ignore_index=True) if curves else _curve_table({})
    table["concentration_unit"] = table["compound"].map(units).fillna(table["concentration_unit"])
    used = table[table["role"].isin(["treatment", "negative_control"]) & table["value"].notna()]
    return ResponseTables(responses, used.reset_index(drop=True), drawn)


def _checked(points: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in _REQUIRED if name not in points.columns]
    if missing:
        raise InputError(f"the table of points lacks {', '.join(missing)}; expected columns {', '.join(_REQUIRED)}")
    table = points.assign(
        compound=points["compound"]
        .astype(object)
        .fillna("")
        .astype(str)
        .where(points["role"] != "negative_control", ""),
        concentration=points["concentration"].astype(float).where(points["role"] != "negative_control", 0.0),
        value=points["value"].astype(float),
    )
    treated = table["role"] == "treatment"
    if not treated.any():
        raise InputError("no well has the role treatment; there is nothing to fit")
    concentration = table["concentration"]
    faults = {
        "plate, well or readout is missing": table[["plate", "well", "readout"]].isna().any(axis=1),
        f"role is not one of {', '.join(ROLES)}": ~table["role"].isin(ROLES),
        "the well is listed twice for a readout": table.duplicated(["plate", "well", "readout"]),
        "a treatment needs a compound": treated & (table["compound"] == ""),
        "a treatment needs a concentration, finite and zero or above": treated
        & ~(np.isfinite(concentration) & (concentration >= 0)),
        "the value is infinite; expected a number or NaN": np.isinf(table["value"]),
    }
    for fault, where in faults.items():
        if where.any():
            row = table[where].iloc[0]
            place = f"plate {row['plate']}, well {row['well']}, readout {row['readout']}"
            raise InputError(f"{place}: {fault} ({int(where.sum())} such row(s))")
    return table


def _units(table: pd.DataFrame) -> dict[str, str]:
    units = {}
    for compound, spelled in (
        table[table["role"] == "treatment"].groupby("compound")["concentration_unit"].unique().items()
    ):
        names = sorted({parse_unit(str(unit)).name for unit in spelled})
        if len(names) > 1:
            raise UnitError(f"compound {compound} is given in several units ({', '.join(names)}); convert them to one")
        units[str(compound)] = names[0]
    return units


def _compounds(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame, list[_Controls]]]:
    """Yield compound, readout, its treated wells, and the controls of each plate these are on."""
    for readout, wells in table.groupby("readout", observed=True):
        plates = {plate: _controls(own) for plate, own in wells.groupby("plate", observed=True)}
        for compound, treated in wells[wells["role"] == "treatment"].groupby("compound"):
            used = treated.loc[treated["value"].notna(), "plate"].unique()
            yield str(compound), str(readout), treated, [plates[plate] for plate in used]


def _controls(wells: pd.DataFrame) -> _Controls:
    positive = wells[wells["role"] == "positive_control"]
    return _Controls(
        negative=wells[wells["role"] == "negative_control"],
        positive={str(name): own["value"].to_numpy() for name, own in positive.groupby("compound")},
    )


def _fit(treated: pd.DataFrame, plates: list[_Controls]) -> tuple[HillFit, str]:
    wells = pd.concat([treated, *(plate.negative for plate in plates)])
    networks = [name for name in wells if re.fullmatch(NETWORK.format(r"\d+"), str(name))]
    fit = fit_hill(
        wells["concentration"],
        wells["value"],
        full_scale=_full_scale(plates),
        networks=wells[networks].to_numpy().T if networks else None,
    )
    note = fit.note
    if fit.n_missing:
        note += f"; {fit.n_missing} well(s) without a value left out"
    medians = [_median(plate.negative["value"].to_numpy()) for plate in plates]
    offset = np.nanmax(medians) - np.nanmin(medians) if np.isfinite(medians).any() else 0.0
    low, high = fit.curve([0.0, fit.tested_high])
    if offset > _OFFSET_SHARE * abs(high - low) > 0:
        note += f"; the controls of its plates differ by {offset:.2g}: normalise the plates"
    return fit, note


def _full_scale(plates: list[_Controls]) -> float | None:
    """Largest change that a positive control shows, by medians; none without both kinds of control."""
    negative = _median(np.concatenate([np.empty(0), *(plate.negative["value"] for plate in plates)]))
    names = {name for plate in plates for name in plate.positive}
    changes = [
        abs(_median(np.concatenate([plate.positive[name] for plate in plates if name in plate.positive])) - negative)
        for name in sorted(names)
    ]
    return max((change for change in changes if change > 0), default=None)


def _median(values: Floats) -> float:
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else np.nan


def _row(fit: HillFit, note: str) -> dict[str, object]:
    values = {item.name: getattr(fit, item.name) for item in fields(fit)}
    return values | {"n_controls": fit.n_zero, "note": note}


def _curve(fit: HillFit, compound: str, readout: str, unit: str) -> pd.DataFrame:
    concentration = np.geomspace(fit.tested_low, fit.tested_high, CURVE_POINTS)
    low, high = fit.band(concentration)
    return _curve_table(
        {
            "compound": compound,
            "readout": readout,
            "concentration": concentration,
            "concentration_unit": unit,
            "value": fit.curve(concentration),
            "low": low,
            "high": high,
        }
    )


def _curve_table(columns: dict[str, object]) -> pd.DataFrame:
    names = ["compound", "readout", "concentration", "concentration_unit", "value", "low", "high"]
    return pd.DataFrame(columns, columns=names)
