"""Where the optimum lies, and which curves the data do not rule out: the profile likelihood.

The plane of EC50 and slope is zoomed until the region of plausible curves fills it. The interval of a parameter is
that region's extent along it (Bates & Watts, Nonlinear Regression Analysis, 1988, chapter 6): a parameter value is
plausible if the best curve that has it leaves ``RSS <= RSS_min + s2 * F(0.95; 1, df)``. The band is the envelope of all
plausible curves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hcskit.response._curve import Curve
from hcskit.response._hill import STEP, Floats, Wells, surface
from hcskit.response._noise import SLOPE_LIMITS, Point, slack

__all__ = ["Region", "explore"]

_REACH = 3.0  # decades beyond the tested range where the EC50 is sought; plausible up to there is called open
_CELLS_PER_DECADE = 20
_GRID = (100, 50)  # EC50 by slope, of each zoom
_ZOOMS = 10
_POLISH = 40  # halvings of a cell, enough for nine digits
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Region:
    """The optimum, and the part of the plane around it that holds all plausible curves.

    Attributes
    ----------
    wells : Wells
        The data.
    log_ec50, slope : ndarray
        Axes of a grid over the region; the last slope is `STEP` where a step is worth a thought.
    best : Point
        The optimum.
    threshold : float
        Largest sum of squares of a plausible curve.
    """

    wells: Wells
    log_ec50: Floats
    slope: Floats
    best: Point
    threshold: float

    def ec50_interval(self) -> tuple[float, float]:
        """Interval of the EC50; an end is 0 or infinite where the data rule out no value on that side."""
        low, high = self._extent(self.log_ec50, _along_ec50(self.wells, self.log_ec50, self.slope)[2])
        lowest, highest = _search_range(self.wells)
        return 0.0 if low <= lowest else 10**low, np.inf if high >= highest else 10**high

    def slope_interval(self) -> tuple[float, float]:
        """Interval of the slope; an end is 0 or infinite where it reaches the limit of the slopes tried."""
        low, high = self._extent(np.log(self.slope), _along_slope(self.wells, self.log_ec50, self.slope)[1])
        low, high = float(np.exp(low)), float(np.exp(high))
        lowest, highest = SLOPE_LIMITS
        return 0.0 if low <= lowest * (1 + _ROUNDING) else low, np.inf if high >= highest * (1 - _ROUNDING) else high

    def _extent(self, axis: Floats, profile: Floats) -> tuple[float, float]:
        """Where the profile crosses the threshold; its square root is nearly straight there."""
        excess = np.sqrt(np.maximum(profile - self.best.rss, 0.0))
        limit = np.sqrt(self.threshold - self.best.rss)
        inside = np.flatnonzero(excess <= max(limit, excess.min()))
        first, last = inside[0], inside[-1]
        low, high = axis[first], axis[last]
        if first > 0:
            low = np.interp(limit, excess[[first, first - 1]], axis[[first, first - 1]])
        if last < len(axis) - 1:
            high = np.interp(limit, excess[[last, last + 1]], axis[[last, last + 1]])
        return float(low), float(high)

    def curve(self) -> Curve:
        """Return the best curve with the plausible ones of a coarser grid and of both profiles."""
        rows, columns = self.log_ec50, self.slope
        log_ec50, slope = np.meshgrid(rows[::2], columns[::-2])
        log_ec50 = np.concatenate(
            [[self.best.log_ec50], rows, _along_slope(self.wells, rows, columns)[0], log_ec50.flat]
        )
        slope = np.concatenate([[self.best.slope], _along_ec50(self.wells, rows, columns)[0], columns, slope.flat])
        grid = surface(self.wells, log_ec50, slope)
        chosen = grid.rss <= self.threshold
        chosen[0] = True
        return Curve(
            log_max=float(self.wells.log_c[-1]),
            log_ec50=log_ec50[chosen],
            slope=slope[chosen],
            bottom=grid.bottom[chosen],
            effect=grid.effect[chosen],
            centre=grid.centre[chosen],
            spread=grid.spread[chosen],
            slack=np.maximum(self.threshold - grid.rss[chosen], 0.0),
            total=self.wells.total,
        )


def explore(wells: Wells) -> Region:
    """Find the optimum and the region of plausible curves."""
    lowest, highest = _search_range(wells)
    log_ec50 = np.linspace(lowest, highest, int(np.ceil((highest - lowest) * _CELLS_PER_DECADE)) + 1)
    slope = _slopes(*SLOPE_LIMITS)
    for _ in range(_ZOOMS):
        best_slope, rss, profile = _along_ec50(wells, log_ec50, slope)
        row = np.argmin(rss)
        best = _point(wells, log_ec50[row], best_slope[row])
        limit = best.rss + slack(wells, best)
        rows = np.asarray(profile <= limit)
        columns = (surface(wells, log_ec50[rows, None], slope).rss <= limit).any(axis=0)
        slopes = np.clip(np.concatenate([best_slope[rows], slope[columns]]), *SLOPE_LIMITS)
        low, high = _ends(log_ec50, log_ec50[rows], lowest, highest)
        flattest, steepest = np.exp(_ends(np.log(slope[: _GRID[1]]), np.log(slopes), *np.log(SLOPE_LIMITS)))
        if _fits(log_ec50, low, high) and _fits(slope, flattest, steepest):
            break
        log_ec50, slope = np.linspace(low, high, _GRID[0]), _slopes(flattest, steepest)
    best = _polish(wells, best, log_ec50[1] - log_ec50[0], float(np.log(slope[1] / slope[0])))
    return Region(wells, log_ec50, slope, best, best.rss + slack(wells, best))


def _search_range(wells: Wells) -> tuple[float, float]:
    return float(wells.tested[0] - _REACH), float(wells.tested[-1] + _REACH)


def _slopes(low: float, high: float) -> Floats:
    slopes = np.geomspace(low, high, _GRID[1])
    return np.append(slopes, STEP) if high >= SLOPE_LIMITS[1] * (1 - _ROUNDING) else slopes


def _ends(axis: Floats, plausible: Floats, lowest: float, highest: float) -> Floats:
    """Return the ends of a new axis: two cells around what is plausible, more where that meets the old ends."""
    cell, far = axis[1] - axis[0], (axis[-1] - axis[0]) / 2
    low, high = plausible.min(), plausible.max()
    low -= far if low < axis[0] + cell else 2 * cell
    high += far if high > axis[-1] - cell else 2 * cell
    return np.asarray(np.clip([low, high], lowest, highest))


def _fits(axis: Floats, low: float, high: float) -> bool:
    """Whether an axis holds its new ends, and is not much longer than need be."""
    holds = axis[0] - _ROUNDING <= low and high <= axis[-1] + _ROUNDING
    return bool(holds and 2 * ((axis >= low) & (axis <= high)).sum() > len(axis))


def _along_ec50(wells: Wells, log_ec50: Floats, slope: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the best slope for each EC50, the sum of squares it leaves, and the same with a step allowed."""
    grid = surface(wells, log_ec50[:, None], slope).rss
    within = slope < STEP
    limits = np.log(SLOPE_LIMITS)
    best, rss = _refine(
        lambda x: surface(wells, log_ec50[:, None], np.exp(np.clip(x, *limits))).rss,
        np.log(slope[np.argmin(grid[:, within], axis=1)]),
        float(np.log(slope[1] / slope[0])),
    )
    return np.exp(np.clip(best, *limits)), rss, np.minimum(rss, grid.min(axis=1))


def _along_slope(wells: Wells, log_ec50: Floats, slope: Floats) -> tuple[Floats, Floats]:
    """Return the best EC50 (log10) for each slope, and the sum of squares it leaves."""
    start = log_ec50[np.argmin(surface(wells, log_ec50[:, None], slope).rss, axis=0)]
    return _refine(lambda x: surface(wells, x, slope[:, None]).rss, start, log_ec50[1] - log_ec50[0])


def _refine(cost: Callable[[Floats], Floats], start: Floats, step: float) -> tuple[Floats, Floats]:
    """Improve many one-dimensional minima at once, each within a `step` of its `start`."""
    offsets = np.linspace(-1, 1, 9)
    for _ in range(3):
        tried = start[:, None] + step * offsets
        costs = cost(tried)
        chosen = np.argmin(costs, axis=1)[:, None]
        start, step = np.take_along_axis(tried, chosen, axis=1)[:, 0], step / 4
    return start, np.take_along_axis(costs, chosen, axis=1)[:, 0]


def _point(wells: Wells, log_ec50: float, slope: float) -> Point:
    fit = surface(wells, np.array(log_ec50), np.array(slope))
    return Point(float(log_ec50), float(slope), float(fit.rss), float(fit.effect), float(fit.bottom))


def _polish(wells: Wells, best: Point, width: float, log_width: float) -> Point:
    """Search ever closer around the optimum, until its place is exact to rounding."""
    lowest, highest = _search_range(wells)
    steps = np.linspace(-2, 2, 9)
    for _ in range(_POLISH):
        log_ec50 = np.clip(best.log_ec50 + width * steps, lowest, highest)
        slope = np.clip(best.slope * np.exp(log_width * steps), *SLOPE_LIMITS)
        rss = surface(wells, log_ec50[:, None], slope).rss
        row, column = np.unravel_index(np.argmin(rss), rss.shape)
        near = np.hypot((log_ec50[row] - best.log_ec50) / width, np.log(slope[column] / best.slope) / log_width) < 1.1
        if rss[row, column] < best.rss:
            best = _point(wells, log_ec50[row], slope[column])
        if near:
            width, log_width = width / 2, log_width / 2
    return best
