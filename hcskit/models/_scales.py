"""How many scales an image has room for."""

from __future__ import annotations

import math

from hcskit.errors import InputError

__all__ = ["MOST_SCALES", "choose_scales", "residual_scales", "scales_that_fit"]

#: Scales of the published network (Godinez et al. 2017).
MOST_SCALES = 7
# The coarsest grid that still gives a 5×5 kernel more image than padding.
_MIN_GRID = 4


def scales_that_fit(side: int) -> int:
    """Return how many scales an image has room for, from its shorter side in pixels.

    Examples
    --------
    >>> scales_that_fit(64)
    5
    """
    return min(MOST_SCALES, 1 + int(math.log2(side // _MIN_GRID))) if side >= _MIN_GRID else 0


def choose_scales(side: int, wanted: int | None, usual: int, room: int) -> int:
    """Return how many scales to use: the given number, or by default as many as usual.

    Raises
    ------
    InputError
        If there is no room for so many.
    """
    count = max(1, usual) if wanted is None else wanted
    if not 1 <= count <= room:
        raise InputError(
            f"an image {side} pixels wide or high has room for {room} scales of at most {MOST_SCALES}, not {count}: "
            f"the coarsest grid needs {_MIN_GRID} pixels"
        )
    return count


def residual_scales(side: int) -> int:
    """Return how many scales leave a common grid of at least 8 rows and columns, from the shorter side in pixels.

    Examples
    --------
    >>> residual_scales(64)
    3
    """
    return max(1, scales_that_fit(side // 4))
