"""All compounds and readouts of a screen: from a tidy table of wells to tables of fits, points and curves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hcskit.errors import InputError
from hcskit.response._fit import readout_limits
from hcskit.response._many import Task, fit_many
from hcskit.response._model import Floats
from hcskit.response._points import NETWORK, checked, compound_units, in_one_unit
from hcskit.response._result import HillFit

__all__ = ["ResponseTables", "fit_responses"]

#: Points of a drawn curve.
CURVE_POINTS = 100
_COLUMNS = (
    *("ec50", "ec50_low", "ec50_high", "ec50_spread", "concentration_unit"),
    *("hill_slope", "hill_slope_low", "hill_slope_high"),
    *("bottom", "top", "category", "rmse", "r2", "n_wells", "n_concentrations", "tested_low", "tested_high"),
    *("p_value", "n_controls", "n_missing", "note"),
    *("code", "model", "level", "ec50_fall", "ec50_fall_low", "ec50_fall_high", "deviating_wells"),
)
_OFFSET_SHARE = 0.2  # of a curve's amplitude: plates whose controls differ by more are worth a note


@dataclass(frozen=True)
class ResponseTables:
    """Fits of a screen.

    Attributes
    ----------
    responses : pandas.DataFrame
        Index (compound, readout, and the columns of ``by``); one row a fit. Columns, where "c" is the concentration
        in ``concentration_unit`` and "r" the unit of the readout:

        ===================================== ======= ==== ====================================================
        column                                dtype   unit meaning
        ===================================== ======= ==== ====================================================
        ec50, ec50_low, ec50_high             float64 c    half-way concentration and its interval
        ec50_spread                           float64 log10 standard deviation between networks
        concentration_unit                    str          unit of every concentration of the row
        hill_slope, hill_slope_low, _high     float64 1    steepness and its interval
        bottom, top                           float64 r    response at zero and at infinite concentration
        category, code, note                  str          see `CATEGORIES` and `CODES`; the reasons in words
        rmse, r2                              float64 r, 1 root mean square residual, share of variance explained
        n_wells, n_controls, n_missing        int64   1    wells above zero, at zero, without a value
        n_concentrations                      int64   1    distinct concentrations above zero
        tested_low, tested_high               float64 c    lowest and highest concentration above zero
        p_value                               float64 1    F-test of the curve against a constant
        model                                 str          name of the curve model
        level                                 float64 1    confidence level of the intervals
        ec50_fall, ec50_fall_low, _high       float64 c    where a bell falls back to half its peak
        deviating_wells                       str          wells that were left out, as "plate well", by comma
        ===================================== ======= ==== ====================================================

    points : pandas.DataFrame
        The wells that were fitted, as given but in one unit for each compound: treatments, and negative controls with
        concentration 0 and no compound.
    """

    responses: pd.DataFrame
    points: pd.DataFrame
    fits: Mapping[tuple[str, ...], HillFit] = field(repr=False)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Columns ``compound, readout, concentration, concentration_unit, value, low, high``, and those of ``by``.

        Each fitted curve and its band at 100 concentrations over the tested range, computed when first asked for.
        """
        names = [str(name) for name in self.responses.index.names]
        units = self.responses["concentration_unit"]
        drawn = [
            _curve(fit, dict(zip(names, key, strict=True)), units.loc[key])
            for key, fit in self.fits.items()
            if fit.category != "not fitted"
        ]
        return pd.concat(drawn, ignore_index=True) if drawn else _curve_table({}, names[2:])


@dataclass(frozen=True, slots=True)
class _Controls:
    """Controls of one plate and readout: rows of the negative ones, and the positive ones' values by compound."""

    rows: NDArray[np.int64]
    negative: Floats
    positive: dict[str, Floats]


@dataclass(frozen=True, slots=True)
class _Source:
    """What a curve is fitted to: rows of the table, and the controls of their plates."""

    rows: NDArray[np.int64]
    plates: list[_Controls]
    limits: tuple[float, float]


def fit_responses(
    points: pd.DataFrame,
    *,
    by: Sequence[str] = (),
    limits: Mapping[str, tuple[float, float]] | None = None,
    level: float = 0.95,
) -> ResponseTables:
    """Fit every compound and readout.

    A compound is fitted to its treated wells and the negative controls of the plates these are on. Each of several
    plates has its own untreated level; what plates differ by is noted. Positive controls of the same plates tell the
    full scale of a readout.

    Parameters
    ----------
    points : pandas.DataFrame
        One row a well and readout: columns ``plate, well, role, compound, concentration, concentration_unit, readout,
        value``; others are carried along. Rows without a value (NaN) are left out and counted. Columns ``network_1``
        and so on are what each network of an ensemble reads, where the value is their average: see `fit_hill`.
    by : sequence of str
        Columns that tell experiments apart, such as the cell line: each of their values is fitted by itself, with
        the controls that have it. A carried column that differs between the plates of a compound is refused unless it
        is named here.
    limits : mapping of str to (float, float), optional
        Range of readouts by name, to which asymptotes keep; by default what their values suggest (`readout_limits`).
    level : float
        Confidence level of the intervals.

    Returns
    -------
    ResponseTables
        Sorted by compound and readout.

    Warns
    -----
    UserWarning
        If two compounds differ only in case, blanks or hyphens.

    Raises
    ------
    InputError
        If a column is missing, no well is treated, a well is listed twice for a readout, a role is unknown, a
        treatment lacks a compound or concentration, a value is infinite or no number, or a carried column splits a
        compound.
    UnitError
        If a unit is unknown, or one compound is given in units of different quantities.
    """
    table = checked(points, by)
    units = compound_units(table)
    table = in_one_unit(table, units).reset_index(drop=True)
    sources = dict(_sources(table, list(by), limits or {}))
    fits = fit_many(_tasks(table, sources.values()), level)
    rows = [
        _row(fit, table, source) | {"concentration_unit": units[key[0]]}
        for (key, source), fit in zip(sources.items(), fits, strict=True)
    ]
    keys = list(sources)
    index = pd.MultiIndex.from_tuples(keys, names=["compound", "readout", *by])
    responses = pd.DataFrame(rows, index=index)[list(_COLUMNS)].sort_index()
    used = table[table["role"].isin(["treatment", "negative_control"]) & table["value"].notna()]
    found = dict(sorted(zip(keys, fits, strict=True), key=lambda item: item[0]))
    return ResponseTables(responses, used.reset_index(drop=True), found)


def _sources(
    table: pd.DataFrame, by: list[str], limits: Mapping[str, tuple[float, float]]
) -> Iterator[tuple[tuple[str, ...], _Source]]:
    """Yield the key of each curve and what it is fitted to."""
    unknown = set(limits) - set(table["readout"].astype(str))
    if unknown:
        raise InputError(f"limits are given for {', '.join(sorted(unknown))}, which is no readout of the table")
    plate, known = table["plate"].to_numpy(), table["value"].notna().to_numpy()
    for readout, everything in table.groupby("readout", observed=True):
        ends = limits.get(str(readout)) or readout_limits(everything["value"].to_numpy())
        for values, wells in everything.groupby(by, observed=True) if by else [((), everything)]:
            plates = {name: _controls(own) for name, own in wells.groupby("plate", observed=True)}
            for compound, treated in wells[wells["role"] == "treatment"].groupby("compound").groups.items():
                rows = treated.to_numpy()
                used = [plates[name] for name in dict.fromkeys(plate[rows[known[rows]]])]
                together = np.concatenate([rows, *(own.rows for own in used)])
                yield (str(compound), str(readout), *map(str, values)), _Source(together, used, ends)


def _controls(wells: pd.DataFrame) -> _Controls:
    negative = wells[wells["role"] == "negative_control"]
    positive = wells[wells["role"] == "positive_control"]
    return _Controls(
        rows=negative.index.to_numpy(),
        negative=negative["value"].to_numpy(),
        positive={str(name): own["value"].to_numpy() for name, own in positive.groupby("compound")},
    )


def _tasks(table: pd.DataFrame, sources: Iterable[_Source]) -> list[Task]:
    names = [name for name in table if re.fullmatch(NETWORK.format(r"\d+"), str(name))]
    networks = table[names].to_numpy(dtype=float).T if names else np.empty((0, len(table)))
    concentration, value = table["concentration"].to_numpy(), table["value"].to_numpy()
    codes = np.unique(table["plate"].astype(str), return_inverse=True)[1].astype(np.int64)
    return [
        Task(
            concentration=concentration[own.rows],
            response=value[own.rows],
            plate=np.unique(codes[own.rows], return_inverse=True)[1].astype(np.int64),
            networks=networks[:, own.rows],
            full_scale=_full_scale(own.plates),
            limits=own.limits,
        )
        for own in sources
    ]


def _row(fit: HillFit, table: pd.DataFrame, source: _Source) -> dict[str, object]:
    note = fit.note
    names = [f"{table.loc[row, 'plate']} {table.loc[row, 'well']}" for row in source.rows[list(fit.deviating)]]
    if names:
        note += f"; left out because they disagree with their replicates and neighbours: {', '.join(names)}"
    if fit.n_missing:
        note += f"; {fit.n_missing} well(s) without a value left out"
    medians = [_median(plate.negative) for plate in source.plates]
    offset = np.nanmax(medians) - np.nanmin(medians) if len(medians) > 1 and np.isfinite(medians).any() else 0.0
    if offset and offset > _OFFSET_SHARE * abs(np.subtract(*fit.curve([0.0, fit.tested_high]))):
        note += f"; the controls of its plates differ by {offset:.2g}: each plate has its own untreated level"
    values = {item.name: getattr(fit, item.name) for item in fields(fit)}
    return values | {"n_controls": fit.n_zero, "note": note, "deviating_wells": ", ".join(names)}


def _full_scale(plates: list[_Controls]) -> float | None:
    """Largest change that a positive control shows, by medians; none without both kinds of control."""
    negative = _median(np.concatenate([np.empty(0), *(plate.negative for plate in plates)]))
    names = {name for plate in plates for name in plate.positive}
    changes = [
        abs(_median(np.concatenate([plate.positive[name] for plate in plates if name in plate.positive])) - negative)
        for name in sorted(names)
    ]
    return max((change for change in changes if change > 0), default=None)


def _median(values: Floats) -> float:
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else np.nan


def _curve(fit: HillFit, key: dict[str, str], unit: str) -> pd.DataFrame:
    concentration = np.geomspace(fit.tested_low, fit.tested_high, CURVE_POINTS)
    low, high = fit.band(concentration)
    drawn = {
        "concentration": concentration,
        "concentration_unit": unit,
        "value": fit.curve(concentration),
        "low": low,
        "high": high,
    }
    return _curve_table(key | drawn, list(key)[2:])


def _curve_table(columns: Mapping[str, object], by: list[str]) -> pd.DataFrame:
    names = ["compound", "readout", *by, "concentration", "concentration_unit", "value", "low", "high"]
    return pd.DataFrame(columns, columns=names)
