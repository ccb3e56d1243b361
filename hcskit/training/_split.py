"""Holding out: whole wells, compounds, plates or batches, never single fields."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from hcskit.errors import InputError

__all__ = ["split_groups"]


def split_groups(fields: pd.DataFrame, by: str, validation: float, seed: int) -> npt.NDArray[np.bool_]:
    """Choose the fields to validate on, class by class, so that no group is on both sides.

    Parameters
    ----------
    fields : pandas.DataFrame
        One row a field; columns ``plate, well, label`` and `by`.
    by : str
        Column whose values stay together: ``well`` (of one plate), or something coarser.
    validation : float
        Fraction of each class's groups to hold out; at least one group, and at least one stays.
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
    if by not in fields.columns:
        raise InputError(
            f"cannot split by {by!r}: the plate map has no such column; it has {', '.join(fields.columns)}"
        )
    group = fields["plate"] + "/" + fields["well"] if by == "well" else fields[by].astype(str)
    if fields.assign(group=group).drop_duplicates(["plate", "well", "group"]).duplicated(["plate", "well"]).any():
        raise InputError(
            f"cannot split by {by!r}: it would put fields of one well on both sides; split by well or coarser"
        )
    rng = np.random.default_rng(seed)
    held: set[str] = set()
    for label, names in group.groupby(fields["label"]):
        candidates = sorted(set(names))
        if len(candidates) < 2:
            raise InputError(
                f"class {label!r} has only one {by} ({candidates[0]}); at least two are needed, one to learn from and "
                "one to validate on"
            )
        count = min(max(1, round(validation * len(candidates))), len(candidates) - 1)
        # A group may hold several classes (a plate holds all of them): those held already count.
        free = [name for name in candidates if name not in held]
        needed = count - (len(candidates) - len(free))
        held.update(rng.permutation(free)[: max(0, needed)].tolist())
    chosen = np.asarray(group.isin(held))
    lost = set(fields["label"]) - set(fields["label"][~chosen])
    if lost:
        raise InputError(f"splitting by {by!r} leaves no field of {', '.join(sorted(lost))} to learn from; split finer")
    return chosen
