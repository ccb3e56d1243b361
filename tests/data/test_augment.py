"""A crop that is turned, enlarged and moved shows the field around it, and its mirror image only beyond the field."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from hcskit.data import Illumination, OpenField
from hcskit.data._augment import _cut_warped, random_crop
from hcskit.recipe import Recipe

PLAIN = {"dihedral": False, "gain": 0.0, "offset": 0.0, "mixup": 0.0}


def _augmentation(**changes: Any) -> Any:
    return Recipe.model_validate({"augmentation": PLAIN | changes}).augmentation


def _field(image: npt.NDArray[Any], illumination: Illumination | None = None) -> OpenField:
    return OpenField(image, illumination, np.zeros(image.shape[2]), np.ones(image.shape[2]))


@pytest.mark.parametrize("dihedral", [False, True])
@pytest.mark.parametrize("crop", [(24, 24), (30, 20), (70, 82)])
def test_a_crop_is_cut_from_the_whole_field(crop: tuple[int, int], dihedral: bool) -> None:
    rng = np.random.default_rng(0)
    shape = (70, 82)
    # The crop tells itself where each of its pixels comes from: linear interpolation of a slope is exact.
    pattern, places = rng.uniform(size=shape), np.indices(shape)
    field = _field(np.stack([pattern, *places], axis=-1).astype(np.float32))
    augmentation = _augmentation(rotate=True, zoom=0.2, shift=5.0, dihedral=dihedral)
    y, x = np.indices(crop)
    terms = np.stack([np.ones(crop), y - crop[0] / 2, x - crop[1] / 2], axis=-1)
    middle = slice(crop[0] // 2 - 3, crop[0] // 2 + 3), slice(crop[1] // 2 - 3, crop[1] // 2 + 3)
    beyond = 0
    for seed in range(30):
        out = np.empty((*crop, 3), np.float32)
        random_crop(field, augmentation, np.random.default_rng(seed), out)
        said = terms[middle].reshape(-1, 3), out[middle][..., 1:].reshape(-1, 2)
        origin = np.moveaxis(terms @ np.linalg.lstsq(*said)[0], -1, 0)
        beyond += bool((origin < 0).any())
        expected = ndimage.map_coordinates(pattern, origin, order=1, mode="reflect")
        np.testing.assert_allclose(out[..., 0], expected, atol=1e-3)
    assert beyond > 0


@pytest.mark.parametrize("reach", [1.0, 4.0])
def test_what_is_cut_is_what_scipy_makes_of_the_whole_field(reach: float) -> None:
    rng = np.random.default_rng(1)
    shape, crop = np.array([40, 56]), (12, 17)
    counts = rng.integers(0, 60_000, (*shape, 2), np.uint16)
    illumination = Illumination(
        np.array([100, 30], np.float32), [rng.uniform(0.7, 1.3, shape).astype(np.float32) for _ in range(2)]
    )
    light = (counts - illumination.dark.astype(float)) / np.stack(illumination.flat, axis=-1)
    gain, offset = np.array([0.5, 2.0], np.float32), np.array([3.0, -1.0], np.float32)
    for _ in range(60):
        turn, start = rng.normal(0, reach, (2, 2)), reach * shape * rng.uniform(-0.5, 1.0, 2)
        out = np.empty((*crop, 2), np.float32)
        _cut_warped(_field(counts, illumination), turn, start, out, gain, offset)
        for channel in range(2):
            whole = ndimage.affine_transform(
                light[..., channel], turn, start, output_shape=crop, order=1, mode="reflect"
            )
            np.testing.assert_allclose(out[..., channel], gain[channel] * whole + offset[channel], rtol=1e-5, atol=0.1)
