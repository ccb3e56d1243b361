"""What must not matter is varied: where a crop lies, how it is turned, how bright it is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from hcskit.training._fields import OpenField
from hcskit.training._recipe import AugmentationSection

__all__ = ["pairs", "random_crop"]


def random_crop(
    field: OpenField, augmentation: AugmentationSection, rng: np.random.Generator, out: npt.NDArray[np.float32]
) -> None:
    """Cut a random crop of a field, varied, into `out` (y, x, channel); quarter turns only where it is square."""
    corner = tuple(int(rng.integers(field.image.shape[axis] - out.shape[axis] + 1)) for axis in (0, 1))
    if augmentation.dihedral:
        turns = int(rng.integers(4))
        # Written through a turned view, the crop comes out turned.
        out = out[:, ::-1] if rng.integers(2) else out
        out = np.rot90(out, -turns if out.shape[0] == out.shape[1] else 2 * (turns % 2))
    gain, offset = rng.standard_normal((2, out.shape[-1]), np.float32)
    field.cut((corner[0], corner[1]), out, np.exp(augmentation.gain * gain), augmentation.offset * offset)
    if augmentation.rotate or augmentation.zoom or augmentation.shift:
        _warp(out, augmentation, rng)


def _warp(image: npt.NDArray[np.float32], augmentation: AugmentationSection, rng: np.random.Generator) -> None:
    """Turn, enlarge and move an image (y, x, channel) about its middle, in place; linear, mirrored at the edges."""
    angle = rng.uniform(0, 2 * np.pi) if augmentation.rotate else 0.0
    zoom = np.exp(augmentation.zoom * rng.standard_normal())
    shift = augmentation.shift * rng.uniform(-1, 1, 2)
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    turn = np.array([[cos, -sin], [sin, cos]])
    middle = (np.array(image.shape[:2]) - 1) / 2
    for channel in range(image.shape[2]):
        image[..., channel] = ndimage.affine_transform(
            image[..., channel], turn, middle - turn @ middle + shift, order=1, mode="reflect"
        )


def pairs(count: int, alpha: float, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Choose for each sample of a batch its weight, from Beta(alpha, alpha), and its partner; 0: all of itself."""
    if alpha == 0:
        return np.ones(count, np.float32), np.arange(count)
    return rng.beta(alpha, alpha, count).astype(np.float32), rng.permutation(count)
