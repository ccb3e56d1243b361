"""How far plates of one batch lie apart, and whether another plate lies further off."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy
from pydantic import BaseModel, ConfigDict

__all__ = ["Spread"]

_ERROR = 0.002  # of each comparison: some seven are made of a plate
_SHARE = 0.1  # plates differ at least by a third of what the wells of one differ by (standard deviations)


class Spread(BaseModel):
    """The wells of some plates, in a quantity or in a vector of them: where they lie, and how far apart.

    Attributes
    ----------
    mean : tuple of float
        Mean of the wells, of each coordinate.
    within, between : float
        Variances, added up over the coordinates: of the wells of a plate, and of the plates (0 if there is one).
    dimensions : float
        Effective number of coordinates, ``(tr S)² / tr S²`` of the wells' covariance ``S``.
    wells, plates : int
        How many there were.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: tuple[float, ...]
    within: float
    between: float
    dimensions: float
    wells: int
    plates: int

    @classmethod
    def of(cls, wells: npt.NDArray[np.float64], plate: npt.NDArray[np.generic]) -> Self:
        """Describe wells (well, coordinate), of which each is on a plate (well,).

        Examples
        --------
        >>> Spread.of(np.array([[1.0], [3.0], [6.0], [8.0]]), np.array(["a", "a", "b", "b"]))
        Spread(mean=(4.5,), within=2.0, between=11.5, dimensions=1.0, wells=4, plates=2)
        """
        _, number = np.unique(plate, return_inverse=True)
        counts = np.bincount(number)
        means = np.stack([wells[number == one].mean(axis=0) for one in range(len(counts))])
        rest, degrees = wells - means[number], len(wells) - len(counts)
        within = float(np.square(rest).sum() / degrees) if degrees else 0.0
        apart = float(means.var(axis=0, ddof=1).sum()) if len(counts) > 1 else 0.0
        return cls(
            mean=tuple(np.round(wells.mean(axis=0), 6).tolist()),
            within=within,
            between=max(0.0, apart - within * float(np.mean(1 / counts))) if len(counts) > 1 else 0.0,
            dimensions=_dimensions(rest, degrees),
            wells=len(wells),
            plates=len(counts),
        )

    def compare(self, wells: npt.NDArray[np.float64], slack: float) -> tuple[float, float]:
        """Tell how far the mean of another plate's wells lies off, and how far that of one of the same batch may lie.

        The squared distance over what is expected of it is taken to follow an F distribution: in one dimension
        Student's test, in more the test of Dempster (Biometrics 16:41, 1960), which needs no more wells than
        coordinates. A plate has an effect of its own, whose variance is that between the plates that are known, and
        never less than a tenth of that between wells, or than the square of `slack`: the plates learned from are
        few, often one.

        Parameters
        ----------
        wells : numpy.ndarray
            (well, coordinate), of one plate.
        slack : float
            Standard deviation of plates that nobody would call different.

        Returns
        -------
        distance, limit : float
            In the unit of the coordinates. The limit is infinite where nothing is known of the wells' spread.
        """
        count, mean = len(wells), wells.mean(axis=0)
        known, own = self.wells - self.plates, count - 1
        distance = float(np.linalg.norm(mean - np.array(self.mean)))
        if known + own < 1:
            return distance, math.inf
        within = (known * self.within + float(np.square(wells - mean).sum())) / (known + own)
        between = max(self.between, _SHARE * within, slack**2)
        expected = within * (1 / count + 1 / self.wells) + between * (1 + 1 / self.plates)
        quantile = scipy.stats.f.isf(_ERROR, self.dimensions, self.dimensions * (known + own))
        return distance, math.sqrt(expected * float(quantile))


def _dimensions(rest: npt.NDArray[np.float64], degrees: int) -> float:
    """Estimate ``(tr S)² / tr S²``, unbiased in ``tr S²`` (Bai & Saranadasa, Statistica Sinica 6:311, 1996)."""
    if degrees < 2:
        return 1.0
    gram = rest @ rest.T / degrees  # of the same trace and sum of squares as the covariance, and smaller
    trace, squares = float(np.trace(gram)), float(np.square(gram).sum())
    unbiased = degrees**2 / ((degrees + 2) * (degrees - 1)) * (squares - trace**2 / degrees)
    return float(np.clip(trace**2 / unbiased, 1, rest.shape[1])) if unbiased > 0 else 1.0
