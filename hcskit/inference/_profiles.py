"""Profiles: the features of each well, from a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["gather_profiles"]


def gather_profiles(
    fields: pd.DataFrame, crops: Sequence[npt.NDArray[Any]], by: Sequence[str] = ("plate", "well")
) -> pd.DataFrame:
    """Average the features of crops to fields, and of fields to wells.

    Parameters
    ----------
    fields : pandas.DataFrame
        One row a field; columns ``plate, well, field``.
    crops : sequence of numpy.ndarray
        Features (crop, feature) of each field.
    by : sequence of str
        Columns whose values a profile has in common: by default one of each well.

    Returns
    -------
    pandas.DataFrame
        Index ``by``; columns ``feature_1`` and so on.

    Examples
    --------
    >>> fields = pd.DataFrame({"plate": "p", "well": ["A01", "A01"], "field": [1, 2]})
    >>> gather_profiles(fields, [np.array([[0.0], [2.0]]), np.array([[4.0]])]).loc[("p", "A01")].tolist()
    [2.5]
    """
    means = np.stack([np.asarray(own, float).mean(axis=0) for own in crops])
    table = pd.DataFrame(means, columns=[f"feature_{number}" for number in range(1, means.shape[1] + 1)])
    return table.groupby([fields[name].to_numpy() for name in by]).mean().rename_axis(list(by))
