"""How much memory a rank needs, and whether a worker has it."""

from __future__ import annotations

import math
from typing import NamedTuple

from hcskit.data import KEPT_SHARE
from hcskit.errors import InputError
from hcskit.planning._size import DataSize, network
from hcskit.recipe import Recipe

__all__ = ["Memory", "check_memory", "memory_of_rank", "training_bytes"]

# Fitted to the peaks of six trainings (docs/scaling.md), with TensorFlow 2.21 and Keras 3.15 on Linux.
_LIBRARIES = 820 * 10**6
_BATCHES = 4  # one in training, one being made, one being handed over and one waiting
_FIELDS = 4 * 3  # threads that read; each holds counts, compressed and not, and light while it measures
_COPIES_OF_WEIGHTS = 12  # weights, gradients, AdamW's two averages; the rest while the model file is being written
_PER_ACTIVATION = 1.6  # what is kept, its gradients, and the allocator's losses


class Memory(NamedTuple):
    """Bytes that a rank holds at most.

    Attributes
    ----------
    libraries : int
        Python, TensorFlow and hcskit themselves.
    fields : int
        Batches in preparation, and the fields they are cut from. Spare memory is used to keep fields that were read
        (`check_memory`).
    weights : int
        Weights, gradients, what AdamW remembers of them, the gradients' average over several ranks and their sum over
        the parts of a batch, and the copies made when the model is saved.
    activations : int
        Outputs of the layers for the rank's share of a part of the largest batch, which the backward pass needs; and
        outputs that are recomputed for it, a few images at a time.
    """

    libraries: int
    fields: int
    weights: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {_gib(size)}" for name, size in self._asdict().items())
        return f"{_gib(self.total)} ({parts})"


def memory_of_rank(recipe: Recipe, data: DataSize, ranks: int = 1) -> Memory:
    """Estimate the memory of each rank, to within a factor of 1.5 of measurements (docs/scaling.md).

    Raises
    ------
    InputError
        If there are more ranks than crops in a part of a batch, or the network does not fit the images.

    Examples
    --------
    >>> recipe = Recipe.model_validate({"data": {"crop": None}, "model": {"head": "flatten", "batch_norm": False}})
    >>> memory_of_rank(recipe, DataSize((1024, 1280), 3, 13, 100)).total > 2**30
    True
    """
    share, counted = data.share(recipe, ranks), network(recipe, data)
    sums = (2 if ranks > 1 else 0) + (1 if recipe.optimiser.parts > 1 else 0)
    return Memory(
        libraries=_LIBRARIES,
        fields=_BATCHES * share * 4 * math.prod(data.crop(recipe)) * data.n_channels + _FIELDS * data.counts_bytes,
        weights=4 * (_COPIES_OF_WEIGHTS * counted.weights + sums * counted.trained),
        activations=round(4 * _PER_ACTIVATION * (share * counted.kept + counted.worked_on)),
    )


def training_bytes(recipe: Recipe, data: DataSize) -> int:
    """Return the bytes that a training writes at most: its model, and the states of the epochs that are kept.

    A state holds each weight, and the two averages that AdamW keeps of its gradient. The last epochs and the best one
    are kept, those that the schedule keeps, and one more while it is written.

    Raises
    ------
    InputError
        If the network does not fit the images.
    """
    options, counted = recipe.optimiser, network(recipe, data)
    snapshots = len(recipe.schedule.snapshots(options.warmup_epochs, options.epochs))
    models, states = max(1, snapshots), min(recipe.run.keep, options.epochs) + 2 + snapshots
    return 4 * (models * counted.weights + states * (counted.weights + 2 * counted.trained))


def check_memory(
    recipe: Recipe,
    data: DataSize,
    *,
    memory_of_worker: int,
    workers: int = 1,
    ranks_per_worker: int = 1,
    on_gpus: bool = False,
) -> None:
    """Refuse a training whose ranks would not fit into their workers, with the fields that they keep in memory.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    data : DataSize
        On how much.
    memory_of_worker : int
        Bytes of each worker.
    workers, ranks_per_worker : int
        How many there are.
    on_gpus : bool
        Each rank has a GPU, whose memory holds the activations. Whether they fit there is not checked.

    Raises
    ------
    InputError
        If they need more; the message says how much, for what, and what to do.
    """

    def of_rank(ranks: int) -> Memory:
        found = memory_of_rank(recipe, data, ranks)
        return found._replace(activations=0) if on_gpus else found

    def needed(each: int) -> float:
        kept = min(each * data.kept_bytes(recipe), KEPT_SHARE * memory_of_worker)
        return each * of_rank(workers * each).total + kept

    if needed(ranks_per_worker) <= memory_of_worker:
        return
    ranks = workers * ranks_per_worker
    each = of_rank(ranks)
    fitting = [fewer for fewer in range(1, ranks_per_worker) if needed(fewer) <= memory_of_worker]
    cures = [f"run {fitting[-1]} ranks a worker"] if fitting else []
    cures.append("make the batch or the crop smaller, or the batch in more parts (optimiser.parts)")
    cures.append("share the batch among more workers")
    # At this size, a quarter is free for kept images.
    enough = ranks_per_worker * each.total / (1 - KEPT_SHARE)
    cures.append(f"give a worker {_gib(enough)} or more")
    raise InputError(
        f"a worker has {_gib(memory_of_worker)}, and {ranks_per_worker} of {ranks} ranks in it need "
        f"{_gib(needed(ranks_per_worker))}: each {each}, and the rest to keep images in; {', or '.join(cures)}"
    )


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
