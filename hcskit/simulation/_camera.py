"""From light to counts: blur, vignetting, and a camera's noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hcskit.errors import InputError
from hcskit.simulation._design import CHANNELS, PlateDesign

__all__ = ["DARK", "LARGEST_COUNT", "expose", "vignetting"]

#: Counts of the camera without light (its offset).
DARK = 100
#: Where a 12-bit camera saturates; the brightest cells stay below.
LARGEST_COUNT = 4095
_BACKGROUND = (35.0, 45.0)  # counts from medium and plastic, per channel
_HAZE = 0.10  # fraction of the light that a wide-field microscope spreads from other planes
_HAZE_WIDTH = 10.0  # micrometre
_ELECTRONS_PER_COUNT = 4.0
_READ_NOISE = 3.0  # counts, root mean square
_AXIS = ((-0.06, 0.08), (0.10, -0.04))  # optical axis of each channel, in image sizes from the centre (y, x)


def vignetting(design: PlateDesign, channel: str) -> NDArray[np.float32]:
    """Return the true flat field of a channel.

    An image is ``dark + flat * light`` plus noise, so ``(image - DARK) / flat`` undoes it.

    Parameters
    ----------
    design : PlateDesign
    channel : str
        One of `CHANNELS`.

    Returns
    -------
    numpy.ndarray
        Shape (y, x), mean 1.

    Raises
    ------
    InputError
        If there is no such channel.
    """
    if channel not in CHANNELS:
        raise InputError(f"there is no channel {channel!r}; simulated plates have {', '.join(CHANNELS)}")
    height, width = design.image_size
    off_y, off_x = _AXIS[CHANNELS.index(channel)]
    y = np.arange(height)[:, None] - height * (0.5 + off_y)
    x = np.arange(width)[None, :] - width * (0.5 + off_x)
    light: NDArray[np.float64] = 1.0 - design.vignetting * (y**2 + x**2) / ((height**2 + width**2) / 4.0)
    light = np.maximum(light, 0.05)  # a corner far from a shifted axis still gets some light
    return np.asarray(light / light.mean(), dtype=np.float32)


def expose(
    design: PlateDesign, light: NDArray[np.float32], rng: np.random.Generator, *, defocus: float
) -> NDArray[np.uint16]:
    """Image the light of a field.

    Parameters
    ----------
    design : PlateDesign
    light : numpy.ndarray
        Shape (channel, y, x): counts that ideal optics would give.
    rng : numpy.random.Generator
    defocus : float
        Additional blur, standard deviation in pixels.

    Returns
    -------
    numpy.ndarray
        Shape (channel, y, x).
    """
    images = np.empty(light.shape, dtype=np.uint16)
    for index, channel in enumerate(CHANNELS):
        sharp = gaussian_filter(light[index], np.hypot(design.blur, defocus), truncate=3.0)
        haze = gaussian_filter(light[index], _HAZE_WIDTH / design.pixel_size, truncate=2.0)
        signal = vignetting(design, channel) * (_BACKGROUND[index] + (1.0 - _HAZE) * sharp + _HAZE * haze)
        counts = DARK + _noisy(signal, design.noise, rng)
        images[index] = np.clip(np.rint(counts), 0, LARGEST_COUNT)
    return images


def _noisy(signal: NDArray[np.float32], noise: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Add shot and read noise, both `noise` times those of the camera."""
    if noise == 0:
        return signal
    electrons = _ELECTRONS_PER_COUNT / noise**2
    shot = rng.poisson(signal * electrons).astype(np.float32) / np.float32(electrons)
    read = rng.standard_normal(signal.shape, dtype=np.float32) * np.float32(_READ_NOISE * noise)
    return shot + read
