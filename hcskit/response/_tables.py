"""All compounds and readouts of a screen: from a tidy table of wells to tables of fits, points and curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from typing import Literal

import numpy as np
import pandas as pd

from hcskit.errors import InputError
from hcskit.response._category import LEAST_EFFECT
from hcskit.response._hits import score_hits
from hcskit.response._many import fit_many
from hcskit.response._points import titrated
from hcskit.response._prepared import Source, median, prepare
from hcskit.response._result import HillFit

__all__ = ["ResponseTables", "fit_responses", "fitted_points"]

#: Points of a drawn curve.
CURVE_POINTS = 100
_COLUMNS = (
    *("ec50", "ec50_low", "ec50_high", "ec50_spread", "concentration_unit"),
    *("hill_slope", "hill_slope_low", "hill_slope_high"),
    *("bottom", "top", "category", "rmse", "r2", "n_wells", "n_concentrations", "tested_low", "tested_high"),
    *("p_value", "n_controls", "n_missing", "note"),
    *("code", "model", "level", "ec50_fall", "ec50_fall_low", "ec50_fall_high", "deviating_wells"),
    *("least_effect", "fixed_top"),
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
        least_effect                          float64 1    as given
        fixed_top                             bool         whether the top was that of the positive controls
        ===================================== ======= ==== ====================================================

    points : pandas.DataFrame
        The wells that were fitted, as given but in one unit for each compound: treatments, and negative controls with
        concentration 0 and no compound.
    """

    responses: pd.DataFrame
    points: pd.DataFrame
    fits: Mapping[tuple[str, ...], HillFit] = field(repr=False)
    score: Callable[[], pd.DataFrame] = field(repr=False)

    @cached_property
    def hits(self) -> pd.DataFrame:
        """What `score_hits` says of each compound and readout, computed when first asked for."""
        return self.score()

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


def fit_responses(
    points: pd.DataFrame,
    *,
    by: Sequence[str] = (),
    limits: Mapping[str, tuple[float, float]] | None = None,
    top: Literal["free", "positive-controls"] = "free",
    level: float = 0.95,
    least_effect: float = LEAST_EFFECT,
    false_positive_rate: float = 0.05,
) -> ResponseTables:
    """Fit every compound and readout.

    A compound is fitted to its treated wells and the negative controls of the plates these are on. Each of several
    plates has its own untreated level; what plates differ by is noted. Curves of one readout on the same plates share
    what they tell of the noise (Smyth 2004). Positive controls of the same plates tell the
    full scale of a readout. A positive control that is titrated (four concentrations or more) has a curve of its own.

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
    top : {"free", "positive-controls"}
        Whether a curve may end where the wells say, or ends at the median of the positive controls of its plates: of
        the compound among them that differs most from the negative controls.
    level : float
        Confidence level of the intervals.
    least_effect : float
        Share of the positive controls' effect that a compound has to exceed (one-sided test at 5 %) to be called
        anything but inactive.
    false_positive_rate : float
        Share of compounds without effect that are called hits: see `score_hits`.

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
        treatment lacks a compound or concentration, a value is infinite or no number, a carried column splits a
        compound, or the top is to be that of positive controls that are not there.
    UnitError
        If a unit is unknown, or one compound is given in units of different quantities.
    """
    if not 0 < level < 1:
        raise InputError(f"confidence level {level:g}; expected a number between 0 and 1, such as 0.95")
    if top not in ("free", "positive-controls"):
        raise InputError(f"top {top!r}; expected 'free' or 'positive-controls'")
    if not 0 <= least_effect < 1:
        raise InputError(f"least effect {least_effect:g}; expected a share of the positive controls', such as 0.1")
    known = prepare(points, by, limits)
    table, keys = known.table, known.keys
    given = {"least_effect": least_effect, "fixed_top": top == "positive-controls"}
    fits = fit_many(known.tasks(least_effect, fixed_top=top == "positive-controls"), level)
    rows = [
        _row(fit, table, source) | {"concentration_unit": known.units[key[0]]} | given
        for key, source, fit in zip(keys, known.sources, fits, strict=True)
    ]
    index = pd.MultiIndex.from_tuples(keys, names=["compound", "readout", *by])
    responses = pd.DataFrame(rows, index=index)[list(_COLUMNS)].sort_index()
    found = dict(sorted(zip(keys, fits, strict=True), key=lambda item: item[0]))
    score = partial(score_hits, points, by=by, false_positive_rate=false_positive_rate)
    return ResponseTables(responses, _used(table), found, score)


def fitted_points(points: pd.DataFrame, *, by: Sequence[str] = ()) -> pd.DataFrame:
    """Return the `ResponseTables.points` that `fit_responses` would give, without fitting anything."""
    return _used(prepare(points, by).table)


def _used(table: pd.DataFrame) -> pd.DataFrame:
    fitted = table["role"].isin(["treatment", "negative_control"]) | titrated(table)
    return table[fitted & table["value"].notna()].reset_index(drop=True)


def _row(fit: HillFit, table: pd.DataFrame, source: Source) -> dict[str, object]:
    note = fit.note
    names = [f"{table.loc[row, 'plate']} {table.loc[row, 'well']}" for row in source.rows[list(fit.deviating)]]
    if names:
        note += f"; left out because they disagree with their replicates and neighbours: {', '.join(names)}"
    if fit.n_missing:
        note += f"; {fit.n_missing} well(s) without a value left out"
    medians = [median(plate.negative) for plate in source.plates]
    offset = np.nanmax(medians) - np.nanmin(medians) if len(medians) > 1 and np.isfinite(medians).any() else 0.0
    if offset and offset > _OFFSET_SHARE * abs(np.subtract(*fit.curve([0.0, fit.tested_high]))):
        note += f"; the controls of its plates differ by {offset:.2g}: each plate has its own untreated level"
    values = {item.name: getattr(fit, item.name) for item in fields(fit)}
    return values | {"n_controls": fit.n_zero, "note": note, "deviating_wells": ", ".join(names)}


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
