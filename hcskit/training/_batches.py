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
    parts : int
        Make each batch in so many parts, one after another; each sample then comes with the weight of its part.
    rank, ranks : int
        Which share of each part to make, out of how many; together the shares are the part that one rank makes.

    Raises
    ------
    InputError
        If a part of a batch has fewer crops than there are ranks.
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
        parts: int = 1,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        super().__init__()
        self.fields, self.crop, self.batch = fields, crop, batch
        self.augmentation, self.seed = augmentation, seed
        self.parts, self.rank, self.ranks = parts, rank, ranks
        self.epoch = 0
        self.size = per_field * len(fields.labels)
        smallest = self.size // self.steps
        if ranks * parts > smallest:
            raise InputError(
                f"a batch of {smallest} crops ({self.size} in an epoch, at most {batch} in a batch) cannot be shared "
                f"by {ranks} ranks{f' in {parts} parts' if parts > 1 else ''}; use fewer ranks, or a larger batch"
            )

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return math.ceil(self.size / self.batch)

    def __len__(self) -> int:
        return self.steps * self.parts

    @property
    def own_size(self) -> int:
        """Crops of an epoch that this rank makes."""
        batches = np.array_split(np.arange(self.size), self.steps)
        return sum(len(self._own(len(batch), part)[0]) for batch in batches for part in range(self.parts))

    def __getitem__(self, index: int) -> tuple[npt.NDArray[np.float32], ...]:
        batch, part = divmod(index, self.parts)
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.size)
        samples = np.array_split(order, self.steps)[batch]
        rng = np.random.default_rng([self.seed, self.epoch, 2, batch])
        weight, other = pairs(len(samples), self.augmentation.mixup, rng)
        own, counts = self._own(len(samples), part)
        # A partner may lie in another rank's share; it is made here as well.
        needed, (first, second) = np.unique([own, other[own]], return_inverse=True)
        fields = samples[needed] % len(self.fields.labels)
        x = np.stack([self._sample(*map(int, pair)) for pair in zip(samples[needed], fields, strict=True)])
        y = np.eye(len(self.fields.classes), dtype=np.float32)[self.fields.labels[fields]]
        made = blend(x[first], x[second], weight[own]), blend(y[first], y[second], weight[own])
        return made if self.parts == 1 else (*made, np.full(len(own), counts, np.float32))

    def _own(self, count: int, part: int) -> tuple[npt.NDArray[np.int64], float]:
        """Return which of a batch's samples this rank makes, and how much the part counts; 1 on average."""
        whole = np.array_split(np.arange(count), self.parts)[part]
        return np.array_split(whole, self.ranks)[self.rank], len(whole) * self.parts / count

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
