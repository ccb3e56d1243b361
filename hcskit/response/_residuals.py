"""How far each well is from the curve of its compound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator

__all__ = ["residuals"]

_CURVE = ["compound", "readout", "concentration", "concentration_unit", "value", "low", "high"]


def residuals(points: pd.DataFrame, curves: pd.DataFrame) -> pd.Series[Any]:
    """Return what the fitted curves leave over: the value of each well less that of the curve at its concentration.

    Parameters
    ----------
    points, curves : pandas.DataFrame
        Of `ResponseTables`: the wells that were fitted, and the curves, which are read between their points.

    Returns
    -------
    pandas.Series
        In the unit of the readout, index of `points`. Of a negative control: less the mean of those of its plate and
        readout. NaN where there is no curve.
    """
    by = [str(name) for name in curves.columns if name not in _CURVE]
    names = ["compound", "readout", *by]
    drawn = dict(iter(curves.groupby(names, observed=True)))
    found = pd.Series(np.nan, index=points.index)
    treated = points[(points["role"] != "negative_control") & (points["concentration"] > 0)]
    for key, wells in treated.groupby(names, observed=True):
        if key in drawn:
            found[wells.index] = wells["value"] - _read(drawn[key], wells["concentration"])
    untreated = points[points["role"] == "negative_control"]
    means = untreated.groupby(["plate", "readout", *by], observed=True)["value"].transform("mean")
    found[untreated.index] = untreated["value"] - means
    return found


def _read(curve: pd.DataFrame, concentrations: pd.Series[Any]) -> Any:
    """Return a curve at some concentrations, at its ends where these are beyond it."""
    ordered = curve.sort_values("concentration").drop_duplicates("concentration")
    x, y = np.log(ordered["concentration"].to_numpy(float)), ordered["value"].to_numpy(float)
    at = np.clip(np.log(concentrations.to_numpy(float)), x[0], x[-1])
    return PchipInterpolator(x, y)(at) if len(x) > 1 else np.full(len(at), y[0])
