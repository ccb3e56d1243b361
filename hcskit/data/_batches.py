"""From fields to batches: crops, flips and turns, changes of intensity; each sample has its own random stream.

Threads make the samples of a batch in parallel, each directly in its place, while the network learns from the batch
before. The content and order of samples depend on the seed alone: not on threads, ranks, or how much is kept in
memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from hcskit.data._augment import pairs, random_crop
from hcskit.data._fields import THREADS, OpenField, TrainingFields, tile_corners
from hcskit.data._learnable import check_shares
from hcskit.models.backend import keras
from hcskit.recipe._recipe import AugmentationSection

__all__ = ["RandomCrops", "Tiles", "own_errors"]

_Batch = tuple[npt.NDArray[np.float32], ...]
_BLOCK = 2**17  # numbers that are blended at a time, so that they stay in a core's cache


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches whose samples are made in threads."""

    def __init__(self, fields: TrainingFields, crop: tuple[int, int], threads: int) -> None:
        super().__init__()
        self.fields, self.crop = fields, crop
        self.error: Exception | None = None
        self._pool = ThreadPoolExecutor(threads, "batches")

    def __getitem__(self, index: int) -> _Batch:
        try:
            return self._make(index)
        except Exception as error:
            self.error = error
            raise

    def _make(self, index: int) -> _Batch:
        raise NotImplementedError

    def _cut(
        self, numbers: npt.NDArray[np.int64], cut: Callable[[int, OpenField, npt.NDArray[np.float32]], None]
    ) -> _Batch:
        """Make one sample of each of these fields; each field is opened once."""
        x = np.empty((len(numbers), *self.crop, len(self.fields.source.channels)), np.float32)

        def make(number: int) -> None:
            field = self.fields.open(number)
            for place in np.flatnonzero(numbers == number):
                cut(int(place), field, x[place])

        for _ in self._pool.map(make, np.unique(numbers).tolist()):
            pass
        return x, np.eye(len(self.fields.classes), dtype=np.float32)[self.fields.labels[numbers]]


class RandomCrops(_Batches):
    """Augmented crops in batches, a new set each epoch.

    Sample `i` of epoch `e` is drawn from a random stream of ``(seed, e, i)``, so that it does not depend on which
    worker makes it. Batches are as even as possible, and so are the ranks' shares of a batch: no step rests on the
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
        Number of parts in which to make each batch, one after another; each sample then has the weight of its part.
    rank, ranks : int
        Which share of each part to make, out of how many; together the shares are what a single rank makes.
    balance : bool
        Draw each class equally often, give or take one crop of an epoch that has as many crops as without. Sample `i`
        is of class ``i mod classes``; a class's samples go through its fields in an order that is drawn for the epoch,
        and again from its start, so that its fields are also drawn equally often, give or take one.
    threads : int
        How many samples to make at a time.

    Attributes
    ----------
    epoch : int
        Which epoch's batches to make.

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
        balance: bool = False,
        threads: int = THREADS,
    ) -> None:
        super().__init__(fields, crop, threads)
        self.batch, self.augmentation, self.seed = batch, augmentation, seed
        self.parts, self.rank, self.ranks, self.balance = parts, rank, ranks, balance
        self.epoch = 0
        self._drawn = -1, np.empty(0, np.int64), np.empty(0, np.int64)
        self.size = per_field * len(fields)
        check_shares(self.size, batch, parts, ranks)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return math.ceil(self.size / self.batch)

    def __len__(self) -> int:
        return self.steps * self.parts

    @property
    def own_size(self) -> int:
        """Crops of an epoch that this rank makes."""
        sizes = (len(_share(self.size, self.steps, step)) for step in range(self.steps))
        return sum(len(self._own(size, part)[0]) for size in sizes for part in range(self.parts))

    def _make(self, index: int) -> _Batch:
        epoch, (batch, part) = self.epoch, divmod(index, self.parts)
        order, fields = self._draw(epoch)
        samples = order[_share(self.size, self.steps, batch)]
        rng = np.random.default_rng([self.seed, epoch, 2, batch])
        share, other = pairs(len(samples), self.augmentation.mixup, rng)
        own, weight = self._own(len(samples), part)
        # A partner may lie in another rank's share; it is made here as well.
        needed = np.concatenate([own, np.setdiff1d(other[own], own)])
        made = samples[needed]

        def cut(place: int, field: OpenField, out: npt.NDArray[np.float32]) -> None:
            sample_rng = np.random.default_rng([self.seed, epoch, 1, int(made[place])])
            random_crop(field, self.augmentation, sample_rng, out)

        x, y = self._cut(fields[made], cut)
        if self.augmentation.mixup:
            second = np.argsort(needed)[np.searchsorted(np.sort(needed), other[own])]
            mine = share[own, np.newaxis]
            x, y = self._blend(x, second, share[own]), mine * y[: len(own)] + (1 - mine) * y[second]
        return (x, y) if self.parts == 1 else (x, y, np.full(len(own), weight, np.float32))

    def _blend(
        self, x: npt.NDArray[np.float32], second: npt.NDArray[np.int64], weight: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Blend in place; return what is left of the batch."""
        # Allocation costs more than the arithmetic: each thread uses one block for all of its rows.
        step = max(1, _BLOCK // x[:, 0].size)

        def some(rows: slice) -> None:
            block = np.empty((len(x), step, *x.shape[2:]), np.float32)
            term = np.empty_like(block[0])
            for start in range(rows.start, rows.stop, step):
                part = x[:, start : min(start + step, rows.stop)]
                np.copyto(block[:, : part.shape[1]], part)
                for place, (partner, own) in enumerate(zip(second, weight, strict=True)):
                    other = np.multiply(block[partner, : part.shape[1]], 1 - own, out=term[: part.shape[1]])
                    part[place] *= own
                    part[place] += other

        edges = np.linspace(0, x.shape[1], THREADS + 1).astype(int).tolist()
        for _ in self._pool.map(some, map(slice, edges[:-1], edges[1:])):
            pass
        return x[: len(second)]

    def _own(self, count: int, part: int) -> tuple[npt.NDArray[np.int64], float]:
        """Return which of a batch's samples this rank makes, and how much the part counts; 1 on average."""
        whole = _share(count, self.parts, part)
        return whole[_share(len(whole), self.ranks, self.rank)], len(whole) * self.parts / count

    def _draw(self, epoch: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the order of an epoch's samples and the field of each; drawn once, not for every batch."""
        if self._drawn[0] != epoch:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.size)
            self._drawn = epoch, order, self._fields_of_samples(epoch)
        return self._drawn[1:]

    def _fields_of_samples(self, epoch: int) -> npt.NDArray[np.int64]:
        if not self.balance:
            return np.arange(self.size) % len(self.fields)
        rng = np.random.default_rng([self.seed, epoch, 3])
        classes = np.unique(self.fields.labels)
        fields = np.empty(self.size, np.int64)
        for place, label in enumerate(classes):
            own = fields[place :: len(classes)]
            own[:] = np.resize(rng.permutation(np.flatnonzero(self.fields.labels == label)), len(own))
        return fields


class Tiles(_Batches):
    """The crops that cover each field, in batches, unchanged: to validate on.

    Parameters
    ----------
    fields : TrainingFields
        What to crop from.
    crop : tuple of int
        Rows and columns of a crop.
    batch : int
        Most crops in a batch.
    rank, ranks : int
        Which share of the tiles to make, out of how many. Where there are fewer tiles than ranks, each makes all.
    seed : int, optional
        Mix the tiles of all fields in an order that is drawn from it; by default they come field by field.
    threads : int
        How many fields to read at a time.

    Attributes
    ----------
    size : int
        How many tiles this rank makes.
    """

    def __init__(
        self,
        fields: TrainingFields,
        crop: tuple[int, int],
        batch: int,
        *,
        rank: int = 0,
        ranks: int = 1,
        seed: int | None = None,
        threads: int = THREADS,
    ) -> None:
        super().__init__(fields, crop, threads)
        self.batch, self._corners = batch, tile_corners(fields.source.shape, crop)
        count = len(fields) * len(self._corners)
        order = np.arange(count) if seed is None else np.random.default_rng(seed).permutation(count)
        self._own = order[_share(count, ranks, rank)] if count >= ranks else order
        self.size = len(self._own)

    def __len__(self) -> int:
        return math.ceil(self.size / self.batch)

    def _make(self, index: int) -> _Batch:
        numbers, corners = np.divmod(self._own[index * self.batch :][: self.batch], len(self._corners))
        return self._cut(numbers, lambda place, field, out: field.cut(self._corners[corners[place]], out))


def _share(count: int, parts: int, number: int) -> npt.NDArray[np.int64]:
    """Return the indices of one of several parts, as even as possible, as `numpy.array_split` divides."""
    size, larger = divmod(count, parts)
    start = number * size + min(number, larger)
    return np.arange(start, start + size + (number < larger))


@contextmanager
def own_errors(*batches: _Batches) -> Iterator[None]:
    """Raise the original error in making a batch, and not TensorFlow's wrapper."""
    try:
        yield
    except Exception:
        for error in (each.error for each in batches):
            if error is not None:
                raise error from None
        raise
