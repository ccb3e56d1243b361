"""The range test: which learning rates a recipe can be trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from hcskit.data._labelled import LabelledData, open_data
from hcskit.errors import InputError
from hcskit.recipe._recipe import Recipe
from hcskit.schedules import Rates
from hcskit.training._fit import network_and_batches

__all__ = ["RangeTest", "lr_range", "suggest_rate"]

#: The loss is averaged over this part of the test: half a decade of rates, more or less.
_WINDOW = 0.05
#: A smoothed loss so many times its least value has gone too far (fastai).
_TOO_MUCH = 4.0
#: The loss still falls for some steps at a rate that is too large: take so much less than where it is least (fastai).
_MARGIN = 10.0


class RangeTest(NamedTuple):
    """What came out of a range test.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a step: ``step, learning_rate, loss, smoothed``.
    suggested : float
        A learning rate for the recipe; see `suggest_rate`.
    """

    table: pd.DataFrame
    suggested: float


def lr_range(
    data: str | Path | LabelledData,
    recipe: Recipe | str | Path,
    *,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 200,
    growth: Literal["exponential", "linear"] = "exponential",
    progress: bool = True,
) -> RangeTest:
    """Train by a recipe while the learning rate rises, and look at the loss.

    The range test of Smith, arXiv:1506.01186 (2015), section 3.3, who lets the rate rise linearly; exponential growth
    needs no guess of the order of magnitude. It ends when the loss is far above its least value.

    Parameters
    ----------
    data : path-like or LabelledData
        Folder of a screen whose quality step has run or of labelled images, or what `hcskit.data.open_data` returns.
    recipe : Recipe or path-like
        How to train; all but its learning rate and schedule is used.
    lowest, highest : float
        The rate at the first and at the last step.
    steps : int
        How many steps to take from one to the other, over as many epochs as that takes.
    growth : {"exponential", "linear"}
        By the same factor, or by the same amount, at each step.
    progress : bool
        Show a progress bar over steps.

    Raises
    ------
    InputError
        If the rates are not two positive numbers in order, or as `fit` does.
    """
    if not 0 < lowest < highest:
        raise InputError(f"the rate is to rise from {lowest:g} to {highest:g}; give two positive numbers in order")
    if steps < 2:
        raise InputError(f"a range test of {steps} steps cannot be; give at least 2")
    rates = (np.geomspace if growth == "exponential" else np.linspace)(lowest, highest, steps)
    model, batches = network_and_batches(open_data(data), Recipe.of(recipe), rates=lambda *_: rates)
    losses: list[float] = []
    for number in tqdm(range(steps), desc="lr-range", unit="step", disable=not progress):
        batches.epoch, step = divmod(number, batches.steps)
        model.reset_metrics()
        for part in range(batches.parts):
            logs = model.train_on_batch(*batches[step * batches.parts + part], return_dict=True)
        losses.append(float(logs["loss"]))
        smoothed = _smooth(losses, _WINDOW * steps)
        if not np.isfinite(losses[-1]) or smoothed[-1] > _TOO_MUCH * smoothed.min():
            break
    columns = {"step": range(len(losses)), "learning_rate": rates[: len(losses)], "loss": losses, "smoothed": smoothed}
    table = pd.DataFrame(columns)
    return RangeTest(table, suggest_rate(table))


def suggest_rate(table: pd.DataFrame) -> float:
    """Suggest a learning rate: a tenth of that at which the smoothed loss was least.

    It is the largest rate of a schedule. For cyclical ones Smith, arXiv:1506.01186 (2015), section 3.3, takes a third
    or a quarter of it as the least, as the recipe does.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``learning_rate`` and ``smoothed``.

    Examples
    --------
    >>> suggest_rate(pd.DataFrame({"learning_rate": [1e-3, 1e-2, 1e-1, 1.0], "smoothed": [2.0, 1.5, 1.0, 3.0]}))
    0.01
    """
    return float(table["learning_rate"].to_numpy()[np.nanargmin(table["smoothed"])] / _MARGIN)


def _smooth(losses: list[float], span: float) -> Rates:
    """Average with an exponential window of so many steps, corrected for its start (as Adam's averages are)."""
    return np.asarray(pd.Series(losses).ewm(span=max(1.0, span)).mean())
