"""Projections beside the planes that they were made of."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

__all__ = ["without_projections"]


def without_projections(
    images: pd.DataFrame, is_projection: pd.Series, place: Sequence[str] = ("well", "field", "time", "channel")
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out the projections whose planes are there too.

    That is decided for each place by itself: where one well has planes and another only a 2-D image, this is no
    projection of the former.

    Parameters
    ----------
    images : pandas.DataFrame
        One row an image; has the columns of `place` and ``path``.
    is_projection : pandas.Series of bool
        Which of them are 2-D images that may be projections.
    place : sequence of str
        Columns that planes and their projection have in common.

    Returns
    -------
    images : pandas.DataFrame
        All planes, and the 2-D images of places without planes.
    left_out : tuple of str
        The files of the others.

    Examples
    --------
    >>> table = pd.DataFrame({"well": ["A01", "A01", "A02"], "z": [0, 1, 0], "path": ["p", "a", "b"]})
    >>> kept, left_out = without_projections(table, table.z == 0, ["well"])
    >>> list(kept.path), left_out
    (['a', 'b'], ('p',))
    """
    places = pd.MultiIndex.from_frame(images[list(place)])
    needless = is_projection.to_numpy() & places.isin(places[~is_projection.to_numpy()])
    return images[~needless], tuple(images.path[needless])
