"""What is learned from where plates have no controls of a kind: the ends of the dose series."""

from __future__ import annotations

import pandas as pd

from hcskit.recipe._recipe import DataSection

__all__ = ["with_stand_ins"]

_SERIES = 4  # concentrations that make a series, as for a curve


def with_stand_ins(wells: pd.DataFrame, data: DataSection) -> pd.DataFrame:
    """Let the lowest doses be the negative controls, and the highest the positive ones, where there are none.

    Of each compound that is tested at four concentrations or more. Wells at the lowest one may respond already, and at
    the highest one not at all, so real controls are better: one well of them is enough for these wells to be left
    alone.

    Parameters
    ----------
    wells : pandas.DataFrame
        One row a well, or a field; columns ``role, compound, concentration`` and others.
    data : DataSection
        The recipe's section ``data``: which roles are learned from, and whether others may stand in for them.

    Returns
    -------
    pandas.DataFrame
        The same rows; ``role`` is that which they stand in for.

    Examples
    --------
    >>> wells = pd.DataFrame({"role": "treatment", "compound": "x", "concentration": [1.0, 10.0, 100.0, 1000.0]})
    >>> with_stand_ins(wells, DataSection())["role"].tolist()
    ['negative_control', 'treatment', 'treatment', 'positive_control']
    """
    lacking = set(data.roles) & {"negative_control", "positive_control"} - set(wells["role"])
    if not (data.stand_ins and lacking and {"compound", "concentration"} <= set(wells.columns)):
        return wells
    treated = wells[(wells["role"] == "treatment") & (wells["concentration"] > 0)]
    dose = treated.groupby("compound")["concentration"]
    treated = treated[dose.transform("nunique") >= _SERIES]
    role = wells["role"].astype(object).copy()
    for name, extreme in (("negative_control", dose.transform("min")), ("positive_control", dose.transform("max"))):
        if name in lacking:
            role[treated.index[treated["concentration"] == extreme[treated.index]]] = name
    return wells.assign(role=role)
