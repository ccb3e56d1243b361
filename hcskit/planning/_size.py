"""The size of a training: its images, and its network layer by layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np

from hcskit import models
from hcskit.data import LabelledData
from hcskit.errors import InputError
from hcskit.models import backend
from hcskit.recipe import Recipe, stages

__all__ = ["DataSize", "Network", "in_parts", "network"]


@dataclass(frozen=True)
class DataSize:
    """The amount of data to learn from.

    Attributes
    ----------
    image_shape : tuple of int
        Rows and columns of an image, as the camera gave it.
    n_channels : int
        Channels that are learned from.
    n_classes : int
        Phenotypes.
    n_fields : int
        Fields, those to validate on included.
    pixel_bytes : int
        Bytes of a pixel, as the camera gave it.

    Examples
    --------
    >>> DataSize((1024, 1280), 3, 13, 10_000).counts_bytes
    7864320
    """

    image_shape: tuple[int, int]
    n_channels: int
    n_classes: int
    n_fields: int
    pixel_bytes: int = 2

    @classmethod
    def of(cls, data: LabelledData, recipe: Recipe) -> Self:
        """Count what a recipe learns from; reads no plate's pixel.

        Raises
        ------
        InputError
            If there is nothing to learn from.
        """
        fields, channels = data.label(recipe.data), len(recipe.data.channels or data.channels)
        pixel = np.dtype(data.dtype).itemsize
        return cls(data.image_shape, channels, fields["label"].nunique(), len(fields), pixel)

    def crop(self, recipe: Recipe) -> tuple[int, int]:
        """Rows and columns of what the network sees: a crop, or the whole binned field."""
        rows, columns = (length // recipe.data.binning for length in self.image_shape)
        return (rows, columns) if recipe.data.crop is None else (recipe.data.crop, recipe.data.crop)

    @property
    def counts_bytes(self) -> int:
        """Bytes of one field as the camera gave it."""
        return math.prod(self.image_shape) * self.n_channels * self.pixel_bytes

    def kept_bytes(self, recipe: Recipe) -> int:
        """Bytes of all fields as training keeps them if there is room: counts or, where pixels are binned, float32."""
        if recipe.data.binning == 1:
            return self.n_fields * self.counts_bytes
        pixels = math.prod(length // recipe.data.binning for length in self.image_shape)
        return self.n_fields * pixels * self.n_channels * 4

    def learned(self, recipe: Recipe) -> int:
        """Approximate number of fields that are learned from, without those held out."""
        return max(1, round(self.n_fields * (1 - recipe.split.validation)))

    def share(self, recipe: Recipe, ranks: int) -> int:
        """Most crops that one of so many ranks learns from at a time: its share of a part of the largest batch.

        Raises
        ------
        InputError
            If a rank would have none of a part of the first batch, which is the smallest.

        Examples
        --------
        >>> growing = {"kind": "batch_growth", "largest_batch": 80}
        >>> recipe = Recipe.model_validate({"optimiser": {"batch": 16, "parts": 2}, "schedule": growing})
        >>> DataSize((1024, 1280), 3, 13, 10_000).share(recipe, ranks=4)
        10
        """
        batch, parts = recipe.optimiser.batch, recipe.optimiser.parts
        if ranks * parts > batch:
            raise InputError(
                f"a batch of {batch} crops cannot be shared by {ranks} ranks{in_parts(parts)}; use fewer ranks, or a "
                "larger batch"
            )
        largest = max(stage.batch for stage in stages(recipe))
        crops = self.learned(recipe) * recipe.data.crops_per_field
        return math.ceil(math.ceil(min(largest, crops) / parts) / ranks)


class Network(NamedTuple):
    """Numbers of a network, for one image where they depend on it.

    Attributes
    ----------
    weights : int
        All its variables.
    trained : int
        Those of them that have a gradient.
    kept : int
        Numbers that the forward pass keeps for the backward pass.
    worked_on : int
        Numbers that a layer works on at a time, however many images there are; of the layer that needs most.
    small_exchanges : int
        Exchanges of a few numbers in a step, which the computation waits for: one forward and one backward for each
        batch normalisation, one for each dropout, one for the loss (`hcskit.parallel.over_ranks`).
    """

    weights: int
    trained: int
    kept: int
    worked_on: int
    small_exchanges: int


def in_parts(parts: int) -> str:
    """Return the words for a batch in parts; empty for one part."""
    return f" in {parts} parts" if parts > 1 else ""


def network(recipe: Recipe, data: DataSize) -> Network:
    """Count a recipe's network.

    Raises
    ------
    InputError
        If the network does not fit the images.
    """
    return _count((*data.crop(recipe), data.n_channels), data.n_classes, recipe)


@lru_cache
def _count(shape: tuple[int, int, int], n_classes: int, recipe: Recipe) -> Network:
    with backend.keras.device("cpu"):  # a GPU's memory is for the ranks
        model = recipe.model.build(shape, n_classes)
    kinds = [type(layer) for layer in model.layers]
    outputs = {layer.name: math.prod(layer.output.shape[1:]) for layer in model.layers}
    pooled = [(layer, layer.input.shape[1:]) for layer in model.layers if isinstance(layer, models.PooledConvolutions)]
    inside = sum(layer.kept(shape) for layer, shape in pooled)
    # The gradient of a ReLU needs its output, not its input.
    dropped = [
        layer.input._keras_history.operation.name
        for layer in model.layers
        if isinstance(layer, backend.keras.layers.ReLU)
    ]
    return Network(
        weights=model.count_params(),
        trained=sum(math.prod(variable.shape) for variable in model.trainable_variables),
        kept=inside + sum(outputs.values()) - sum(outputs[name] for name in dropped),
        worked_on=max((layer.worked_on(shape) for layer, shape in pooled), default=0),
        small_exchanges=2 * kinds.count(backend.keras.layers.BatchNormalization)
        + kinds.count(backend.keras.layers.Dropout)
        + 1,
    )
