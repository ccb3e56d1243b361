"""What a recipe's schedule comes to: the batch of each epoch, and the rate of each step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from hcskit.recipe._recipe import Recipe
from hcskit.schedules import Clock, Rates
from hcskit.schedules.rates import linear_scaling, warm_up

__all__ = ["Stage", "ensemble", "flat_after", "last_steps", "learning_rates", "stages"]

_SURE = 2.0  # standard errors: a fall of the loss that is smaller may be chance
_CYCLES = 4  # at least; the first still learns, and the differences of three networks widen the intervals


class Stage(NamedTuple):
    """Epochs, from `begin` to before `end`, that have the same batch."""

    begin: int
    end: int
    batch: int


def stages(recipe: Recipe, flat: int | None = None) -> list[Stage]:
    """Return the stages of a training.

    Parameters
    ----------
    recipe : Recipe
        Its optimiser, its schedule, and when it stops.
    flat : int, optional
        After which epoch the loss was flat: only the last epochs of the schedule follow, see `flat_after`.

    Examples
    --------
    >>> from hcskit.recipe import Recipe
    >>> growing = {"kind": "batch_growth", "largest_batch": 80}
    >>> stages(Recipe.model_validate({"schedule": growing, "optimiser": {"epochs": 10}}))
    [Stage(begin=0, end=3, batch=16), Stage(begin=3, end=10, batch=80)]
    """
    batches = recipe.schedule.batches(recipe.optimiser.batch, recipe.optimiser.epochs)
    if flat is not None:
        batches = batches[:flat] + batches[len(batches) - _last_epochs(recipe) :]
    epochs = enumerate(batches)
    grouped = [(batch, [epoch for epoch, _ in group]) for batch, group in groupby(epochs, key=lambda pair: pair[1])]
    return [Stage(group[0], group[-1] + 1, batch) for batch, group in grouped]


def flat_after(losses: Sequence[float], recipe: Recipe) -> int | None:
    """Tell after which epoch a training had learned what it can: its loss no longer fell.

    Epochs are compared in blocks: the cycles of a schedule that keeps networks, or `recipe.stop.window` epochs each.
    The loss is flat after a block whose mean is not lower than that of the block before by more than two standard
    errors, by the differences of successive epochs, which a steady fall hardly adds to (von Neumann, Ann. Math. Stat.
    12:367, 1941). Of cycles there are four at least. Otherwise the last epochs of the schedule follow, as many as a
    block has, in which the rate falls to its end.

    Parameters
    ----------
    losses : sequence of float
        Mean training loss of each epoch so far.
    recipe : Recipe
        Its schedule, and when it stops.

    Returns
    -------
    int or None
        The first such epoch, counted from 1. None as long as the loss falls, or if nothing would be saved.

    Examples
    --------
    >>> from hcskit.recipe import Recipe
    >>> recipe = Recipe.model_validate({"stop": {"window": 3}, "optimiser": {"epochs": 20}})
    >>> flat_after([0.9, 0.7, 0.6, 0.4, 0.3, 0.2, 0.21, 0.19, 0.2], recipe)
    >>> flat_after([0.9, 0.7, 0.6, 0.4, 0.3, 0.2, 0.21, 0.19, 0.2, 0.18, 0.22, 0.2], recipe)
    12
    """
    if recipe.stop.window is None:
        return None
    epochs = recipe.optimiser.epochs
    cycles = _cycles(recipe)
    ends = cycles or range(recipe.stop.window, epochs, recipe.stop.window)
    for number, (first, middle, end) in enumerate(zip([0, *ends], ends, ends[1:], strict=False), 2):
        if end > len(losses) or end + _last_epochs(recipe) >= epochs:
            return None
        if not cycles or number >= _CYCLES:
            seen, length = np.array(losses[first:end]), middle - first
            variance = float(np.square(np.diff(seen)).mean()) / 2
            error = math.sqrt(variance / length + variance / (end - middle))
            if seen[:length].mean() - seen[length:].mean() <= _SURE * error:
                return end
    return None


def ensemble(done: int, recipe: Recipe) -> list[int]:
    """Return the epochs whose networks are averaged after a training of so many: the ends of its cycles.

    Of four cycles or more the first is left out: in it a network still learns what the classes are.

    Examples
    --------
    >>> from hcskit.recipe import Recipe
    >>> options = {"optimiser": {"epochs": 28, "warmup_epochs": 0}, "schedule": {"kind": "snapshots", "cycles": 7}}
    >>> ensemble(16, Recipe.model_validate(options)), ensemble(12, Recipe.model_validate(options))
    ([8, 12, 16], [4, 8, 12])
    """
    ends = [epoch for epoch in _cycles(recipe) if epoch <= done]
    return ends[1:] if len(ends) >= _CYCLES else ends


def last_steps(recipe: Recipe, crops: int) -> int:
    """Return the step of the schedule that follows once the loss is flat.

    Parameters
    ----------
    recipe : Recipe
        Its optimiser, its schedule, and when it stops.
    crops : int
        Crops in an epoch.
    """
    batches = recipe.schedule.batches(recipe.optimiser.batch, recipe.optimiser.epochs)
    return sum(math.ceil(crops / batch) for batch in batches[: len(batches) - _last_epochs(recipe)])


def _cycles(recipe: Recipe) -> list[int]:
    return recipe.schedule.snapshots(recipe.optimiser.warmup_epochs, recipe.optimiser.epochs)


def _last_epochs(recipe: Recipe) -> int:
    """Return how many epochs of the schedule's end follow: none where each cycle ends by itself."""
    return 0 if _cycles(recipe) else min(recipe.stop.window or 0, recipe.optimiser.epochs)


def learning_rates(recipe: Recipe, crops: int) -> Rates:
    """Return the rate of each step of a training, and that after the last one.

    Parameters
    ----------
    recipe : Recipe
        Its optimiser and its schedule.
    crops : int
        Crops in an epoch.

    Examples
    --------
    >>> from hcskit.recipe import Recipe
    >>> learning_rates(Recipe.model_validate({"optimiser": {"epochs": 2}}), 64).round(5).tolist()
    [0.00025, 0.00044, 0.00062, 0.00081, 0.001, 0.00085, 0.0005, 0.00015, 0.0]
    """
    options, schedule = recipe.optimiser, recipe.schedule
    per_epoch = [math.ceil(crops / batch) for batch in schedule.batches(options.batch, options.epochs)]
    step, warm = np.arange(sum(per_epoch) + 1), round(options.warmup_epochs * per_epoch[0])
    epoch = np.repeat(np.arange(options.epochs), per_epoch)
    epoch = np.append(epoch, epoch[-1])
    peak, start = options.learning_rate, options.learning_rate / max(warm, 1)
    if options.reference_batch is not None:
        peak, start = linear_scaling(peak, options.batch, options.reference_batch), peak
    steps = max(1, sum(per_epoch) - warm)
    clock = Clock(step[warm:] - warm, epoch[warm:], steps, per_epoch[0], options.epochs, options.batch)
    rising = warm_up(step[:warm], max(warm, 1), min(start, peak), peak)
    return np.concatenate([rising, schedule.learning_rates(clock, peak)])
