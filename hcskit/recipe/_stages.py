"""What a recipe's schedule comes to: the batch of each epoch, and the rate of each step."""

from __future__ import annotations

import math
from itertools import groupby
from typing import NamedTuple

import numpy as np

from hcskit.recipe._recipe import Recipe
from hcskit.schedules import Clock, Rates
from hcskit.schedules.rates import linear_scaling, warm_up

__all__ = ["Stage", "learning_rates", "stages"]


class Stage(NamedTuple):
    """Epochs, from `begin` to before `end`, that have the same batch."""

    begin: int
    end: int
    batch: int


def stages(recipe: Recipe) -> list[Stage]:
    """Return the stages of a training.

    Examples
    --------
    >>> from hcskit.recipe import Recipe
    >>> growing = {"kind": "batch_growth", "largest_batch": 80}
    >>> stages(Recipe.model_validate({"schedule": growing, "optimiser": {"epochs": 10}}))
    [Stage(begin=0, end=3, batch=16), Stage(begin=3, end=10, batch=80)]
    """
    epochs = enumerate(recipe.schedule.batches(recipe.optimiser.batch, recipe.optimiser.epochs))
    grouped = [(batch, [epoch for epoch, _ in group]) for batch, group in groupby(epochs, key=lambda pair: pair[1])]
    return [Stage(group[0], group[-1] + 1, batch) for batch, group in grouped]


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
