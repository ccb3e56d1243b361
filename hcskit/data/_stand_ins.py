"""What is learned from where plates have no controls of a kind: the ends of the dose series, or all treated wells."""

from __future__ import annotations

from typing import Literal, TypeAlias

import pandas as pd
from pydantic import BaseModel, ConfigDict

from hcskit.recipe._recipe import DataSection
from hcskit.units import parse_unit

__all__ = ["StandIns", "describe_stand_ins", "with_stand_ins"]

_SERIES = 4  # concentrations that make a series, as for a curve
_NAMED = 5  # compounds
_Doses: TypeAlias = Literal["lowest", "highest", "all"]
_WHICH: dict[_Doses, str] = {"lowest": "the lowest doses", "highest": "the highest doses", "all": "all wells"}
_MEANING: dict[_Doses, str] = {
    "lowest": "What these doses do already is read as no effect.",
    "highest": 'A strength of 1 is the mean effect of these doses, so "partial" means little, and phenotypes are not '
    "told apart. EC50s do not depend on where 1 is.",
    "all": "Many of them may do nothing, so their class and its strength mean little: by default the distance from the "
    "negative controls is read, which does not tell phenotypes apart.",
}


class StandIns(BaseModel):
    """Treated wells that were learned from in the place of controls.

    Attributes
    ----------
    doses : {"lowest", "highest", "all"}
        The lowest of each series in the place of negative controls; in that of positive ones the highest, or where
        there are no series, all.
    compounds : tuple of str
        Names of some that they were treated with.
    n_compounds, n_wells : int
        How many compounds and wells there are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    doses: _Doses
    compounds: tuple[str, ...]
    n_compounds: int
    n_wells: int

    def __str__(self) -> str:
        lacking = {"lowest": "negative controls", "highest": "positive controls", "all": "positive controls or series"}
        rest = self.n_compounds - len(self.compounds)
        named = ", ".join(self.compounds) + (f" and {rest} more" if rest else "")
        return (
            f"No {lacking[self.doses]}: learned against {_WHICH[self.doses]} of {named} ({self.n_wells} wells). "
            f"{_MEANING[self.doses]}"
        )


def with_stand_ins(wells: pd.DataFrame, data: DataSection) -> pd.DataFrame:
    """Let the lowest doses be the negative controls, and the highest the positive ones, where there are none.

    Of each compound that is tested at four concentrations or more. Wells at the lowest one may respond already, and at
    the highest one not at all, so real controls are better: one well of them is enough for these wells to be left
    alone. Without any such series, all treated wells are the positive controls.

    Parameters
    ----------
    wells : pandas.DataFrame
        One row a well, or a field; columns ``role, compound, concentration, concentration_unit`` and others.
    data : DataSection
        The recipe's section ``data``: which roles are learned from, and whether others may stand in for them.

    Returns
    -------
    pandas.DataFrame
        The same rows; ``role`` is that which they stand in for. If any do, ``stand_in`` says which doses these are:
        ``lowest``, ``highest``, ``all``, or empty for all other rows.

    Examples
    --------
    >>> wells = pd.DataFrame({"role": "treatment", "compound": "x", "concentration": [1.0, 10.0, 100.0, 1000.0]})
    >>> with_stand_ins(wells, DataSection())["role"].tolist()
    ['negative_control', 'treatment', 'treatment', 'positive_control']
    """
    lacking = set(data.roles) & {"negative_control", "positive_control"} - set(wells["role"])
    if not (data.stand_ins and lacking and {"compound", "concentration"} <= set(wells.columns)):
        return wells
    is_treated = wells["role"] == "treatment"
    treated = wells[is_treated & (wells["concentration"] > 0)]
    doses = _same_unit(treated)
    each = doses.groupby(treated["compound"])
    is_series = each.transform("nunique") >= _SERIES
    own = doses[is_series]
    lowest, highest = (
        own.index[own == each.transform("min")[is_series]],
        own.index[own == each.transform("max")[is_series]],
    )
    role, stand_in = wells["role"].astype(object).copy(), pd.Series("", wells.index, object)
    if "negative_control" in lacking:
        role[lowest], stand_in[lowest] = "negative_control", "lowest"
    if "positive_control" in lacking:
        rows, which = (highest, "highest") if len(own) else (wells.index[is_treated], "all")
        role[rows], stand_in[rows] = "positive_control", which
    return wells.assign(role=role, stand_in=stand_in)


def _same_unit(wells: pd.DataFrame) -> pd.Series[float]:
    """Return the concentrations in the base unit, equal where they are the same: plates may have units of their own."""
    if "concentration_unit" not in wells:
        return wells["concentration"]
    size = wells["concentration_unit"].map(lambda unit: parse_unit(unit).factor)
    return (wells["concentration"] * size).map(lambda dose: float(f"{dose:.9g}"))


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
    >>> [f"{own.doses}: {own.n_wells}" for own in describe_stand_ins(told)]
    ['lowest: 1', 'highest: 1']
    """
    if "stand_in" not in fields:
        return ()
    found = []
    for doses in _WHICH:
        own = fields[fields["stand_in"] == doses]
        names = sorted(own["compound"].unique())
        wells = len(own[["plate", "well"]].drop_duplicates())
        found.append(StandIns(doses=doses, compounds=tuple(names[:_NAMED]), n_compounds=len(names), n_wells=wells))
    return tuple(own for own in found if own.n_wells)
