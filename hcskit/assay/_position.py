"""Does a reading depend on where its well is? Edge, row, column and drift effects of a plate, tested."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from hcskit.errors import InputError
from hcskit.plate import format_for, parse_well, row_name

__all__ = ["places", "position_effects"]

Floats = NDArray[np.float64]
_EFFECTS = ("edge", "row", "column", "drift")
_DEPENDENT = 1e-9  # relative size below which a direction of the covariance is rounding


def position_effects(
    points: pd.DataFrame, alike: Sequence[str] = ("role", "compound", "concentration")
) -> pd.DataFrame:
    """Test whether wells of the same treatment read differently in different places of a plate.

    Without an effect of the place, wells of one treatment could change places. So each test compares its statistic
    with that of all such exchanges, whatever the distribution of the values: readings are taken around the mean of
    their treatment and ranked (aligned ranks; Hodges & Lehmann, Ann. Math. Stat. 33:482, 1962), the mean and the
    covariance of the sums of ranks under the exchanges are exact (Strasser & Weber, Math. Meth. Stat. 8:220, 1999), and
    their quadratic form is compared with a beta distribution of the same mean (Wallace, J. Am. Stat. Assoc. 54:225,
    1959). With one treatment that is the test of Kruskal and Wallis for rows and columns, of Wilcoxon for the edge, and
    Spearman's correlation for the drift. Each of the four tests of a plate has p < 0.05 in about 5 % of plates without
    an effect (3.8 to 6.3 % measured).

    Parameters
    ----------
    points : pandas.DataFrame
        One row a well and readout: columns ``plate, well, readout, value`` and those of `alike`.
    alike : sequence of str
        Columns whose equal values are one treatment. In a primary screen, where each compound is in one well and most
        do nothing, ``["role"]`` compares all samples. A treatment in a single well says nothing, and is left out.

    Returns
    -------
    pandas.DataFrame
        Four rows a plate and readout: ``plate, readout, effect`` (edge, row, column, drift), ``p_value`` (NaN where no
        treatment is in several places), ``size`` in the unit of the readout, ``where`` and ``n_wells``. The size is,
        around the means of the treatments: of the edge, mean of the outermost rows and columns minus that of the
        others; of row and column, the mean that is furthest from zero, which `where` names; of the drift, the change
        along a line from the first well to the last, read row by row.

    Raises
    ------
    InputError
        If a column is missing, or a well has no name such as B07.
    """
    needed = ("plate", "well", "readout", "value", *alike)
    missing = [name for name in needed if name not in points]
    if missing:
        raise InputError(f"the table of points lacks {', '.join(missing)}; expected {', '.join(needed)}")
    rows = []
    for (plate, readout), own in points.groupby(["plate", "readout"], sort=True, observed=True):
        known = own[own["value"].notna()]
        size = known.groupby(list(alike), dropna=False, observed=True)["well"].transform("size")
        known = known[size > 1]
        treatment = known.groupby(list(alike), dropna=False, observed=True).ngroup().to_numpy().astype(np.int64)
        found = _of_plate(known["value"].to_numpy(float), treatment, places(own["well"]).loc[known.index])
        rows += [{"plate": plate, "readout": readout, "n_wells": len(known)} | row for row in found]
    columns = ["plate", "readout", "effect", "p_value", "size", "where", "n_wells"]
    return pd.DataFrame(rows, columns=columns)


def places(wells: pd.Series) -> pd.DataFrame:
    """Return where wells are: ``row, column`` (from 0), ``edge`` (truth) and ``order`` (row by row), index of `wells`.

    The plate is the smallest usual one that has all of them.
    """
    parsed = [parse_well(str(name)) for name in wells]
    size = format_for(parsed)
    row, column = np.array([own.row for own in parsed]), np.array([own.column for own in parsed])
    edge = (row == 0) | (row == size.rows - 1) | (column == 0) | (column == size.columns - 1)
    table = {"row": row, "column": column, "edge": edge, "order": row * size.columns + column}
    return pd.DataFrame(table, index=wells.index)


def _of_plate(value: Floats, treatment: NDArray[np.int64], place: pd.DataFrame) -> list[dict[str, object]]:
    if not len(value):
        return [{"effect": name, "p_value": np.nan, "size": np.nan, "where": ""} for name in _EFFECTS]
    count = np.bincount(treatment)
    aligned = value - (np.bincount(treatment, value) / count)[treatment]
    # Rounding must not break ties: equal readings of one treatment stay equal.
    rank = scipy.stats.rankdata(np.round(aligned, 12 - _digits(value)))
    row, column = place["row"].to_numpy(), place["column"].to_numpy()
    edge, order = place["edge"].to_numpy(), place["order"].to_numpy(float)
    line = order - (np.bincount(treatment, order) / count)[treatment]
    slope = aligned @ line / (line @ line) if (line @ line) > 0 else np.nan
    on, off = aligned[edge], aligned[~edge]
    row_size, row_at = _furthest(aligned, row)
    column_size, column_at = _furthest(aligned, column)
    found = {
        "edge": (edge[:, None], on.mean() - off.mean() if len(on) and len(off) else np.nan, ""),
        "row": (row[:, None] == np.unique(row), row_size, row_name(row_at)),
        "column": (column[:, None] == np.unique(column), column_size, str(column_at + 1)),
        "drift": (order[:, None], slope * np.ptp(order), ""),
    }
    return [
        {"effect": name, "p_value": _p_value(rank, of.astype(float), treatment), "size": float(size), "where": where}
        for name, (of, size, where) in found.items()
    ]


def _digits(value: Floats) -> int:
    largest = float(np.abs(value).max())
    return int(np.ceil(np.log10(largest))) if largest > 0 else 0


def _furthest(aligned: Floats, line: NDArray[np.int64]) -> tuple[float, int]:
    lines, member = np.unique(line, return_inverse=True)
    means = np.bincount(member, aligned) / np.bincount(member)
    worst = int(np.abs(means).argmax())
    return float(means[worst]), int(lines[worst])


def _p_value(rank: Floats, of: Floats, treatment: NDArray[np.int64]) -> float:
    """Return the p-value of the sums of ranks over the columns of `of`, shape (well, column), by treatment."""
    count = np.bincount(treatment)
    centred = rank - (np.bincount(treatment, rank) / count)[treatment]
    mean = np.stack([np.bincount(treatment, own) / count for own in of.T], axis=1)
    around = of - mean[treatment]
    variance = np.bincount(treatment, centred**2) / (count - 1)
    covariance = (around * variance[treatment][:, None]).T @ around
    difference = around.T @ centred
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _DEPENDENT * max(values.max(), np.finfo(float).tiny)
    if not kept.any():
        return float("nan")
    found = ((vectors.T @ difference)[kept] ** 2 / values[kept]).sum()
    directions, free = int(kept.sum()), len(rank) - len(count)
    if free <= directions:
        return float("nan")
    return float(scipy.stats.beta.sf(found / free, directions / 2, (free - directions) / 2))
