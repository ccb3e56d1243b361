"""What there is to fit in a table of wells: for each curve its wells, and the controls of their plates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hcskit.errors import InputError
from hcskit.response._fit import readout_limits
from hcskit.response._many import Task
from hcskit.response._model import Floats
from hcskit.response._points import (
    MINIMUM_CONCENTRATIONS,
    NETWORK,
    checked,
    compound_units,
    in_one_unit,
    titrated,
)

__all__ = ["Controls", "Prepared", "Source", "median", "prepare"]


@dataclass(frozen=True, slots=True)
class Controls:
    """Controls of one plate and readout: rows of the negative ones, and the positive ones' values by compound."""

    rows: NDArray[np.int64]
    negative: Floats
    positive: dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Source:
    """What a curve is fitted to.

    Attributes
    ----------
    rows : ndarray of int
        Of the table.
    plates : list of Controls
        Of the plates that they are on.
    limits : tuple of float
        Range of the readout.
    peers : tuple of str
        What curves that were measured alike have in common: readout, what else tells curves apart, and plates.
    """

    rows: NDArray[np.int64]
    plates: list[Controls]
    limits: tuple[float, float]
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked table, with the curves that it holds.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a well and readout, numbered from 0.
    units : dict of str to str
        Unit of each compound.
    keys : list of tuple
        Compound, readout and further values that tell curves apart.
    sources : list of Source
        What each curve is fitted to.
    plate : ndarray of int, shape (row,)
        Number of each row's plate.
    """

    table: pd.DataFrame
    units: dict[str, str]
    keys: list[tuple[str, ...]]
    sources: list[Source]
    plate: NDArray[np.int64]

    def owned_by(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which rows are treated wells of some of the curves."""
        found = np.zeros(len(self.table), dtype=bool)
        for source, own in zip(self.sources, chosen, strict=True):
            found[source.rows] |= own
        return found & (self.table["concentration"] > 0).to_numpy()

    def tasks(self, least_effect: float, *, fixed_top: bool = False) -> list[Task]:
        """Return what the engine is to fit; with a fixed top, to end at the median of the positive controls."""
        names = [name for name in self.table if re.fullmatch(NETWORK.format(r"\d+"), str(name))]
        networks = self.table[names].to_numpy(dtype=float).T if names else np.empty((0, len(self.table)))
        concentration, value = self.table["concentration"].to_numpy(), self.table["value"].to_numpy()
        return [
            Task(
                concentration=concentration[own.rows],
                response=value[own.rows],
                plate=np.unique(self.plate[own.rows], return_inverse=True)[1].astype(np.int64),
                networks=networks[:, own.rows],
                full_scale=_full_scale(own.plates),
                limits=own.limits,
                least_effect=least_effect,
                top=_level_of_positive(own.plates, key) if fixed_top else None,
                peers=own.peers,
            )
            for key, own in zip(self.keys, self.sources, strict=True)
        ]


def prepare(
    points: pd.DataFrame, by: Sequence[str] = (), limits: Mapping[str, tuple[float, float]] | None = None
) -> Prepared:
    """Check a table of wells and sort it into curves; see `hcskit.response.fit_responses`."""
    table = checked(points, by)
    units = compound_units(table)
    table = in_one_unit(table, units).reset_index(drop=True)
    sources = dict(_sources(table, list(by), limits or {}))
    plate = np.unique(table["plate"].astype(str), return_inverse=True)[1].astype(np.int64)
    return Prepared(table, units, list(sources), list(sources.values()), plate)


def _sources(
    table: pd.DataFrame, by: list[str], limits: Mapping[str, tuple[float, float]]
) -> Iterator[tuple[tuple[str, ...], Source]]:
    """Yield the key of each curve and what it is fitted to."""
    unknown = set(limits) - set(table["readout"].astype(str))
    if unknown:
        raise InputError(f"limits are given for {', '.join(sorted(unknown))}, which is no readout of the table")
    plate, known = table["plate"].to_numpy(), table["value"].notna().to_numpy()
    curve = (table["role"] == "treatment") | titrated(table)
    for readout, everything in table.groupby("readout", observed=True):
        ends = limits.get(str(readout)) or readout_limits(everything["value"].to_numpy())
        for values, wells in everything.groupby(by, observed=True) if by else [((), everything)]:
            plates = {name: _controls(own) for name, own in wells.groupby("plate", observed=True)}
            for compound, treated in wells[curve[wells.index]].groupby("compound").groups.items():
                rows = treated.to_numpy()
                names = list(dict.fromkeys(plate[rows[known[rows]]]))
                used = [plates[name] for name in names]
                together = np.concatenate([rows, *(own.rows for own in used)])
                key = (str(readout), *map(str, values))
                yield (str(compound), *key), Source(together, used, ends, (*key, *sorted(map(str, names))))


def _controls(wells: pd.DataFrame) -> Controls:
    negative = wells[wells["role"] == "negative_control"]
    positive = wells[wells["role"] == "positive_control"]
    return Controls(
        rows=negative.index.to_numpy(),
        negative=negative["value"].to_numpy(),
        positive={str(name): _at_its_most(own) for name, own in positive.groupby("compound")},
    )


def _at_its_most(wells: pd.DataFrame) -> Floats:
    """Return the values of a positive control; of a titrated one those at its highest concentration."""
    if wells["concentration"].nunique() >= MINIMUM_CONCENTRATIONS:
        wells = wells[wells["concentration"] == wells["concentration"].max()]
    return np.asarray(wells["value"].to_numpy())


def _full_scale(plates: list[Controls]) -> float | None:
    """Largest change that a positive control shows, by medians; none without both kinds of control."""
    found = _most_different(plates)
    return None if found is None else abs(found[1] - found[0])


def _level_of_positive(plates: list[Controls], key: tuple[str, ...]) -> float:
    found = _most_different(plates)
    if found is None:
        raise InputError(
            f"the top of {', '.join(key)} is to be that of the positive controls, but its plates have none that differ "
            "from the negative controls"
        )
    return found[1]


def _most_different(plates: list[Controls]) -> tuple[float, float] | None:
    """Return the median of the negative controls, and that of the positive control that differs most from it."""
    negative = median(np.concatenate([np.empty(0), *(plate.negative for plate in plates)]))
    names = sorted({name for plate in plates for name in plate.positive})
    levels = [
        median(np.concatenate([plate.positive[name] for plate in plates if name in plate.positive])) for name in names
    ]
    levels = [level for level in levels if abs(level - negative) > 0]
    return (negative, max(levels, key=lambda level: abs(level - negative))) if levels else None


def median(values: Floats) -> float:
    """Return the median of what is known; NaN without any."""
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else np.nan
