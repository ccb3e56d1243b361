"""The cells: channels in colour, with the same contrast for every well of a plate."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr
from PIL import Image

__all__ = ["channel_colours", "contrast_limits", "field_rgb", "jpeg", "scale_bar"]

Limits = Mapping[str, tuple[float, float]]

# Magenta and green add up to white and are told apart with any common colour vision; further channels follow.
_COLOURS = ("#00e676", "#ff40e0", "#ffb000", "#35b6ff", "#ffffff")
_NUCLEAR = ("dna", "dapi", "hoechst", "nucle", "h2b", "draq")
_NUCLEAR_COLOUR = "#4d6dff"
# Background becomes black and the brightest structures white, but for a few hot pixels.
_PERCENTILES = (1.0, 99.8)
_SAMPLED_WELLS = 24
_SAMPLED_PIXELS = 160


def channel_colours(channels: Sequence[str]) -> dict[str, str]:
    """Choose a colour for each channel: blue for nuclei, then green, magenta, orange.

    Examples
    --------
    >>> channel_colours(["DNA", "GFP"])
    {'DNA': '#4d6dff', 'GFP': '#00e676'}
    """
    nuclear = [name for name in channels if any(word in name.lower() for word in _NUCLEAR)][:1]
    others = [name for name in channels if name not in nuclear]
    chosen = {name: _COLOURS[min(index, len(_COLOURS) - 1)] for index, name in enumerate(others)}
    return {name: _NUCLEAR_COLOUR if name in nuclear else chosen[name] for name in channels}


def contrast_limits(plate: xr.Dataset, channels: Sequence[str] | None = None) -> dict[str, tuple[float, float]]:
    """Return the intensities shown as black and as full colour, in counts, for each channel of a plate.

    Taken over wells spread over the whole plate, so that the same brightness means the same in every image.

    Parameters
    ----------
    plate : xarray.Dataset
        ``image`` and ``present``.
    channels : sequence of str, optional
        All channels by default.
    """
    names = [str(name) for name in plate["channel"].to_numpy()] if channels is None else list(channels)
    complete = np.argwhere(plate["present"].all("channel").to_numpy())
    chosen = complete[np.unique(np.linspace(0, len(complete) - 1, _SAMPLED_WELLS).astype(int))] if len(complete) else []
    strides = {name: slice(None, None, max(1, plate.sizes[name] // _SAMPLED_PIXELS)) for name in ("y", "x")}
    image = plate["image"].sel(channel=names).isel(strides)
    pixels = [image.isel(well=well, field=field).to_numpy() for well, field in chosen]
    limits = {}
    for index, name in enumerate(names):
        values = np.concatenate([image[index].ravel() for image in pixels]) if pixels else np.array([0.0, 1.0])
        low, high = np.percentile(values, _PERCENTILES)
        limits[name] = (float(low), float(max(high, low + 1)))
    return limits


def field_rgb(
    plate: xr.Dataset, well: str, field: int, limits: Limits, *, crop: int | None = None, edge: int | None = None
) -> npt.NDArray[np.uint8]:
    """Compose the channels of one field into a colour image.

    Parameters
    ----------
    plate : xarray.Dataset
        ``image`` (well, field, channel, y, x).
    well : str
        Name of the well.
    field : int
        Label of the field.
    limits : mapping
        Channels to show, each with the counts of black and of full colour (`contrast_limits`).
    crop : int, optional
        Show only the middle, this many pixels wide and high.
    edge : int, optional
        Shrink the result to at most this many pixels.

    Returns
    -------
    numpy.ndarray
        Shape (y, x, 3), uint8.
    """
    image = plate["image"].sel(well=well, field=field, channel=list(limits))
    if crop is not None:
        starts = {name: max(0, (plate.sizes[name] - crop) // 2) for name in ("y", "x")}
        image = image.isel({name: slice(start, start + crop) for name, start in starts.items()})
    counts = image.transpose("channel", "y", "x").to_numpy().astype(np.float32)
    ends = np.array(list(limits.values()), dtype=np.float32)
    bright = np.clip((counts - ends[:, 0, None, None]) / (ends[:, 1] - ends[:, 0])[:, None, None], 0, 1)
    # A channel keeps its colour when it is shown without the others.
    known = channel_colours([str(name) for name in plate["channel"].to_numpy()])
    colours = np.array([_rgb(known[name]) for name in limits], dtype=np.float32)
    colour_image = np.clip(np.tensordot(bright, colours, axes=(0, 0)), 0, 1)
    pixels: npt.NDArray[np.uint8] = (colour_image * 255).round().astype(np.uint8)
    if edge is not None and max(pixels.shape[:2]) > edge:
        scale = edge / max(pixels.shape[:2])
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
    return pixels


def jpeg(pixels: npt.NDArray[np.uint8], quality: int = 82) -> bytes:
    """Write a colour image, shape (y, x, 3), as JPEG."""
    buffer = io.BytesIO()
    # Full colour resolution: thin coloured structures are what one looks for.
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True)
    return buffer.getvalue()


def scale_bar(width: float) -> float:
    """Return the length of a scale bar for an image `width` µm wide: 1, 2 or 5 × 10ⁿ, about a quarter of it.

    Examples
    --------
    >>> scale_bar(200.0), scale_bar(640.0)
    (50.0, 100.0)
    """
    target = width / 3.5
    power = 10.0 ** np.floor(np.log10(target))
    return float(power * max(step for step in (1, 2, 5) if step * power <= target))


def _rgb(colour: str) -> tuple[float, float, float]:
    return tuple(int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))  # type: ignore[return-value]
