"""Learning rates as pure functions of the step, each as its authors published it.

A step is one update of the weights, counted from 0; all functions take one step or an array of them. What a recipe
says about them, in epochs, becomes steps in the sections of `hcskit.schedules`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = [
    "Rates",
    "Steps",
    "collapse",
    "cosine",
    "exp_range",
    "exponential",
    "grow_batch",
    "linear_scaling",
    "polynomial",
    "snapshot_cosine",
    "triangular",
    "triangular2",
    "warm_up",
]

Steps = npt.ArrayLike
Rates = npt.NDArray[np.float64]


def linear_scaling(rate: float, batch: float, reference_batch: float) -> float:
    """Return the rate for a batch, from one that is known to be good for another: η = η_ref · B / B_ref.

    Goyal et al., arXiv:1706.02677 (2017), section 2.1.

    Examples
    --------
    >>> linear_scaling(0.1, 8192, 256)  # theirs, for ImageNet in an hour
    3.2
    """
    return rate * batch / reference_batch


def warm_up(step: Steps, steps: int, start: float, rate: float) -> Rates:
    """Rise by the same amount at each step, from `start` at step 0 to `rate` at `steps`.

    Goyal et al., arXiv:1706.02677 (2017), section 2.2: from η_ref to the scaled rate, over the first 5 epochs.

    Examples
    --------
    >>> warm_up([0, 1, 2, 3], 4, 0.1, 0.5).round(3).tolist()
    [0.1, 0.2, 0.3, 0.4]
    """
    return start + (rate - start) * np.asarray(step, float) / steps


def cosine(step: Steps, steps: int, rate: float) -> Rates:
    """Fall along half a cosine to zero: η · (1 + cos(π · t / T)) / 2.

    Loshchilov & Hutter, arXiv:1608.03983 (2017), equation 5, one cycle, the least rate 0.

    Examples
    --------
    >>> cosine([0, 50, 100], 100, 1.0).round(3).tolist()
    [1.0, 0.5, 0.0]
    """
    return rate * (1 + np.cos(np.pi * np.asarray(step, float) / steps)) / 2


def exponential(step: Steps, every: float, rate: float, decay: float) -> Rates:
    """Fall by a factor `decay` in each `every` steps, smoothly: η · γ^(t / s).

    Szegedy et al., arXiv:1512.00567 (2015), section 8, have γ = 0.94 every two epochs, all at once.

    Examples
    --------
    >>> exponential([0, 100, 200], 100, 1.0, 0.94).round(4).tolist()
    [1.0, 0.94, 0.8836]
    """
    return rate * decay ** (np.asarray(step, float) / every)


def polynomial(step: Steps, steps: int, rate: float, power: float) -> Rates:
    """Fall to zero as a power of what is left: η · (1 - t / T)^p.

    Caffe's policy ``poly``, which Codreanu, Podareanu & Saletore, arXiv:1711.04291 (2017), use with p = 1.

    Examples
    --------
    >>> polynomial([0, 50, 100], 100, 4.8, 1).round(3).tolist()
    [4.8, 2.4, 0.0]
    """
    return rate * (1 - np.asarray(step, float) / steps) ** power


def collapse(step: Steps, schedule: Callable[[Steps], Rates], start: int, steps: int, power: float) -> Rates:
    """Let a schedule fall to zero in its last steps: from step c on, η(c) · (1 - (t - c) / (T - c))^p.

    The "final collapse" of Codreanu, Podareanu & Saletore, arXiv:1711.04291 (2017). Theirs is the shape, p = 2 over 5
    of 90 epochs, begun at the rate that was reached: the settings they published with their Caffe (sara-nl/caffe,
    ``resnet50_448nodes``) rise to 4.8 in 446 steps, fall with p = 1, and collapse for 402 steps from 0.254, which is
    what the fall has reached 402 steps before its end. Theirs too, and not done here: for those epochs they switch off
    the augmentation of scale and double the weight decay. Ours is to let it follow any schedule.

    Parameters
    ----------
    step : array-like
        Steps.
    schedule : callable
        The rate at steps, before the collapse.
    start, steps : int
        Where the collapse begins and ends: c and T.
    power : float
        p.

    Examples
    --------
    >>> collapse([7192, 7393, 7594], lambda step: polynomial(step, 7594, 4.8, 1), 7192, 7594, 2).round(4).tolist()
    [0.2541, 0.0635, 0.0]
    """
    left = (steps - np.asarray(step, float)) / (steps - start)
    return np.where(np.asarray(step) < start, schedule(step), schedule(start) * np.clip(left, 0, 1) ** power)


def triangular(step: Steps, half: float, low: float, high: float) -> Rates:
    """Go from `low` to `high` and back, each in `half` steps: low + (high - low) · max(0, 1 - |t/s - 2c + 1|).

    c = floor(1 + t/(2s)) is the number of the cycle. Smith, arXiv:1506.01186 (2015), section 3.1.

    Examples
    --------
    >>> triangular([0, 5, 10, 15, 20], 10, 0.001, 0.006).round(4).tolist()
    [0.001, 0.0035, 0.006, 0.0035, 0.001]
    """
    return low + (high - low) * _height(step, half)


def triangular2(step: Steps, half: float, low: float, high: float) -> Rates:
    """Do as `triangular`, with half the height in each cycle: low + (high - low) · height · 2^(1 - c).

    Smith, arXiv:1506.01186 (2015), section 3.1.

    Examples
    --------
    >>> triangular2([10, 30, 50], 10, 0.0, 1.0).tolist()
    [1.0, 0.5, 0.25]
    """
    return low + (high - low) * _height(step, half) / 2 ** (_cycle(step, half) - 1)


def exp_range(step: Steps, half: float, low: float, high: float, gamma: float) -> Rates:
    """Do as `triangular`, while both bounds fall by a factor at each step: triangular(t) · γ^t.

    Smith, arXiv:1506.01186 (2015), section 3.1, in whose words each bound declines. (Some libraries let only the
    height decline.)

    Examples
    --------
    >>> exp_range([0, 10, 20], 10, 0.5, 1.0, 0.9).round(3).tolist()
    [0.5, 0.349, 0.061]
    """
    return triangular(step, half, low, high) * gamma ** np.asarray(step, float)


def snapshot_cosine(step: Steps, steps: int, rate: float, cycles: int) -> Rates:
    """Fall along a cosine again and again: η / 2 · (cos(π · mod(t, ⌈T/M⌉) / ⌈T/M⌉) + 1).

    Huang et al., arXiv:1704.00109 (2017), equation 2, where t counts from 1: mod(t - 1, …). At the end of each cycle
    the network is good, and unlike that of other cycles: together they are an ensemble.

    Examples
    --------
    >>> snapshot_cosine([0, 10, 19, 20, 30], 40, 1.0, 2).round(3).tolist()
    [1.0, 0.5, 0.006, 1.0, 0.5]
    """
    length = math.ceil(steps / cycles)
    return cosine(np.mod(np.asarray(step), length), length, rate)


def grow_batch(factor: float, batch: int, largest: int, rate: float) -> tuple[int, float]:
    """Return batch and rate for `factor` times less noise: B · f and η, and a lower η where B is at its limit.

    The noise of stochastic gradient descent goes as η/B, so a larger batch does what a smaller rate does, in fewer
    steps. Smith et al., arXiv:1711.00489 (2018); where the batch can grow no more, they decay the rate.

    Examples
    --------
    >>> [grow_batch(factor, 128, 640, 0.1) for factor in (1, 5, 25)]
    [(128, 0.1), (640, 0.1), (640, 0.02)]
    """
    grown = min(round(batch * factor), max(largest, batch))
    return grown, rate * grown / (batch * factor)


def _cycle(step: Steps, half: float) -> Rates:
    return np.floor(1 + np.asarray(step, float) / (2 * half))


def _height(step: Steps, half: float) -> Rates:
    height: Rates = np.maximum(0, 1 - np.abs(np.asarray(step, float) / half - 2 * _cycle(step, half) + 1))
    return height
