"""Batches: what is in them, and that they depend on seed and epoch alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from hcskit.training import RandomCrops, Recipe, TrainingFields, tiles

PLAIN = Recipe().augmentation.model_copy(update={"dihedral": False, "gain": 0.0, "offset": 0.0, "mixup": 0.0})


def _crops(**changes: object) -> RandomCrops:
    rng = np.random.default_rng(0)
    fields = TrainingFields.from_arrays(rng.random((5, 24, 30, 2), dtype=np.float32), np.arange(5) % 2, ("a", "b"))
    augmentation = PLAIN.model_copy(update=changes)
    return RandomCrops(fields, (16, 16), per_field=3, batch=4, augmentation=augmentation, seed=7)


def test_an_epoch_holds_every_field_equally_often_with_its_label() -> None:
    crops = _crops()
    seen = []
    for index in range(len(crops)):
        for x, y in zip(*crops[index], strict=True):
            where = [
                number
                for number, image in enumerate(crops.fields.images)
                if (np.lib.stride_tricks.sliding_window_view(image[..., 0], (16, 16)) == x[..., 0]).all((2, 3)).any()
            ]
            assert len(where) == 1
            assert y.argmax() == crops.fields.labels[where[0]]
            seen.append(where[0])
    assert np.bincount(seen).tolist() == [3] * 5


def test_batches_depend_on_seed_and_epoch_alone() -> None:
    one, other = _crops(dihedral=True, gain=0.3, mixup=0.4), _crops(dihedral=True, gain=0.3, mixup=0.4)
    np.testing.assert_array_equal(one[1][0], other[1][0])
    other.epoch = 1
    assert not np.array_equal(one[1][0], other[1][0])


def test_mixed_labels_still_sum_to_one() -> None:
    _, y = _crops(mixup=1.0)[0]
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-6)
    assert ((y > 0.01) & (y < 0.99)).any()


def test_flips_and_turns_keep_the_pixels() -> None:
    plain, turned = _crops(), _crops(dihedral=True)
    for a, b in zip(plain[0][0], turned[0][0], strict=True):
        np.testing.assert_array_equal(np.sort(a, axis=None), np.sort(b, axis=None))


@pytest.mark.parametrize("shape", [(16, 16), (30, 41), (33, 16)])
def test_tiles_cover_every_pixel(shape: tuple[int, int]) -> None:
    image: npt.NDArray[np.int64] = np.arange(shape[0] * shape[1]).reshape(*shape, 1)
    assert set(tiles(image, (16, 16)).ravel().tolist()) == set(range(image.size))
