"""Whether a recipe can learn from some data: judged by tables and numbers, before an image is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pandas as pd

from hcskit.data._split import split_groups
from hcskit.errors import InputError
from hcskit.recipe._recipe import Recipe

__all__ = ["check_learnable", "check_shares", "crop_of"]


def check_learnable(
    fields: pd.DataFrame,
    recipe: Recipe,
    *,
    image_shape: tuple[int, int] | None = None,
    channels: Sequence[str] | None = None,
    ranks: int = 1,
) -> None:
    """Refuse data that a recipe cannot learn from; report all faults together.

    Whatever is not known yet is not checked: a plate map alone is enough for the classes and the split.

    Parameters
    ----------
    fields : pandas.DataFrame
        What to learn from, with the columns ``plate, well, label`` and the one to split by: one row a field, as
        `LabelledData.label` returns it, or one row a well, as `label_wells` makes it of plate maps.
    recipe : Recipe
        How to train.
    image_shape : tuple of int, optional
        Rows and columns of an image, as the camera gave it.
    channels : sequence of str, optional
        Channels that the images have.
    ranks : int
        How many ranks share a batch. Checked if `fields` has one row a field.

    Raises
    ------
    InputError
        If the split is not possible, the crop does not fit into the images, a channel is missing, or a rank would
        have nothing of a batch.

    Examples
    --------
    >>> wells = pd.DataFrame({"plate": "p1", "well": ["A01", "A02", "A03"], "label": ["dmso", "dmso", "active"]})
    >>> check_learnable(wells, Recipe())
    Traceback (most recent call last):
        ...
    hcskit.errors.InputError: class 'active' has only one well (p1/A03); at least two are needed, ...
    """
    faults: list[str] = []
    with _noting(faults):
        learned = ~split_groups(fields, recipe.split.by, recipe.split.validation, recipe.seed)
        if "field" in fields:
            crops = int(learned.sum()) * recipe.data.crops_per_field
            check_shares(crops, recipe.optimiser.batch, recipe.optimiser.parts, ranks)
    if image_shape is not None:
        with _noting(faults):
            crop_of(recipe, (image_shape[0] // recipe.data.binning, image_shape[1] // recipe.data.binning))
    if channels is not None and (lacking := [name for name in recipe.data.channels or () if name not in channels]):
        faults.append(f"the images have no channel {', '.join(lacking)}; they have {', '.join(channels)}")
    if faults:
        several = "".join(f"\n  - {fault}" for fault in faults)
        raise InputError(faults[0] if len(faults) == 1 else f"the recipe does not fit the data:{several}")


def check_shares(crops: int, batch: int, parts: int, ranks: int) -> None:
    """Refuse more ranks than a part of the smallest batch of an epoch has crops; raises `InputError`."""
    smallest = crops // max(1, math.ceil(crops / batch))
    if ranks * parts > smallest:
        raise InputError(
            f"a batch of {smallest} crops ({crops} in an epoch, at most {batch} in a batch) cannot be shared by "
            f"{ranks} ranks{f' in {parts} parts' if parts > 1 else ''}; use fewer ranks, or a larger batch"
        )


def crop_of(recipe: Recipe, shape: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of what the network sees of an image of this shape, which is binned already.

    Raises
    ------
    InputError
        If the image is smaller, or cannot be turned as the recipe's views ask.
    """
    if recipe.data.crop is None:
        if recipe.prediction.views == 8 and shape[0] != shape[1]:
            raise InputError(f"the recipe's 8 views need square crops, and fields are {shape[0]}×{shape[1]}; take 4")
        return shape
    if recipe.data.crop > min(shape):
        raise InputError(
            f"the recipe's crop of {recipe.data.crop} pixels is larger than the image, {shape[0]}×{shape[1]} after "
            f"binning by {recipe.data.binning}; make it smaller, or null for whole fields"
        )
    return recipe.data.crop, recipe.data.crop


@contextmanager
def _noting(faults: list[str]) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        faults.append(str(error))
