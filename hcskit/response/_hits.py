"""Which compounds of a screen do something, at a stated rate of false positives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import fdtrc
from scipy.stats import false_discovery_control, median_abs_deviation, rankdata

from hcskit.assay import places
from hcskit.errors import InputError
from hcskit.response._model import Floats
from hcskit.response._permutation import permutation_test
from hcskit.response._prepared import Prepared, prepare
from hcskit.response._untreated import untreated_noise

__all__ = ["score_hits"]

_FEWEST_PLACES = 48  # wells of which the effect of the place is estimated
_NULL = 0.05  # p-value above which a compound tells of the place and not of itself
_NULL_SHARE = 1 / 3  # of the compounds: with fewer of them, all tell of the place
_ROUNDS = 30
_WELLS_A_KNOT = 40
_PLACE_MATTERS = 0.01  # p-value of the places below which they are taken off
_BISQUARE = 4.685  # 95 % efficiency with gaussian noise (Holland & Welsch, Comm. Stat. A6:813, 1977)
_LEAST_P = 1e-300


def score_hits(
    points: pd.DataFrame,
    *,
    by: Sequence[str] = (),
    false_positive_rate: float = 0.05,
    over: Literal["screen", "plate"] = "screen",
    effect: float = 3.0,
    permutations: int = 999,
    seed: int = 0,
) -> pd.DataFrame:
    """Score every compound and readout, and call hits at a stated rate of false positives.

    The p-value comes from a permutation test, which holds its rate whatever the distribution of the wells; one well
    alone makes no hit. What the place of a well on its plate adds is taken off first, if it adds something (p < 0.01):
    bends along rows and columns, and edges. They are fitted by a robust regression to the negative controls and to the
    wells of compounds that show nothing.

    Parameters
    ----------
    points, by
        As `fit_responses` takes them.
    false_positive_rate : float
        Share of compounds without effect that are called hits.
    over : {"screen", "plate"}
        Among which compounds the false-discovery rate is controlled: all with the readout, or those of the same plates.
    effect : float
        Size of the effect whose power is given, in standard deviations of untreated wells.
    permutations : int
        How many exchanges of wells are tried for each compound.
    seed : int
        Of their random numbers.

    Returns
    -------
    pandas.DataFrame
        Index (compound, readout, and the columns of `by`), sorted. ``hit_score``: -log10 of the p-value, 1.3 at
        p = 0.05; ``hit_p_value``; ``q_value``: the false-discovery rate of a list that ends with this compound
        (Benjamini & Hochberg, J. R. Stat. Soc. B 57:289, 1995); ``hit``: whether the p-value is at most the stated
        rate; ``power``: how probable it is that a sigmoid of the given effect, half-way in the middle of the tested
        range, would have been a hit; ``false_positive_rate`` and ``effect``, as given. A compound whose wells cannot
        show a curve is no hit, and has no score (NaN).

    Raises
    ------
    InputError
        As `fit_responses`; or if the rate is not between 0 and 1, or there are fewer than 19 permutations.
    """
    if not 0 < false_positive_rate < 1 or permutations < 19:
        raise InputError(
            f"false-positive rate {false_positive_rate:g} with {permutations} permutations; "
            "expected a rate between 0 and 1, and at least 19 permutations"
        )
    known = prepare(points, by)
    rng = np.random.default_rng(seed)
    value = known.table["value"].to_numpy(float)
    first = _tested(known, value, effect, false_positive_rate, min(permutations, 199), rng, treated=True)[0]
    value = _without_places(known, value, first)
    p_value, power = _tested(known, value, effect, false_positive_rate, permutations, rng)
    index = pd.MultiIndex.from_tuples(known.keys, names=["compound", "readout", *by])
    table: dict[str, object] = {"hit_score": -np.log10(np.maximum(p_value, _LEAST_P)), "hit_p_value": p_value}
    table |= {"q_value": _q_values(known, p_value, over), "hit": p_value <= false_positive_rate, "power": power}
    table |= {"false_positive_rate": false_positive_rate, "effect": effect}
    return pd.DataFrame(table, index=index).sort_index()


def _tested(
    known: Prepared,
    value: Floats,
    effect: float,
    rate: float,
    permutations: int,
    rng: np.random.Generator,
    *,
    treated: bool = False,
) -> tuple[Floats, Floats]:
    """Return p-values and power of all sources, NaN where the wells cannot show a curve; of treated wells alone."""
    c, plate = known.table["concentration"].to_numpy(float), known.plate
    groups: dict[tuple[bytes, bytes], list[tuple[int, NDArray[np.int64]]]] = defaultdict(list)
    for number, source in enumerate(known.sources):
        rows = source.rows[np.isfinite(value[source.rows])]
        rows = rows[c[rows] > 0] if treated else rows
        rows = rows[np.lexsort((plate[rows], c[rows]))]
        groups[c[rows].tobytes(), plate[rows].tobytes()].append((number, rows))
    p_value, power = np.full(len(known.sources), np.nan), np.full(len(known.sources), np.nan)
    for members in groups.values():
        rows = np.stack([own for _, own in members])
        wells = rows[0]
        if not _can_show_a_curve(c[wells], plate[wells]):
            continue
        numbers = [number for number, _ in members]
        response = value[rows]
        varies = np.ptp(response, axis=1) > 0
        p_value[numbers], power[numbers] = 1.0, 0.0
        own = plate[wells]
        size = effect * _noise(response, c[wells], own)
        found = permutation_test(c[wells], response[varies], own, size[varies], rate, permutations, rng)
        chosen = np.array(numbers)[varies]
        p_value[chosen], power[chosen] = found.p_value, found.power
    return p_value, power


def _can_show_a_curve(concentration: Floats, plate: NDArray[np.int64]) -> bool:
    """Two doses in four wells, and a plate with two concentrations: plates differ by more than their doses."""
    levels = np.unique(np.stack([concentration, plate]), axis=1).shape[1]
    doses = len(np.unique(concentration[concentration > 0]))
    return doses >= 2 and len(concentration) >= 4 and levels > len(np.unique(plate))


def _noise(response: Floats, concentration: Floats, plate: NDArray[np.int64]) -> Floats:
    """Return the standard deviation of an untreated well; without such wells, that of neighbours on the dose axis."""
    untreated = concentration == 0
    told = untreated_noise(response[:, untreated], plate[untreated])
    if told is not None:
        return told
    steps = [np.diff(response[:, plate == own], axis=1) for own in np.unique(plate)]
    return np.asarray(median_abs_deviation(np.concatenate(steps, axis=1), axis=1, scale="normal") / np.sqrt(2))


def _without_places(known: Prepared, value: Floats, p_value: Floats) -> Floats:
    """Take off what the places of wells add, plate by plate and readout by readout."""
    table = known.table
    try:
        place = places(table["well"])
    except InputError:
        return value  # the wells have no names that tell where they are
    quiet = known.owned_by(~(p_value <= _NULL))
    treated = known.owned_by(np.ones(len(p_value), dtype=bool))
    negative = (table["role"] == "negative_control").to_numpy()
    result = value.copy()
    member = table.groupby(["plate", "readout"], observed=True).ngroup().to_numpy()
    for rows in (np.flatnonzero(member == number) for number in np.unique(member[member >= 0])):
        enough = quiet[rows].sum() >= _NULL_SHARE * treated[rows].sum()
        use = rows[((quiet if enough else treated)[rows] | negative[rows]) & np.isfinite(value[rows])]
        if len(use) >= _FEWEST_PLACES:
            terms = pd.DataFrame(_terms(place.iloc[rows], len(use)), index=rows)
            if _p_value(terms.loc[use].to_numpy(), value[use]) < _PLACE_MATTERS:
                fitted = terms.to_numpy() @ _robust_regression(terms.loc[use].to_numpy(), value[use])
                result[rows] -= fitted - np.median(fitted)
    return result


def _terms(place: pd.DataFrame, wells: int) -> Floats:
    """Return what the place of a well may add: bends along rows and columns, a twist, and the edges."""
    row, column = place["row"].to_numpy(float), place["column"].to_numpy(float)
    knots = int(np.clip(wells // _WELLS_A_KNOT, 3, 6))
    bends = []
    for line in (row, column):
        nodes = np.linspace(line.min(), line.max(), knots)
        bends += [np.interp(line, nodes, unit) for unit in np.eye(knots)[1:]]
    from_edge = [np.minimum(line - line.min(), line.max() - line) for line in (row, column)]
    edges = [own == near for own in from_edge for near in (0, 1)]
    return np.column_stack([np.ones(len(row)), *bends, row * column, np.minimum(*from_edge) == 0, *edges])


def _p_value(terms: Floats, target: Floats) -> float:
    """F-test of a regression of ranks, which needs no distribution (Conover & Iman, Am. Stat. 35:124, 1981)."""
    rank = rankdata(target)
    rest = rank - terms @ np.linalg.lstsq(terms, rank, rcond=1e-10)[0]
    free, total = np.linalg.matrix_rank(terms), ((rank - rank.mean()) ** 2).sum()
    left = max(float(rest @ rest), 1e-300)
    ratio = (total - left) / (free - 1) / (left / (len(rank) - free))
    return float(fdtrc(free - 1, len(rank) - free, max(ratio, 0.0)))


def _robust_regression(terms: Floats, target: Floats) -> Floats:
    """Return coefficients of a regression with Tukey's bisquare weights."""
    size = np.maximum(np.abs(terms).max(axis=0), 1.0)
    weight = np.ones(len(target))
    for _ in range(_ROUNDS):
        root = np.sqrt(weight)
        found = np.linalg.lstsq(terms / size * root[:, None], target * root, rcond=1e-10)[0]
        rest = np.abs(target - terms / size @ found)
        limit = _BISQUARE * 1.4826 * np.median(rest)
        if limit == 0:
            break
        weight = np.clip(1 - (rest / limit) ** 2, 0.0, None) ** 2
    return np.asarray(found / size)


def _q_values(known: Prepared, p_value: Floats, over: str) -> Floats:
    """Return Benjamini and Hochberg's adjusted p-values among the compounds of a readout, or of its plates."""
    result = np.full(len(p_value), np.nan)
    family: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, (key, source) in enumerate(zip(known.keys, known.sources, strict=True)):
        plates = frozenset(known.plate[source.rows]) if over == "plate" else frozenset()
        if np.isfinite(p_value[number]):
            family[key[1], plates].append(number)
    for numbers in family.values():
        result[numbers] = false_discovery_control(p_value[numbers])
    return result
