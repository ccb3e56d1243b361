"""The most informative readout of a compound, and recovered beside known EC50s."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hcskit.response._category import EFFECTS
from hcskit.units import convert

__all__ = ["lead_readouts", "match_truth"]


def lead_readouts(responses: pd.DataFrame) -> pd.Series[Any]:
    """Return the readout that tells most about each compound: the largest change among those with an effect.

    Parameters
    ----------
    responses : pandas.DataFrame
        Index ``compound, readout``; columns ``bottom, top, category``.

    Returns
    -------
    pandas.Series
        Readout by compound, in the order of the table.
    """
    change = (responses["top"] - responses["bottom"]).abs().fillna(0.0)
    change = change.where(responses["category"].isin(EFFECTS), -1.0)
    leads = change.groupby(level="compound", sort=False).idxmax()
    return leads.map(lambda key: key[1])


def match_truth(responses: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Put the recovered EC50 of each compound beside the true one.

    Of a compound's readouts the one named like its phenotype or its mechanism of action is taken, else its lead.

    Returns
    -------
    pandas.DataFrame
        One row a compound with a known EC50: ``compound, readout, true_ec50`` (in the unit of the response) and the
        columns of `responses`; ``fold`` is recovered / true, NaN where none was recovered.
    """
    leads = lead_readouts(responses)
    rows = []
    for _, known in truth[truth["ec50"].notna()].iterrows():
        compound = known["compound"]
        if compound not in leads.index:
            continue
        named = [name for name in (known["phenotype"], known["moa"]) if (compound, name) in responses.index]
        readout = named[0] if named else leads[compound]
        row = responses.loc[[(compound, readout)]].iloc[0]
        true = convert(known["ec50"], known["concentration_unit"], row["concentration_unit"])
        found = row["ec50"] if row["category"] in ("active", "partial") else np.nan
        rows.append({"compound": compound, "readout": readout, "true_ec50": true, "fold": found / true, **row})
    return pd.DataFrame(rows, columns=["compound", "readout", "true_ec50", "fold", *responses.columns])
