"""How well replicates agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy

from hcskit.errors import InputError

__all__ = ["replicate_correlation"]


def replicate_correlation(
    points: pd.DataFrame, alike: Sequence[str] = ("compound", "concentration"), role: str = "treatment"
) -> pd.DataFrame:
    """Correlate the readings of wells that had the same treatment.

    Every pair of replicates counts in both orders, for replicates have none (the intraclass correlation of Fisher,
    *Statistical Methods for Research Workers*, 1925, section 38). Pairs on one plate share what the plate does to
    them; pairs on two plates do not, so they are told apart.

    Parameters
    ----------
    points : pandas.DataFrame
        One row a well and readout: columns ``plate, role, readout, value`` and those of `alike`.
    alike : sequence of str
        Columns whose equal values are one treatment.
    role : str
        Role of the wells that are compared.

    Returns
    -------
    pandas.DataFrame
        Columns ``readout, pairs`` ("one plate" or "two plates"), ``pearson, spearman, n_pairs, n_treatments``; a
        correlation is NaN with fewer than three treatments that have such pairs.

    Raises
    ------
    InputError
        If a column is missing.
    """
    needed = ("plate", "role", "readout", "value", *alike)
    missing = [name for name in needed if name not in points]
    if missing:
        raise InputError(f"the table of points lacks {', '.join(missing)}; expected {', '.join(needed)}")
    used = points[(points["role"] == role) & points["value"].notna()]
    rows = []
    for readout, own in used.groupby("readout", sort=True, observed=True):
        pairs = _pairs(own.assign(treatment=own.groupby(list(alike), observed=True).ngroup()))
        for name, some in (("one plate", pairs[pairs["together"]]), ("two plates", pairs[~pairs["together"]])):
            rows.append({"readout": readout, "pairs": name} | _correlated(some))
    columns = ["readout", "pairs", "pearson", "spearman", "n_pairs", "n_treatments"]
    return pd.DataFrame(rows, columns=columns)


def _pairs(own: pd.DataFrame) -> pd.DataFrame:
    """Return each pair of wells of a treatment in both orders."""
    left = own[["treatment", "plate", "value"]].reset_index(drop=True).reset_index(names="well")
    pairs = left.merge(left, on="treatment", suffixes=("", "_other"))
    pairs = pairs[pairs["well"] != pairs["well_other"]]
    return pairs.assign(together=pairs["plate"] == pairs["plate_other"])


def _correlated(pairs: pd.DataFrame) -> dict[str, object]:
    treatments = int(pairs["treatment"].nunique())
    value, other = pairs["value"].to_numpy(float), pairs["value_other"].to_numpy(float)
    known = treatments > 2 and np.ptp(value) > 0
    return {
        "pearson": float(scipy.stats.pearsonr(value, other).statistic) if known else np.nan,
        "spearman": float(scipy.stats.spearmanr(value, other).statistic) if known else np.nan,
        "n_pairs": len(pairs) // 2,
        "n_treatments": treatments,
    }
