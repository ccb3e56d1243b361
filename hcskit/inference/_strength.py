"""The strength of a phenotype: how far a well has come from the negative to the positive controls of its plate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from hcskit.data import with_stand_ins
from hcskit.screen import treated_fields
from hcskit.training import ModelCard, shrunk

__all__ = [
    "gather_features",
    "gather_strengths",
    "known_roles",
    "positions",
    "with_networks",
]

_KEY = "phenotype"
_RIDGE = 0.05  # of a line's mean squared length
_Floats = npt.NDArray[np.float64]


def positions(
    features: npt.ArrayLike,
    plate: npt.ArrayLike,
    negative: npt.ArrayLike,
    positive: npt.ArrayLike,
    unevenness: npt.ArrayLike | None = None,
) -> _Floats:
    """Place wells on the lines from the negative to the positive controls: 0 is the mean of these, 1 of those.

    With one phenotype, on one plate with the means ``n`` and ``p``, a well ``x`` lies at
    ``(x - n) · S⁻¹(p - n) / (p - n) · S⁻¹(p - n)``, where ``S`` is the covariance of the crops of one well: features in
    which the parts of a well differ anyway, because cells are few or dense, count little. With several the lines are
    not at right angles, and a well is what they have to be added up to: least squares, as in linear unmixing, with a
    small ridge (Hoerl & Kennard, Technometrics 12:55, 1970), so that phenotypes that look alike do not read noise as
    one minus the other.

    Plates share the directions, the means over them; where a line begins and ends is each plate's own. A plate without
    negative controls begins where the others do on average; one without positive controls is as long as they are.
    ``S`` is known from all wells, whatever their treatment: what a phenotype adds to it lies along its own line, which
    does not turn the direction in which wells are read. So two wells of a control are enough. The correlations in it
    are shrunk by 0.1, as there may be more features than crops (Schäfer & Strimmer, Stat. Appl. Genet. Mol. Biol.
    4:32, 2005).

    Parameters
    ----------
    features : array_like of float, shape (well, network, feature)
        Each network has lines of its own.
    plate : array_like, shape (well,)
        Which plate each well is on.
    negative : array_like of bool, shape (well,)
        Which wells are negative controls.
    positive : array_like of bool, shape (phenotype, well)
        Which wells are positive controls of each phenotype.
    unevenness : array_like of float, shape (network, feature, feature), optional
        ``S``. By default, and of a network of which it is 0, a sphere.

    Returns
    -------
    numpy.ndarray
        (well, network, phenotype), dimensionless, not limited to 0 to 1. NaN where a control is missing on all plates,
        or a network sees no difference between them.

    Examples
    --------
    >>> wells = np.array([[0.0, 0.0], [4.0, 0.0], [1.0, 7.0]])[:, np.newaxis]
    >>> positions(wells, ["a"] * 3, [True, False, False], [[False, True, False]])[:, 0, 0].tolist()
    [0.0, 1.0, 0.25]
    """
    x = np.moveaxis(np.asarray(features, float), 1, 0)
    names, number = np.unique(np.asarray(plate), return_inverse=True)
    low = _filled(_means(x, number, len(names), np.asarray(negative, bool)))
    steps = [_means(x, number, len(names), own) - low for own in np.asarray(positive, bool)]
    lines = np.stack([_mean(step) for step in steps], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        directions = lines if unevenness is None else _turned(lines, np.asarray(unevenness, float))
        gram = directions @ np.moveaxis(lines, 1, 2)
        ridge = _RIDGE * np.trace(gram, axis1=1, axis2=2) / len(steps)
        readers = np.linalg.solve(gram + ridge[:, np.newaxis, np.newaxis] * np.eye(len(steps)), directions)
        ends = np.stack([(_filled(step) * readers[:, [k]]).sum(-1) for k, step in enumerate(steps)], axis=-1)
        found = (x - low[:, number]) @ np.moveaxis(readers, 1, 2) / ends[:, number]
    return np.moveaxis(np.where(np.isfinite(found), found, np.nan), 0, 1)


def gather_features(fields: pd.DataFrame, crops: Sequence[npt.NDArray[Any]]) -> dict[str, xr.DataArray]:
    """Average the features of crops over fields, and then over wells.

    Parameters
    ----------
    fields : pandas.DataFrame
        One row a field; columns ``plate, well, field``.
    crops : sequence of numpy.ndarray
        Features (crop, network, feature) of each field.

    Returns
    -------
    dict of str to xarray.DataArray
        Of each plate, by name: float32 (well, network, feature).
    """
    each = np.stack([np.asarray(own, float).mean(axis=0) for own in crops])
    keys = pd.MultiIndex.from_frame(fields[["plate", "well"]])
    wells = keys.unique().sort_values()
    number = wells.get_indexer(keys)
    found: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    for one, (plate, well) in enumerate(wells):
        found.setdefault(plate, {})[well] = each[number == one].mean(axis=0).astype(np.float32)
    return {
        plate: xr.DataArray(np.stack(list(own.values())), {"well": list(own)}, ("well", "network", "feature"))
        for plate, own in found.items()
    }


def gather_strengths(
    features: Mapping[str, xr.DataArray],
    unevenness: Mapping[str, xr.DataArray],
    plates: Mapping[str, xr.Dataset],
    card: ModelCard,
) -> pd.DataFrame | None:
    """Tell the strength of each phenotype in each well of plates that have controls of it.

    Parameters
    ----------
    features, unevenness : mapping
        As `gather_features` and `gather_unevenness` return them.
    plates : mapping
        Plates by name, with their plate maps.
    card : ModelCard
        Of the model. The controls of a phenotype are the wells that its recipe learns it from.

    Returns
    -------
    pandas.DataFrame or None
        Index ``plate, well, phenotype``: ``strength``, and of an ensemble also what each network reads,
        ``network_1`` and so on. Only phenotypes of which there are controls; None if there are none.
    """
    section, known = card.recipe.data, known_roles(features, plates, card)
    if known is None or section.classes not in known:
        return None
    wells, means = known.index, np.concatenate([own.to_numpy() for own in features.values()])
    negative = (known["role"] == "negative_control").to_numpy()
    learned = known["role"].isin(section.roles).to_numpy() & ~negative
    own = {name: learned & (known[section.classes].astype(str) == name).to_numpy() for name in card.classes}
    phenotypes = [name for name, wells_of in own.items() if wells_of.any() and name != card.negative_class]
    if not phenotypes or not negative.any():
        return None
    spread = np.mean([unevenness[plate].to_numpy() for plate in features], axis=0)
    found = positions(means, wells.get_level_values("plate"), negative, [own[name] for name in phenotypes], spread)
    rows = found.transpose(0, 2, 1).reshape(-1, found.shape[1])
    index = [(*well, name) for well in wells for name in phenotypes]
    table = pd.DataFrame({"strength": rows.mean(axis=1)}, pd.MultiIndex.from_tuples(index, names=[*wells.names, _KEY]))
    return with_networks(table, rows)


def with_networks(table: pd.DataFrame, values: _Floats) -> pd.DataFrame:
    """Add what each network of an ensemble says, of values (row, network); a lone network's is there already."""
    networks = {f"network_{number}": column for number, column in enumerate(values.T, 1)}
    return table.assign(**networks) if len(networks) > 1 else table


def known_roles(
    features: Mapping[str, xr.DataArray], plates: Mapping[str, xr.Dataset], card: ModelCard
) -> pd.DataFrame | None:
    """Return the treatments of the wells that features are of, index ``plate, well``; None without plate maps."""
    if not all("role" in plates[plate].coords for plate in features):
        return None
    treatments = treated_fields(plates).drop_duplicates(["plate", "well"])
    if card.stand_ins and set(features) <= set(card.data):  # what stood in for controls in training, does so here
        treatments = with_stand_ins(treatments.reset_index(drop=True), card.recipe.data)
    index = [(plate, well) for plate, own in features.items() for well in own["well"].to_numpy()]
    wells = pd.MultiIndex.from_tuples(index, names=["plate", "well"])
    return treatments.set_index(["plate", "well"]).reindex(wells)


def _turned(lines: _Floats, unevenness: _Floats) -> _Floats:
    """Return the directions ``S⁻¹(p - n)`` (network, phenotype, feature) in which wells on these lines are read."""
    turned = np.linalg.solve(shrunk(unevenness), np.moveaxis(lines, 1, 2))
    return np.asarray(np.moveaxis(turned, 1, 2), np.float64)


def _means(x: _Floats, number: npt.NDArray[np.int64], count: int, chosen: npt.NDArray[np.bool_]) -> _Floats:
    """Return the mean of the chosen wells of each plate (network, plate, feature), NaN where there are none."""
    empty = np.full((len(x), x.shape[2]), np.nan)
    own = [x[:, chosen & (number == plate)] for plate in range(count)]
    return np.stack([wells.mean(axis=1) if wells.shape[1] else empty for wells in own], axis=1)


def _filled(means: _Floats) -> _Floats:
    """Give plates that have none the mean of those that have."""
    return np.where(np.isnan(means), _mean(means)[:, np.newaxis], means)


def _mean(means: _Floats) -> _Floats:
    """Average over the plates (network, plate, feature) that have a mean."""
    there = ~np.isnan(means[0, :, 0])
    mean: _Floats = means[:, there].mean(axis=1) if there.any() else np.full((len(means), means.shape[2]), np.nan)
    return mean
