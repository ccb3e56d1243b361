"""How far two result tables are apart."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["difference"]


def difference(first: pd.DataFrame | None, second: pd.DataFrame | None) -> float:
    """Return the largest relative difference of a number in two tables.

    Parameters
    ----------
    first, second : pandas.DataFrame or None
        The tables; None where there is none.

    Returns
    -------
    float
        ``|a - b| / max(|a|, |b|)``: 0 if the tables are equal, and infinite if rows, columns or words differ, or a
        number is missing or infinite in one alone.

    Examples
    --------
    >>> difference(pd.DataFrame({"ec50": [40.0, np.nan]}), pd.DataFrame({"ec50": [50.0, np.nan]}))
    0.2
    >>> difference(pd.DataFrame({"category": ["active"]}), pd.DataFrame({"category": ["inactive"]}))
    inf
    """
    if first is None or second is None:
        return 0.0 if first is second else np.inf
    if not (first.index.equals(second.index) and first.columns.equals(second.columns)):
        return np.inf
    return max((_of_column(first[name], second[name]) for name in first.columns), default=0.0)


def _of_column(first: pd.Series, second: pd.Series) -> float:
    if not all(pd.api.types.is_numeric_dtype(values) for values in (first, second)):
        return 0.0 if first.fillna("").equals(second.fillna("")) else np.inf
    a, b = first.to_numpy(dtype=float, na_value=np.nan), second.to_numpy(dtype=float, na_value=np.nan)
    differs = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    if not differs.any():
        return 0.0
    a, b = a[differs], b[differs]
    if not (np.isfinite(a) & np.isfinite(b)).all():
        return np.inf
    return float((np.abs(a - b) / np.maximum(np.abs(a), np.abs(b))).max())
