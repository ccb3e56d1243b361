"""What is learned from where plates have no controls of a kind: the ends of the dose series."""

from __future__ import annotations

from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from hcskit.recipe._recipe import DataSection

__all__ = ["StandIns", "describe_stand_ins", "with_stand_ins"]

_SERIES = 4  # concentrations that make a series, as for a curve
_NAMED = 5  # compounds
_MEANING = {
    "lowest": "What these doses do already is read as no effect.",
    "highest": "By default responses are fitted to the distance from the negative controls, which does not tell "
    "phenotypes apart. A strength of 1 is the mean effect of these doses.",
}


class StandIns(BaseModel):
    """Wells of treatments that were learned from in the place of controls.

    Attributes
    ----------
    doses : {"lowest", "highest"}
        Of their series: the lowest in the place of negative controls, the highest in that of positive ones.
    compounds : tuple of str
        What they were treated with.
    wells : int
        How many there are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    doses: Literal["lowest", "highest"]
    compounds: tuple[str, ...]
    wells: int

    def __str__(self) -> str:
        lacking = "negative" if self.doses == "lowest" else "positive"
        rest = len(self.compounds) - _NAMED
        named = ", ".join(self.compounds[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
        return (
            f"No {lacking} controls: learned against the {self.doses} doses of {named} ({self.wells} wells). "
            f"{_MEANING[self.doses]}"
        )


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
        The same rows; ``role`` is that which they stand in for. If any do, ``stand_in`` says which doses of their
        series these are: ``lowest``, ``highest``, or empty for all other rows.

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
    role, stand_in = wells["role"].astype(object).copy(), pd.Series("", wells.index, object)
    ends = (
        ("negative_control", "lowest", dose.transform("min")),
        ("positive_control", "highest", dose.transform("max")),
    )
    for name, end, extreme in ends:
        if name in lacking:
            own = treated.index[treated["concentration"] == extreme[treated.index]]
            role[own], stand_in[own] = name, end
    return wells.assign(role=role, stand_in=stand_in)


def describe_stand_ins(fields: pd.DataFrame) -> tuple[StandIns, ...]:
    """Tell which wells stood in for controls.

    Parameters
    ----------
    fields : pandas.DataFrame
        What was learned from: ``plate, well`` and, if any stood in, ``compound`` and ``stand_in``; see
        `with_stand_ins`.

    Examples
    --------
    >>> wells = {"role": "treatment", "compound": "x", "concentration": [1.0, 2.0, 3.0, 4.0]}
    >>> told = with_stand_ins(pd.DataFrame({**wells, "plate": "P", "well": list("abcd")}), DataSection())
    >>> [f"{own.doses}: {own.wells}" for own in describe_stand_ins(told)]
    ['lowest: 1', 'highest: 1']
    """
    if "stand_in" not in fields:
        return ()
    ends: tuple[Literal["lowest", "highest"], ...] = ("lowest", "highest")
    parts = [(end, fields[fields["stand_in"] == end]) for end in ends]
    return tuple(
        StandIns(
            doses=end,
            compounds=tuple(sorted(own["compound"].unique())),
            wells=len(own[["plate", "well"]].drop_duplicates()),
        )
        for end, own in parts
        if len(own)
    )
