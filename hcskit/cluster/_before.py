"""What can be known before a job is submitted: an error now, not after hours in a queue."""

from __future__ import annotations

from pathlib import Path

from dask.utils import format_bytes

from hcskit import planning
from hcskit.cluster._config import ClusterConfig
from hcskit.cluster._memory import check_memory
from hcskit.cluster._room import make_room
from hcskit.data import LabelledData, check_learnable
from hcskit.errors import InputError
from hcskit.recipe import Recipe

__all__ = ["check_folder", "check_training"]


def check_training(data: LabelledData, recipe: Recipe, config: ClusterConfig, workers: int) -> None:
    """Refuse a training that cannot succeed; reads no plate's pixel.

    Parameters
    ----------
    data : LabelledData
        What to learn from; its illumination is not needed.
    recipe : Recipe
        How to train.
    config : ClusterConfig
        Where; by its description.
    workers : int
        How many workers train together.

    Raises
    ------
    InputError
        If the data do not give the recipe's classes or a clean split; the images differ in size, lack a channel, or
        are smaller than the crop; there are more ranks than crops in a batch; or the ranks need more memory than a
        worker has.
    """
    fields = data.label(recipe.data)
    ranks = workers * config.ranks_per_worker
    check_learnable(fields, recipe, image_shape=data.image_shape, channels=data.channels, ranks=ranks)
    data.source(fields, recipe.data.channels or data.channels, recipe.data.binning)  # finds plates that differ
    check_memory(data, recipe, config, workers)


def check_folder(folder: Path, data: LabelledData, recipe: Recipe) -> None:
    """Make the folder of a model, and refuse it if it cannot be written or its disk has too little room.

    Raises
    ------
    StoreError
        If it cannot be written.
    InputError
        If there is too little room; the message says how much there is, and how much is needed.
    """
    free = make_room(folder)
    needed = planning.training_bytes(recipe, planning.DataSize.of(data, recipe))
    if needed > free:
        raise InputError(
            f"{folder} has room for {format_bytes(free)}, and the training writes up to {format_bytes(needed)} there: "
            "the model and the states of some epochs; make room, keep fewer (run.keep in the recipe), or choose "
            "another folder"
        )
