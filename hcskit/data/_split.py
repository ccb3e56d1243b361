"""Holding out: whole wells, compounds, plates or batches, never single fields."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from hcskit.data._fields import NEGATIVE
from hcskit.errors import InputError

__all__ = ["split_folds", "split_groups"]


def split_groups(fields: pd.DataFrame, by: str, validation: float, seed: int) -> npt.NDArray[np.bool_]:
    """Choose the fields to validate on, so that no group is on both sides.

    For each class, the held-out fraction is as near to the wanted one as whole groups allow: one group after another,
    always the one that brings all classes closest to it.

    Parameters
    ----------
    fields : pandas.DataFrame
        One row a field; columns ``plate, well, label`` and `by`.
    by : str
        Column whose values stay together: ``well`` (of one plate), or something coarser. By ``compound``, the wells of
        the negative controls are held out one by one: they are no compound.
    validation : float
        Fraction of each class's fields to hold out. At least one group of each class stays, and at least one is held
        out, unless that would take another class whole; where it is 0, none is.
    seed : int
        Makes the choice reproducible.

    Returns
    -------
    numpy.ndarray of bool
        True for the fields to validate on.

    Raises
    ------
    InputError
        If the column is missing, splits a well (such as ``field``), or a class has only one group.
    """
    group = _groups(fields, by)
    if not validation:
        return np.zeros(len(fields), bool)
    counts = pd.crosstab(group, fields["label"])
    held_by = counts > 0
    if single := [
        f"class {label!r} has only one {by} ({own.idxmax()})" for label, own in held_by.items() if own.sum() < 2
    ]:
        raise InputError(
            f"{', '.join(single)}; at least two are needed, one to learn from and one to validate on. Split by "
            "something finer (split.by), leave the class out (data.exclude), or add wells of it"
        )
    counts = counts.iloc[np.random.default_rng(seed).permutation(len(counts))]
    has = counts.to_numpy() > 0
    share = (counts / counts.sum()).to_numpy()
    held = np.zeros(len(counts), bool)
    while True:
        out = share[held].sum(axis=0)
        # Each addition must leave some of each class to learn from.
        free = ~held & ~(has & (has[~held].sum(axis=0) == 1)).any(axis=1)
        lacking = np.flatnonzero(~has[held].any(axis=0) & has[free].any(axis=0))
        if len(lacking):
            free &= has[:, lacking[has[:, lacking].sum(axis=0).argmin()]]
        cost = np.where(free, ((out + share - validation) ** 2).sum(axis=1), np.inf)
        best = cost.argmin()
        if not len(lacking) and cost[best] >= ((out - validation) ** 2).sum():
            return np.asarray(group.isin(counts.index[held]))
        held[best] = True


def split_folds(fields: pd.DataFrame, by: str, folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Deal the groups out to folds, so that each group is held out exactly once.

    Folds get equal shares of each class's fields, as far as whole groups allow: one group after another, largest first,
    goes to the fold that has least of its classes. Whichever fold is held out, two groups of each class are left: one
    to learn from, and one to validate on.

    Parameters
    ----------
    fields : pandas.DataFrame
        One row a field; columns ``plate, well, label`` and `by`.
    by : str
        Column whose values stay together, as `split_groups` takes it.
    folds : int
        Number of folds, at least two.
    seed : int
        Makes the choice reproducible.

    Returns
    -------
    numpy.ndarray of int
        The fold of each field, from 0.

    Raises
    ------
    InputError
        If the column is missing or splits a well, or there are too few groups; says how many folds there can be.
    """
    group = _groups(fields, by)
    counts = pd.crosstab(group, fields["label"])
    total = (counts > 0).sum()
    for label, count in total.items():
        if count < 3:
            raise InputError(
                f"class {label!r} has {count} {by}{'s' * (count > 1)}; cross-validation needs three of each class: "
                "one to hold out, one to validate on and one to learn from. Split by something finer (split.by)"
            )
    if not 2 <= folds <= len(counts):
        raise InputError(f"{folds} folds cannot be: with {len(counts)} {by}s there can be 2 to {len(counts)}")
    share = (counts / counts.sum()).iloc[np.random.default_rng(seed).permutation(len(counts))]
    held, groups = np.zeros((2, folds, len(total)))
    fold_of: dict[str, int] = {}
    for name in share.max(axis=1).sort_values(ascending=False, kind="stable").index:
        own = share.loc[name].to_numpy()
        full = ((groups + 2 >= total.to_numpy()) & (own > 0)).any(axis=1)
        if full.all():
            raise InputError(
                f"{folds} folds by {by} would leave less than two {by}s of a class to learn from and to validate on; "
                f"there can be {len(counts)} folds, each smaller"
            )
        crowd = ((held + own) ** 2 - held**2).sum(axis=1).round(9)
        fold = int(np.lexsort((groups.sum(axis=1), crowd, full))[0])
        held[fold] += own
        groups[fold] += own > 0
        fold_of[name] = fold
    return np.asarray(group.map(fold_of), np.int64)


def _groups(fields: pd.DataFrame, by: str) -> pd.Series[str]:
    if by not in fields.columns:
        raise InputError(
            f"cannot split by {by!r}: the plate map has no such column; it has {', '.join(fields.columns)}"
        )
    well = fields["plate"] + "/" + fields["well"]
    group = well if by == "well" else fields[by].astype(str)
    if by == "compound":
        group = group.where(fields["label"] != NEGATIVE, well)
    if fields.assign(group=group).drop_duplicates(["plate", "well", "group"]).duplicated(["plate", "well"]).any():
        raise InputError(
            f"cannot split by {by!r}: it would put fields of one well on both sides; split by well or coarser"
        )
    return group
