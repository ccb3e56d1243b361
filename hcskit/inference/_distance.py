"""How far a well is from the negative controls of its plate, whatever the phenotype: where nothing shows the others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from hcskit.data import NEGATIVE
from hcskit.inference._strength import known_roles, with_networks
from hcskit.training import ModelCard, shrunk

__all__ = ["distances", "gather_distances"]

_LEAST = 2  # negative controls that tell how far they lie apart


def distances(
    features: npt.ArrayLike, negative: npt.ArrayLike, unevenness: npt.ArrayLike | None = None
) -> npt.NDArray[np.float64]:
    """Tell how far the wells of a plate lie from its negative controls: 0 is as far as these lie apart themselves.

    With the mean ``n`` of the negative controls, a well ``x`` has the squared distance ``(x - n) · S⁻¹(x - n)``
    (Mahalanobis 1936), where ``S`` is that of `positions`. It is divided by what is expected of one more negative
    control, from the distances of each to the mean of the others, and this share is taken off: the root of what is left
    grows in proportion to a phenotype, so that half of it is half of the effect.

    Parameters
    ----------
    features : array_like of float, shape (well, network, feature)
        Of one plate.
    negative : array_like of bool, shape (well,)
        Which wells are negative controls; two at least.
    unevenness : array_like of float, shape (network, feature, feature), optional
        ``S``. By default, and of a network of which it is 0, a sphere.

    Returns
    -------
    numpy.ndarray
        (well, network), dimensionless and not negative. NaN where negative controls do not differ.

    Examples
    --------
    >>> wells = np.array([-1.0, 1.0, 3.0, 5.0])[:, np.newaxis, np.newaxis]
    >>> distances(wells, [True, True, False, False])[:, 0].round(2).tolist()
    [0.0, 0.0, 1.41, 2.71]
    """
    x, untreated = np.moveaxis(np.asarray(features, float), 1, 0), np.asarray(negative, bool)
    count = int(untreated.sum())
    rest = x - x[:, untreated].mean(axis=1, keepdims=True)
    spread = np.zeros((len(x), *[x.shape[2]] * 2)) if unevenness is None else np.asarray(unevenness, float)
    turned = np.moveaxis(np.linalg.solve(shrunk(spread), np.moveaxis(rest, 1, 2)), 1, 2)
    squared = (rest * turned).sum(axis=-1)
    # A negative control pulls the mean towards itself: it is compared with the others'.
    squared[:, untreated] *= (count / (count - 1)) ** 2
    apart = squared[:, untreated].mean(axis=1, keepdims=True) * (count - 1) / count
    expected = apart * np.where(untreated, count / (count - 1), (count + 1) / count)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sqrt(np.maximum(squared / expected - 1, 0))
    return np.where(np.isfinite(found), found, np.nan).T


def gather_distances(
    features: Mapping[str, xr.DataArray],
    unevenness: Mapping[str, xr.DataArray],
    plates: Mapping[str, xr.Dataset],
    card: ModelCard,
) -> pd.DataFrame | None:
    """Tell how far each well is from the negative controls, on the plates that have two of them or more.

    Parameters
    ----------
    features, unevenness, plates, card
        As `gather_strengths` takes them.

    Returns
    -------
    pandas.DataFrame or None
        Index ``plate, well``: ``distance``, and of an ensemble also what each network says, ``network_1`` and so on.
        None if no plate has negative controls.
    """
    known = known_roles(features, plates, card)
    if known is None:
        return None
    is_negative = known["role"] == NEGATIVE
    spread = np.mean([own.to_numpy() for own in unevenness.values()], axis=0)
    parts = []
    for plate, own in features.items():
        negative = is_negative.to_numpy()[known.index.get_level_values("plate") == plate]
        if negative.sum() < _LEAST:
            continue
        found = distances(own, negative, spread)
        index = pd.MultiIndex.from_product([[plate], own["well"].to_numpy()], names=["plate", "well"])
        parts.append(with_networks(pd.DataFrame({"distance": found.mean(axis=1)}, index), found))
    return pd.concat(parts) if parts else None
