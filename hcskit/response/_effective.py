"""Effective concentrations on request: EC10, EC90 or any other, of compounds that have been fitted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, TypedDict

import numpy as np
import pandas as pd

from hcskit.response._category import EFFECTS, LEAST_EFFECT
from hcskit.response._fit import readout_limits
from hcskit.response._result import HillFit, check_share
from hcskit.response._tables import ResponseTables, fit_responses

__all__ = ["effective_concentrations", "fit_compounds", "neighbours"]

_COLUMNS = ("concentration", "low", "high", "response", "tested_low", "tested_high", "concentration_unit", "note")
_SAME = 1e-6  # relative difference of two EC50s of one fit
_OTHER_FIT = "the wells, fitted again, do not give the EC50 of the table: it had other wells, or limits of its own"


class _Options(TypedDict):
    """Options of `fit_responses` that a table of fits tells."""

    level: float
    least_effect: float
    top: Literal["free", "positive-controls"]


def fit_compounds(wells: pd.DataFrame, responses: pd.DataFrame, compounds: Iterable[str]) -> ResponseTables:
    """Fit some compounds of a screen again, as `fit_responses` fits them among all.

    All compounds of their plates are fitted with them: together they tell how noisy a well is.

    Parameters
    ----------
    wells : pandas.DataFrame
        All wells of the screen, as `fit_responses` was given them.
    responses : pandas.DataFrame
        Their fits, index ``compound, readout``: what splits a compound, the level of the intervals, the least effect
        and whether the top is free stay the same.
    compounds : iterable of str
        Names of treatments.

    Raises
    ------
    InputError
        As `fit_responses` does; also if none of the compounds is a treatment.
    """
    names = set(compounds)
    fitted = neighbours(wells, responses, names)
    own = wells["compound"].isin(fitted) & (wells["role"] != "negative_control")
    controls = (wells["role"] != "treatment") & wells["plate"].isin(wells["plate"][own].unique())
    # What a value may be is told by the whole screen.
    limits = {str(name): readout_limits(part.to_numpy()) for name, part in wells.groupby("readout")["value"]}
    by = [str(name) for name in responses.index.names[2:]]
    options = _options(responses)
    return _only(fit_responses(wells[own | controls], by=by, limits=limits, **options), names)


def _options(responses: pd.DataFrame) -> _Options:
    """Return what the table was fitted with; of an earlier version, which does not tell it, the defaults."""
    told = responses.iloc[0]
    return {
        "level": float(told.get("level", 0.95)),
        "least_effect": float(told.get("least_effect", LEAST_EFFECT)),
        "top": "positive-controls" if told.get("fixed_top", False) else "free",
    }


def neighbours(wells: pd.DataFrame, responses: pd.DataFrame, compounds: Iterable[str]) -> set[str]:
    """Return the fitted compounds that share a plate with some compounds, themselves included.

    Parameters
    ----------
    wells, responses : pandas.DataFrame
        As `fit_compounds` takes them.
    compounds : iterable of str
        Names of compounds.
    """
    fitted = wells["compound"].isin(responses.index.get_level_values("compound"))
    fitted &= wells["role"] != "negative_control"
    plates = wells["plate"][fitted & wells["compound"].isin(list(compounds))].unique()
    return set(wells["compound"][fitted & wells["plate"].isin(plates)])


def _only(tables: ResponseTables, compounds: set[str]) -> ResponseTables:
    """Return the tables of some compounds."""
    points, fits = tables.points, {key: fit for key, fit in tables.fits.items() if key[0] in compounds}
    own = points["compound"].isin(compounds) & (points["role"] != "negative_control")
    controls = (points["role"] == "negative_control") & points["plate"].isin(points["plate"][own].unique())
    responses = tables.responses[tables.responses.index.get_level_values("compound").isin(compounds)]
    return replace(tables, responses=responses, points=points[own | controls].reset_index(drop=True), fits=fits)


def effective_concentrations(
    wells: pd.DataFrame, responses: pd.DataFrame, compounds: Iterable[str], share: float
) -> pd.DataFrame:
    """Return the concentration at which each response has gone a share of its way to the top, with its interval.

    The compounds of their plates are fitted again, in milliseconds each: see `HillFit.effective_concentration`.

    Parameters
    ----------
    wells : pandas.DataFrame
        All wells of the screen, as `fit_responses` takes them.
    responses : pandas.DataFrame
        Their fits, index ``compound, readout``.
    compounds : iterable of str
        Names of compounds.
    share : float
        0.1 for the EC10.

    Returns
    -------
    pandas.DataFrame
        Index of `responses`; columns ``concentration, low, high, tested_low, tested_high`` in ``concentration_unit``,
        ``response`` in the unit of the readout, and ``note``. Outside the tested range the concentration is NaN and the
        interval has one end only: (low, inf) or (0, high). Without an effect all are NaN; so they are, and the note
        says why, where the wells do not give the EC50 of `responses`.

    Raises
    ------
    InputError
        If the share is not between 0 and 1.
    """
    check_share(share)
    treated = set(wells["compound"][wells["role"] == "treatment"])
    names = [name for name in dict.fromkeys(compounds) if name in treated]
    if not names:
        return pd.DataFrame(columns=list(_COLUMNS), index=responses.index[:0])
    fitted = fit_compounds(wells, responses, names)
    keys = [key for key in fitted.fits if key in responses.index]
    rows = []
    for key in keys:
        fit, told = fitted.fits[key], responses.loc[[key]].iloc[0]
        # The points of a table hold no positive controls: they may tell an effect where the table tells none.
        effect = told["category"] in EFFECTS
        same = np.isclose(fit.ec50, float(told["ec50"]), rtol=_SAME, atol=0, equal_nan=True)
        place = _place(fit, share) if effect and same else (np.nan,) * 4
        unit = fitted.responses.loc[[key]].iloc[0]["concentration_unit"]
        rows.append((*place, fit.tested_low, fit.tested_high, unit, "" if same or not effect else _OTHER_FIT))
    return pd.DataFrame(
        rows, columns=list(_COLUMNS), index=pd.MultiIndex.from_tuples(keys, names=responses.index.names)
    )


def _place(fit: HillFit, share: float) -> tuple[float, float, float, float]:
    """Return concentration, interval and response; outside the tested range the interval has one end only."""
    place, low, high = fit.effective_concentration(share)
    if np.isnan(place) and not np.isnan([low, high]).any():
        with np.errstate(divide="ignore"):
            above = np.log(low) + np.log(high) > np.log(fit.tested_low) + np.log(fit.tested_high)
        low, high = (low, np.inf) if above else (0.0, high)
    response = float(fit.curve([place])[0]) if np.isfinite(place) else np.nan
    return place, low, high, response
