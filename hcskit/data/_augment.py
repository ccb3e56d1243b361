"""Augmentation: crops vary in what must not matter, such as position, orientation and brightness."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from hcskit.data._fields import OpenField
from hcskit.recipe._recipe import AugmentationSection

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
    brightness = np.exp(augmentation.gain * gain), augmentation.offset * offset
    if augmentation.rotate or augmentation.zoom or augmentation.shift:
        turn, shift = _warp(augmentation, rng)
        middle = (np.array(out.shape[:2]) - 1) / 2
        _cut_warped(field, turn, middle + corner + shift - turn @ middle, out, *brightness)
    else:
        field.cut((corner[0], corner[1]), out, *brightness)


def _warp(
    augmentation: AugmentationSection, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Draw a turn about a crop's middle, with an enlargement, and a move: from the crop's pixels to the field's."""
    angle = rng.uniform(0, 2 * np.pi) if augmentation.rotate else 0.0
    zoom = np.exp(augmentation.zoom * rng.standard_normal())
    shift = augmentation.shift * rng.uniform(-1, 1, 2)
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    return np.array([[cos, -sin], [sin, cos]]), shift


def _cut_warped(
    field: OpenField,
    turn: npt.NDArray[np.float64],
    start: npt.NDArray[np.float64],
    out: npt.NDArray[np.float32],
    gain: npt.NDArray[np.float32],
    offset: npt.NDArray[np.float32],
) -> None:
    """Write the field at ``start + turn @ (y, x)`` into `out` at (y, x): linear, mirrored at the field's edges."""
    corners = np.array([[0, 0, 1, 1], [0, 1, 0, 1]]) * (np.array(out.shape[:2])[:, np.newaxis] - 1)
    at = start[:, np.newaxis] + turn @ corners
    size = np.array(field.image.shape[:2])
    # One pixel more for rounded coordinates, and what the field's edge mirrors.
    low, high = np.floor(at.min(axis=1)).astype(int) - 1, np.ceil(at.max(axis=1)).astype(int) + 2
    first = np.where(high > size, np.minimum(low, 2 * size - high), low).clip(0, size - 1)
    last = np.where(low < 0, np.maximum(high, -low), high).clip(first + 1, size)
    window: npt.NDArray[Any] = np.empty((out.shape[2], *(last - first)), np.float32)
    field.cut((int(first[0]), int(first[1])), np.moveaxis(window, 0, -1), gain, offset)
    for channel, image in enumerate(window):
        ndimage.affine_transform(image, turn, start - first, output=out[..., channel], order=1, mode="reflect")


def pairs(count: int, alpha: float, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Choose for each sample of a batch its weight, from Beta(alpha, alpha), and its partner; 0: all of itself."""
    if alpha == 0:
        return np.ones(count, np.float32), np.arange(count)
    return rng.beta(alpha, alpha, count).astype(np.float32), rng.permutation(count)
