"""From fields to batches: crops, flips and turns, changes of intensity; each sample has its own random stream."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hcskit.errors import InputError
from hcskit.models.backend import keras
from hcskit.training._fields import TrainingFields
from hcskit.training._recipe import AugmentationSection

__all__ = ["RandomCrops", "tile_corners", "tiles"]


class RandomCrops(keras.utils.PyDataset):  # type: ignore[misc]
    """Augmented crops in batches, a new set each epoch.

    Sample `i` of epoch `e` is drawn from a random stream of ``(seed, e, i)``, so that it does not depend on which
    worker makes it. Batches are as even as they can be, and so are the ranks' shares of a batch: no step rests on the
    few samples that are left over, and no rank is without any (TensorFlow's convolutions fail on an empty batch).

    Parameters
    ----------
    fields : TrainingFields
        What to crop from.
    crop : tuple of int
        Rows and columns of a crop.
    per_field : int
        Crops of each field in an epoch.
    batch : int
        Most crops in a batch.
    augmentation : AugmentationSection
        What is varied.
    seed : int
        Root of the random streams.
    rank, ranks : int
        Which share of each batch to make, out of how many; together the shares are the batch that one rank makes.

    Raises
    ------
    InputError
        If a batch has fewer crops than there are ranks.
    """

    def __init__(
        self,
        fields: TrainingFields,
        crop: tuple[int, int],
        per_field: int,
        batch: int,
        augmentation: AugmentationSection,
        seed: int,
        *,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        super().__init__()
        self.fields, self.crop, self.batch = fields, crop, batch
        self.augmentation, self.seed = augmentation, seed
        self.rank, self.ranks = rank, ranks
        self.epoch = 0
        self.size = per_field * len(fields.labels)
        smallest = self.size // len(self)
        if ranks > smallest:
            raise InputError(
                f"a batch of {smallest} crops ({self.size} in an epoch, at most {batch} in a batch) cannot be shared "
                f"by {ranks} ranks; use fewer ranks, or a larger batch"
            )

    def __len__(self) -> int:
        return math.ceil(self.size / self.batch)

    @property
    def own_size(self) -> int:
        """Crops of an epoch that this rank makes."""
        return sum(len(self._own(len(batch))) for batch in np.array_split(np.arange(self.size), len(self)))

    def __getitem__(self, index: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.size)
        samples = np.array_split(order, len(self))[index]
        rng = np.random.default_rng([self.seed, self.epoch, 2, index])
        weight, other = pairs(len(samples), self.augmentation.mixup, rng)
        own = self._own(len(samples))
        # A partner may lie in another rank's share; it is made here as well.
        needed, (first, second) = np.unique([own, other[own]], return_inverse=True)
        fields = samples[needed] % len(self.fields.labels)
        x = np.stack([self._sample(*map(int, pair)) for pair in zip(samples[needed], fields, strict=True)])
        y = np.eye(len(self.fields.classes), dtype=np.float32)[self.fields.labels[fields]]
        return blend(x[first], x[second], weight[own]), blend(y[first], y[second], weight[own])

    def _own(self, count: int) -> npt.NDArray[np.int64]:
        return np.array_split(np.arange(count), self.ranks)[self.rank]

    def _sample(self, sample: int, field: int) -> npt.NDArray[np.float32]:
        rng = np.random.default_rng([self.seed, self.epoch, 1, sample])
        image = self.fields.images[field]
        rows, columns = self.crop
        y = int(rng.integers(image.shape[0] - rows + 1))
        x = int(rng.integers(image.shape[1] - columns + 1))
        return augment(image[y : y + rows, x : x + columns], self.augmentation, rng)


def augment(
    image: npt.NDArray[np.float32], augmentation: AugmentationSection, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Vary one image (y, x, channel); quarter turns only where it is square."""
    if augmentation.dihedral:
        turns = int(rng.integers(4))
        image = np.rot90(image, turns if image.shape[0] == image.shape[1] else 2 * (turns % 2))
        image = image[:, ::-1] if rng.integers(2) else image
    gain, offset = rng.standard_normal((2, image.shape[-1]), np.float32)
    varied: npt.NDArray[np.float32] = image * np.exp(augmentation.gain * gain) + augmentation.offset * offset
    return varied


def pairs(count: int, alpha: float, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Choose for each sample of a batch its weight, from Beta(alpha, alpha), and its partner; 0: all of itself."""
    if alpha == 0:
        return np.ones(count, np.float32), np.arange(count)
    return rng.beta(alpha, alpha, count).astype(np.float32), rng.permutation(count)


def blend(
    values: npt.NDArray[np.float32], partners: npt.NDArray[np.float32], weight: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Blend each sample, or its label, with that of its partner."""
    weight = weight.reshape(-1, *[1] * (values.ndim - 1))
    blended: npt.NDArray[np.float32] = weight * values + (1 - weight) * partners
    return blended


def tile_corners(size: int, crop: int) -> npt.NDArray[np.int64]:
    """Return the fewest evenly spread starts of crops that cover an axis.

    Examples
    --------
    >>> tile_corners(640, 256).tolist()
    [0, 192, 384]
    """
    return np.linspace(0, size - crop, math.ceil(size / crop)).round().astype(np.int64)


def tiles(image: npt.NDArray[Any], crop: tuple[int, int]) -> npt.NDArray[Any]:
    """Cut an image (y, x, channel) into the crops that cover it: (tile, y, x, channel)."""

    def cut() -> Iterator[npt.NDArray[Any]]:
        for y in tile_corners(image.shape[0], crop[0]):
            for x in tile_corners(image.shape[1], crop[1]):
                yield image[y : y + crop[0], x : x + crop[1]]

    return np.stack(list(cut()))
