"""Make the readings of plates comparable: on their controls, on their samples, or by row and column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from hcskit.assay._position import places
from hcskit.assay._surface import local_surface, median_polish
from hcskit.errors import InputError

__all__ = ["METHODS", "normalise"]

Floats = NDArray[np.float64]
_COLUMNS = ("plate", "well", "role", "readout", "value")


def normalise(points: pd.DataFrame, method: str = "percent-of-control") -> pd.DataFrame:
    """Normalise the readings of each plate and readout.

    With n the negative and p the positive controls, s the treatments (the samples) and ``mad`` the median absolute
    deviation times 1.4826:

    ==================== =============================================== ==============================================
    method               value                                           source
    ==================== =============================================== ==============================================
    percent-of-control   100 x / mean(n)                                 Malo et al., Nat. Biotechnol. 24:167 (2006)
    percent-inhibition   100 (mean(n) - x) / (mean(n) - mean(p))         the same ("normalised percent inhibition")
    robust-z             (x - median(s)) / mad(s)                        the same
    b-score              r / mad(r of s)                                 Brideau et al., J. Biomol. Screen. 8:634 (2003)
    loess                x - surface + median(surface of s)              Cleveland & Devlin, J. Am. Stat. Assoc. 83:596
                                                                         (1988); Boutros et al., Genome Biol. 7:R66
                                                                         (2006)
    ==================== =============================================== ==============================================

    r is what the median polish of rows and columns leaves (Tukey, *Exploratory Data Analysis*, 1977). The surface is a
    local regression, robust to outliers, over row and column. Both are found from the treatments; a control in a row or
    column without treatments keeps what its row and column have in common with others. They take a real effect that
    fills a row or a column for one of the place: use them where most samples do nothing, as in a primary screen.

    Parameters
    ----------
    points : pandas.DataFrame
        One row a well and readout: columns ``plate, well, role, readout, value``; others are carried along.
    method : str
        One of `METHODS`.

    Returns
    -------
    pandas.DataFrame
        The same rows with another ``value``; a well without one (NaN) stays so.

    Raises
    ------
    InputError
        If the method is unknown, a column is missing, or a plate lacks the wells that a method needs.

    Examples
    --------
    >>> wells = pd.DataFrame({"plate": "P1", "well": ["A01", "A02", "A03"], "readout": "cells", "value": [80.0, 20, 50],
    ...                       "role": ["negative_control", "positive_control", "treatment"]})
    >>> normalise(wells, "percent-inhibition")["value"].tolist()
    [0.0, 100.0, 50.0]
    """
    if method not in METHODS:
        raise InputError(f"unknown method of normalisation {method!r}; known: {', '.join(METHODS)}")
    missing = [name for name in _COLUMNS if name not in points]
    if missing:
        raise InputError(f"the table of points lacks {', '.join(missing)}; expected {', '.join(_COLUMNS)}")
    value = points["value"].to_numpy(float, copy=True)
    member = points.groupby(["plate", "readout"], observed=True).ngroup().to_numpy()
    for number in np.unique(member[member >= 0]):
        own = points[member == number]
        try:
            value[member == number] = METHODS[method](own)
        except InputError as error:
            where = own.iloc[0]
            raise InputError(f"plate {where['plate']}, readout {where['readout']}: {error}") from None
    return points.assign(value=value)


def _percent_of_control(wells: pd.DataFrame) -> Floats:
    return np.asarray(100 * wells["value"] / _mean(wells, "negative_control"))


def _percent_inhibition(wells: pd.DataFrame) -> Floats:
    negative, positive = _mean(wells, "negative_control"), _mean(wells, "positive_control")
    if negative == positive:
        raise InputError(f"both controls average {negative:g}; percent inhibition needs two that differ")
    return np.asarray(100 * (negative - wells["value"]) / (negative - positive))


def _robust_z(wells: pd.DataFrame) -> Floats:
    samples = _of(wells, "treatment")
    return np.asarray((wells["value"] - np.median(samples)) / _spread(samples))


def _b_score(wells: pd.DataFrame) -> Floats:
    value, row, column, sample = _placed(wells)
    rest = median_polish(value, row, column, sample)
    return np.asarray(rest / _spread(rest[sample]))


def _loess(wells: pd.DataFrame) -> Floats:
    value, row, column, sample = _placed(wells)
    surface = local_surface(value, row, column, sample)
    return np.asarray(value - surface + np.median(surface[sample]))


#: How to normalise the wells of one plate and readout.
METHODS: Mapping[str, Callable[[pd.DataFrame], Floats]] = MappingProxyType(
    {
        "percent-of-control": _percent_of_control,
        "percent-inhibition": _percent_inhibition,
        "robust-z": _robust_z,
        "b-score": _b_score,
        "loess": _loess,
    }
)


def _of(wells: pd.DataFrame, role: str) -> Floats:
    values = wells.loc[(wells["role"] == role) & wells["value"].notna(), "value"].to_numpy(float)
    if not len(values):
        raise InputError(f"no well of the role {role} has a value, which this normalisation needs")
    return np.asarray(values)


def _mean(wells: pd.DataFrame, role: str) -> float:
    return float(_of(wells, role).mean())


def _spread(values: Floats) -> float:
    spread = float(scipy.stats.median_abs_deviation(values, scale="normal"))
    if not spread > 0:
        raise InputError(f"half of its {len(values)} treatments or more read the same; there is no scale to divide by")
    return spread


def _placed(wells: pd.DataFrame) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return values, rows, columns, and which wells are samples with a value."""
    place = places(wells["well"])
    sample = ((wells["role"] == "treatment") & wells["value"].notna()).to_numpy()
    _of(wells, "treatment")
    return wells["value"].to_numpy(float), place["row"].to_numpy(), place["column"].to_numpy(), sample
