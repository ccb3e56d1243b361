"""By what the crops of one well differ: the scale on which differences between wells are measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from pydantic import BaseModel, ConfigDict
from scipy.linalg import solve_triangular

__all__ = ["Metric", "gather_unevenness", "shrunk"]

_SHRINKAGE = 0.1  # of correlations towards none (docs/readouts.md compares)
_DEAD = 1e-6  # of the mean variance: a feature that is nearly the same in all crops
_FACTORS = 8  # of each network's correlations: more change no distance by a tenth, and make the card long
_Floats = npt.NDArray[np.float64]


class Metric(BaseModel):
    """The covariance ``S`` of the crops of one well, of each network, as few numbers as a card may hold.

    Crops of one well were treated alike, so what they differ by anyway counts little in the distance of Mahalanobis,
    and what they hardly differ by counts much. Of the correlations the leading factors are kept: what a feature shares
    with others. The rest of its variance is its own (the model of factor analysis).

    Attributes
    ----------
    scale : tuple of tuple of float
        Standard deviation of each feature, (network, feature).
    factors : tuple of tuple of tuple of float
        Correlation of each feature with each factor, (network, factor, feature), shrunk as `shrunk` does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: tuple[tuple[float, ...], ...]
    factors: tuple[tuple[tuple[float, ...], ...], ...]

    @classmethod
    def of(cls, unevenness: npt.NDArray[Any]) -> Self:
        """Describe a covariance (network, feature, feature), as `gather_unevenness` returns it of a plate."""
        covariance = shrunk(np.asarray(unevenness, float))
        scale = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        correlation = covariance / (scale[:, :, np.newaxis] * scale[:, np.newaxis])
        # What is left on the diagonal is noise of each feature's own, and belongs to no factor.
        units = np.eye(scale.shape[1])
        values, vectors = np.linalg.eigh(correlation - _SHRINKAGE * units)
        kept = np.sqrt(np.clip(values[:, np.newaxis, -_FACTORS:], 0, None)) * vectors[..., -_FACTORS:]
        rounded = np.round(np.moveaxis(kept, 1, 2), 4).tolist()
        return cls(
            scale=tuple(tuple(float(f"{value:.6g}") for value in own) for own in scale),
            factors=tuple(tuple(tuple(factor) for factor in own) for own in rounded),
        )

    def whitened(self, features: npt.NDArray[Any]) -> _Floats:
        """Return wells (well, network, feature) such that their distance is that of Mahalanobis: (well, coordinate).

        Examples
        --------
        >>> metric = Metric(scale=((2.0, 1.0),), factors=(((0.0, 0.0),),))
        >>> metric.whitened(np.array([[[2.0, 1.0]]])).tolist()
        [[1.0, 1.0]]
        >>> metric.features(np.array([[1.0, 1.0]])).tolist()
        [[[2.0, 1.0]]]
        """
        parts = [
            solve_triangular(root, (features[:, number] / scale).T, lower=True).T
            for number, (scale, root) in enumerate(self._roots())
        ]
        return np.concatenate(parts, axis=1)

    def features(self, points: npt.NDArray[Any]) -> _Floats:
        """Return the wells (well, network, feature) of which `whitened` makes these points."""
        parts = np.split(np.asarray(points, float), len(self.scale), axis=1)
        return np.stack([part @ root.T * scale for part, (scale, root) in zip(parts, self._roots(), strict=True)], 1)

    def _roots(self) -> Iterator[tuple[_Floats, _Floats]]:
        """Give for each network the scale of its features, and a root of their correlations."""
        for scale, factors in zip(np.array(self.scale), np.array(self.factors), strict=True):
            own = np.diag(1 - np.square(factors).sum(axis=0))
            yield scale, np.linalg.cholesky(factors.T @ factors + own)


def gather_unevenness(fields: pd.DataFrame, crops: Sequence[npt.NDArray[Any]]) -> dict[str, xr.DataArray]:
    """Tell by how much the crops of one well differ in their features, on average over the wells of a plate.

    Parameters
    ----------
    fields : pandas.DataFrame
        One row a field; columns ``plate, well, field``.
    crops : sequence of numpy.ndarray
        Features (crop, network, feature) of each field.

    Returns
    -------
    dict of str to xarray.DataArray
        Of each plate, by name: float32 (network, feature, feature_too), the covariance; 0 where each well has one crop.
    """
    found: dict[str, xr.DataArray] = {}
    for plate, own in fields.reset_index(drop=True).groupby("plate", sort=False):
        sums, degrees = np.zeros((crops[0].shape[1], *[crops[0].shape[2]] * 2)), 0
        for wells in own.groupby("well").groups.values():
            x = np.concatenate([np.asarray(crops[number], float) for number in wells]).transpose(1, 0, 2)
            rest = x - x.mean(axis=1, keepdims=True)
            sums += np.moveaxis(rest, 1, 2) @ rest
            degrees += x.shape[1] - 1
        covariance = (sums / max(1, degrees)).astype(np.float32)
        found[str(plate)] = xr.DataArray(covariance, dims=("network", "feature", "feature_too"))
    return found


def shrunk(unevenness: _Floats) -> _Floats:
    """Return ``S`` (network, feature, feature) with its correlations shrunk; a sphere where it is 0."""
    units = np.eye(unevenness.shape[-1])
    size = np.trace(unevenness, axis1=1, axis2=2)[:, np.newaxis, np.newaxis] / len(units)
    own = np.where(units, 1, 1 - _SHRINKAGE) * unevenness + _DEAD * size * units
    return np.asarray(np.where(size > 0, own, units), np.float64)
