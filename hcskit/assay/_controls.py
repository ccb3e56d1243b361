"""How well positive and negative controls separate: Z′-factor and SSMD."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from hcskit.screen import treated_fields

__all__ = ["control_statistics", "image_readouts", "ssmd", "z_prime"]

_COLUMNS = (
    "z_prime",
    "ssmd",
    "negative_mean",
    "negative_sd",
    "n_negative",
    "positive_mean",
    "positive_sd",
    "n_positive",
)


def z_prime(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Z′-factor, ``1 - 3 (s_p + s_n) / |m_p - m_n|`` (Zhang et al., J. Biomol. Screen. 4:67, 1999).

    Sample standard deviations; NaN with fewer than two wells of either control.

    Examples
    --------
    >>> round(z_prime([10, 10.2, 9.8], [0, 0.1, -0.1]), 2)
    0.91
    """
    p, n = np.asarray(positive, float), np.asarray(negative, float)
    if min(len(p), len(n)) < 2 or p.mean() == n.mean():
        return float("nan")
    return float(1 - 3 * (p.std(ddof=1) + n.std(ddof=1)) / abs(p.mean() - n.mean()))


def ssmd(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Strictly standardised mean difference, ``(m_p - m_n) / sqrt(s_p² + s_n²)`` (Zhang, Genomics 89:552, 2007).

    Examples
    --------
    >>> round(ssmd([10, 10.2, 9.8], [0, 0.1, -0.1]), 1)
    44.7
    """
    p, n = np.asarray(positive, float), np.asarray(negative, float)
    if min(len(p), len(n)) < 2:
        return float("nan")
    noise = float(np.hypot(p.std(ddof=1), n.std(ddof=1)))
    return float((p.mean() - n.mean()) / noise) if noise > 0 else float("nan")


def control_statistics(wells: pd.DataFrame) -> pd.DataFrame:
    """Compare the controls of each plate in each readout.

    Parameters
    ----------
    wells : pandas.DataFrame
        Tidy: columns ``plate, role, readout, value``; one row a well and readout.

    Returns
    -------
    pandas.DataFrame
        One row a plate and readout: ``z_prime, ssmd`` and mean, sample standard deviation and number of the wells of
        either control.
    """
    rows = {}
    for key, group in wells.groupby(["plate", "readout"], sort=True):
        negative = group.loc[group["role"] == "negative_control", "value"].dropna()
        positive = group.loc[group["role"] == "positive_control", "value"].dropna()
        rows[key] = (
            z_prime(positive, negative),
            ssmd(positive, negative),
            *(negative.mean(), negative.std(), len(negative)),
            *(positive.mean(), positive.std(), len(positive)),
        )
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(_COLUMNS))
    table.index = pd.MultiIndex.from_tuples(rows, names=["plate", "readout"])
    return table.reset_index()


def image_readouts(plates: Mapping[str, xr.Dataset], quality: pd.DataFrame) -> pd.DataFrame:
    """Average the plain image statistics of the usable fields of each well.

    Parameters
    ----------
    plates : mapping of str to xarray.Dataset
        Plates by name, with ``excluded`` where fields are left out.
    quality : pandas.DataFrame
        As `hcskit.preprocess.assess_fields` returns it.

    Returns
    -------
    pandas.DataFrame
        Tidy: the plate map's columns, ``readout`` (``DNA mean``, ``DNA sd`` …) and ``value`` in counts.
    """
    usable = treated_fields(plates)
    long = quality[["mean", "sd"]].reset_index().melt(["plate", "well", "field", "channel"], var_name="statistic")
    long["readout"] = long["channel"] + " " + long["statistic"]
    joined = usable.merge(long, on=["plate", "well", "field"])
    wells = joined.groupby(["plate", "well", "readout"], as_index=False)["value"].mean()
    return usable.drop(columns="field").drop_duplicates(["plate", "well"]).merge(wells, on=["plate", "well"])
