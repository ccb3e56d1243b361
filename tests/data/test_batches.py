"""Batches: what is in them, and that they depend on seed and epoch alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hcskit.data import ArraySource, KeptSource, RandomCrops, Tiles, TrainingFields, cut_tiles
from hcskit.data._batches import own_errors
from hcskit.errors import StoreError
from hcskit.models.backend import keras
from hcskit.recipe import Recipe

PLAIN = Recipe().augmentation.model_copy(update={"dihedral": False, "gain": 0.0, "offset": 0.0, "mixup": 0.0})
VARIED = {"dihedral": True, "gain": 0.3, "offset": 0.1, "mixup": 0.4}


def _fields(count: int = 5) -> TrainingFields:
    images = np.random.default_rng(0).random((count, 24, 30, 2), dtype=np.float32)
    return TrainingFields.from_arrays(images, np.arange(count) % 2, ("a", "b"))


def _crops(fields: TrainingFields | None = None, threads: int = 4, **changes: object) -> RandomCrops:
    augmentation = PLAIN.model_copy(update=changes)
    return RandomCrops(fields or _fields(), (16, 16), 3, 4, augmentation, seed=7, threads=threads)


def _where(crops: RandomCrops, x: npt.NDArray[np.float32]) -> tuple[int, int, int]:
    """Find the only field, row and column a crop is from."""
    found = [
        (number, int(y), int(x_))
        for number in range(len(crops.fields))
        for image in [crops.fields.source.read(number)[..., 0]]
        for y, x_ in np.argwhere(
            (np.lib.stride_tricks.sliding_window_view(image, x.shape[:2]) == x[..., 0]).all((2, 3))
        )
    ]
    assert len(found) == 1
    return found[0]


def test_an_epoch_holds_every_field_equally_often_with_its_label() -> None:
    crops = _crops()
    seen = []
    for index in range(len(crops)):
        for x, y in zip(*crops[index], strict=True):
            number, *_ = _where(crops, x)
            assert y.argmax() == crops.fields.labels[number]
            seen.append(number)
    assert np.bincount(seen).tolist() == [3] * 5


def test_batches_depend_on_seed_and_epoch_alone() -> None:
    one, other = _crops(**VARIED), _crops(**VARIED)
    np.testing.assert_array_equal(one[1][0], other[1][0])
    other.epoch = 1
    assert not np.array_equal(one[1][0], other[1][0])


@pytest.mark.parametrize("threads", [1, 7])
@pytest.mark.parametrize("kept", [0, 2 * 24 * 30 * 2 * 4, 10**9])
def test_neither_threads_nor_memory_make_a_difference(threads: int, kept: int) -> None:
    one = _crops(**VARIED)
    other = _crops(replace(_fields(), source=KeptSource(_fields().source, kept)), threads, **VARIED)
    for index in [*reversed(range(len(one))), 0]:
        for part in range(2):
            np.testing.assert_array_equal(one[index][part], other[index][part])


def test_what_is_varied_is_the_crop() -> None:
    """Flips, turns, gains and offsets, undone by trying all eight and fitting a line to each channel."""
    plain, varied = _crops(), _crops(dihedral=True, gain=0.3, offset=0.1)
    found = set()
    for (x, _), (changed, _) in zip((plain[0], plain[2]), (varied[0], varied[2]), strict=True):
        for crop, other in zip(x, changed, strict=True):
            fits = [
                (turns, flipped)
                for turns in range(4)
                for flipped in (False, True)
                for turned in [np.rot90(crop, turns)]
                if np.corrcoef((turned[:, ::-1] if flipped else turned).ravel(), other[..., :].ravel())[0, 1] > 0.5
            ]
            assert len(fits) == 1
            turned = np.rot90(crop, fits[0][0])
            turned = turned[:, ::-1] if fits[0][1] else turned
            for channel in range(2):
                line = np.polyfit(turned[..., channel].ravel(), other[..., channel].ravel(), 1)
                np.testing.assert_allclose(np.polyval(line, turned[..., channel]), other[..., channel], atol=1e-5)
                assert line[0] > 0
            found.add(fits[0])
    assert len(found) > 2


def test_an_image_is_turned_enlarged_and_moved_about_its_middle() -> None:
    """Measured on an ellipse of known axes: where it is, how large, how long, and which way it lies."""
    y, x = np.mgrid[-32:33, -32:33]
    ellipse = np.exp(-(y**2) / (2 * 3.0**2) - x**2 / (2 * 5.0**2)).astype(np.float32)[None, ..., None]
    fields = TrainingFields.from_arrays(ellipse, np.zeros(1, int), ("a",))

    def moments(**varied: object) -> np.ndarray:
        crops = RandomCrops(fields, (65, 65), 100, 100, PLAIN.model_copy(update=varied), 0)
        images = crops[0][0][..., 0].astype(float)
        total = images.sum((1, 2))
        at = np.array([(images * axis).sum((1, 2)) / total for axis in (y, x)])
        spread = [(images * a * b).sum((1, 2)) / total for a, b in ((y, y), (y, x), (x, x))]
        spread = np.array(spread) - np.array([at[0] ** 2, at[0] * at[1], at[1] ** 2])
        tilt = 0.5 * np.arctan2(2 * spread[1], spread[2] - spread[0])
        return np.array([at[0], at[1], spread[0] + spread[2], tilt])

    still = moments()
    np.testing.assert_allclose(still.T, np.broadcast_to([0, 0, 34, 0], (100, 4)), atol=0.5)
    turned, enlarged, moved = moments(rotate=True), moments(zoom=0.1), moments(shift=5.0)
    np.testing.assert_allclose(turned[:3], still[:3], atol=1.5)
    assert np.histogram(turned[3], 4, (-np.pi / 2, np.pi / 2))[0].min() > 10
    assert np.std(np.log(enlarged[2]) / 2) == pytest.approx(0.1, rel=0.25)
    np.testing.assert_allclose(moved[2:], still[2:], atol=1.0)
    assert 4 < np.abs(moved[:2]).max() < 5.1
    assert np.abs(moved[:2].mean(axis=1)).max() < 1


def test_images_that_are_not_square_are_not_turned_by_a_quarter() -> None:
    fields = _fields()
    whole = RandomCrops(fields, (24, 30), 4, 20, PLAIN.model_copy(update={"dihedral": True}), 7)
    images = np.concatenate([fields.source.read(number)[np.newaxis] for number in range(5)])
    all_four = [images[:, ::up, ::left] for up in (1, -1) for left in (1, -1)]
    kinds = [[any((x == image).all() for image in kind) for kind in all_four] for x in whole[0][0]]
    assert np.sum(kinds) == 20
    assert np.any(kinds, axis=0).all()


def test_mixed_samples_are_blends_of_two_of_the_batch() -> None:
    plain, mixed = _crops(), _crops(mixup=1.0)
    x, y = plain[0]
    for blended, label in zip(*mixed[0], strict=True):
        # The weights of the samples that the blend is made of, by least squares.
        weights, residual, *_ = np.linalg.lstsq(x.reshape(len(x), -1).T, blended.ravel(), rcond=None)
        assert residual < 1e-8
        assert weights.sum() == pytest.approx(1, abs=1e-5)
        assert (weights > 1e-4).sum() <= 2
        np.testing.assert_allclose(weights @ y, label, atol=1e-5)


@pytest.mark.parametrize("ranks", [1, 3])
def test_classes_are_balanced_on_request(ranks: int) -> None:
    labels = np.array([0] * 9 + [1] * 2 + [2] * 1)
    numbered = np.arange(12, dtype=np.float32).reshape(12, 1, 1, 1)
    fields = TrainingFields.from_arrays(numbered, labels, ("a", "b", "c"))
    seen = np.zeros((2, 12), int)
    for rank in range(ranks):
        batches = RandomCrops(fields, (1, 1), 3, 7, PLAIN, 0, rank=rank, ranks=ranks, balance=True)
        for epoch in range(2):
            batches.epoch = epoch
            for index in range(len(batches)):
                np.add.at(seen[epoch], batches[index][0].ravel().astype(int), 1)
    for counts in seen:
        assert [counts[labels == label].sum() for label in range(3)] == [12, 12, 12]
        assert all(np.ptp(counts[labels == label]) <= 1 for label in range(3))
    assert (seen[0] != seen[1]).any()  # those that are left over are others in each epoch


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_the_tiles_of_all_ranks_cover_every_pixel_of_every_field_once_in_order(ranks: int) -> None:
    fields = TrainingFields.from_arrays(
        np.arange(5 * 16 * 30, dtype=float).reshape(5, 16, 30, 1), np.arange(5) % 2, ("a", "b")
    )
    shares = [Tiles(fields, (16, 16), 3, rank=rank, ranks=ranks) for rank in range(ranks)]
    made = [share[index] for share in shares for index in range(len(share))]
    x, y = (np.concatenate([part[number] for part in made]) for number in range(2))
    assert sum(share.size for share in shares) == len(x) == 10
    assert max(share.size for share in shares) - min(share.size for share in shares) <= 1
    np.testing.assert_array_equal(x, np.concatenate([cut_tiles(fields.open(number), (16, 16)) for number in range(5)]))
    assert y.argmax(axis=1).tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("shape", [(16, 16), (30, 41), (33, 16)])
def test_tiles_cover_every_pixel(shape: tuple[int, int]) -> None:
    images: npt.NDArray[np.int64] = np.arange(shape[0] * shape[1]).reshape(1, *shape, 1)
    fields = TrainingFields.from_arrays(images, np.array([0]), ("a",))
    assert set(cut_tiles(fields.open(0), (16, 16)).ravel().tolist()) == set(range(images.size))


class _Damaged(ArraySource):
    def read(self, row: int) -> npt.NDArray[Any]:
        if row == 3:
            raise StoreError("A04/1 cannot be read: its pixels are damaged")
        return super().read(row)


def test_an_image_that_cannot_be_read_is_named_by_its_own_error() -> None:
    fields = _fields()
    damaged = _Damaged(fields.source.images, fields.source.table)  # type: ignore[attr-defined]
    batches = _crops(replace(fields, source=damaged))
    model = keras.Sequential([keras.Input((16, 16, 2)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile(loss="mse")
    with pytest.raises(StoreError, match="A04/1 cannot be read"), own_errors(batches):
        model.fit(batches, verbose=0)


def test_an_error_that_is_not_of_the_batches_stays_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), own_errors(_crops()):
        raise ZeroDivisionError
