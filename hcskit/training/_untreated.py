"""What the negative controls look like that a network learned from; later plates are compared with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import BaseModel, ConfigDict

from hcskit.training._metric import Metric
from hcskit.training._spread import Spread

__all__ = ["ENOUGH_WELLS", "LOGARITHMIC", "Untreated", "light_quantities"]

#: So many negative control wells are needed to bring a plate to another's brightness.
ENOUGH_WELLS = 2
#: Quantities that are compared as logarithms.
LOGARITHMIC = ("signal", "sharpness")


class Untreated(BaseModel):
    """What the negative controls that a network learned from look like.

    Attributes
    ----------
    light : dict
        Quantity and channel to the spread of the wells; see `light_quantities`.
    appearance : Spread
        Of the wells in the features of all networks, the images brought to the brightness that each plate is read at;
        placed by `metric`.
    phenotypes : dict
        Name of each other class to the mean of its wells, placed likewise.
    metric : Metric or None
        By what the crops of one well differ in these features. None in the cards of before it was kept, and of networks
        with more than a thousand features.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    light: dict[str, dict[str, Spread]]
    appearance: Spread
    phenotypes: dict[str, tuple[float, ...]]
    metric: Metric | None = None

    @property
    def nearest(self) -> float:
        """How far the nearest phenotype lies from the negative controls."""
        mean = np.array(self.appearance.mean)
        return min(float(np.linalg.norm(np.array(other) - mean)) for other in self.phenotypes.values())

    def placed(self, features: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return wells (well, network, feature) as points (well, coordinate), whose distances are compared."""
        plain = np.asarray(features, float)
        return plain.reshape(len(plain), -1) if self.metric is None else self.metric.whitened(plain)

    def ends(self, networks: int) -> npt.NDArray[np.float64]:
        """Return the mean of the negative controls and that of each phenotype in the features themselves.

        Parameters
        ----------
        networks : int
            How many there are.

        Returns
        -------
        ndarray of float, shape (1 + phenotype, network, feature)
        """
        points = np.array([self.appearance.mean, *self.phenotypes.values()])
        return points.reshape(len(points), networks, -1) if self.metric is None else self.metric.features(points)


def light_quantities(light: xr.DataArray) -> Iterator[tuple[str, str, npt.NDArray[np.float64]]]:
    """Give the name of each quantity, the channel, and the values of the wells (well, 1); some as natural logarithms.

    Parameters
    ----------
    light : xarray.DataArray
        (well, look, channel), as `hcskit.data.gather_light` returns it.
    """
    for channel in light["channel"].to_numpy().tolist():
        own = light.sel(channel=channel)
        yield "background", channel, own.sel(look="background").to_numpy()[:, np.newaxis]
        yield "signal", channel, _log(own.sel(look="variance").to_numpy()[:, np.newaxis]) / 2
        yield "sharpness", channel, _log(own.sel(look="sharpness").to_numpy()[:, np.newaxis])


def _log(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Take logarithms; an image without any contrast has none."""
    return np.log(np.maximum(values, np.finfo(np.float32).tiny))
