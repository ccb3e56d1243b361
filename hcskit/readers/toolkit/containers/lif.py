"""Leica LAS X (.lif), by liffile. A series is an image of the file, or a tile of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import liffile
import numpy as np
import numpy.typing as npt

from hcskit.errors import ReaderError
from hcskit.readers.toolkit._containers import Container, Series, named

__all__ = ["describe", "read"]

_TILE = "M"


def describe(path: Path) -> Container:
    """Return what is in a file; no pixel is read."""
    with liffile.LifFile(path) as file:
        return _describe(file, path)


def read(path: Path, page: int) -> npt.NDArray[Any]:
    """Read one image."""
    with liffile.LifFile(path) as file:
        series, time, channel, plane = _describe(file, path).locate(page)
        tiles = [(image, tile) for image in file.images for tile in range(image.sizes.get(_TILE, 1))]
        image: Any = tiles[series][0]
        place = {"T": time, "C": channel, "Z": plane, _TILE: tiles[series][1]}
        return np.asarray(image.frame(**{axis: at for axis, at in place.items() if axis in image.sizes}))


def _describe(file: liffile.LifFile, path: Path) -> Container:
    images = list(file.images)
    return Container(
        tuple(one for image in images for one in _series(image, path)),
        pixel_size=_step(images, "X"),
        z_step=_step(images, "Z"),
    )


def _series(image: Any, path: Path) -> list[Series]:
    sizes = dict(image.sizes)
    if others := [axis for axis in sizes if axis not in f"TCZYX{_TILE}"]:
        raise ReaderError(
            f"{path}: image {image.path} has the axes {', '.join(others)}; expected time, channels, planes and tiles"
        )
    block = image.memory_block
    if block.offset + block.size > path.stat().st_size:
        raise ReaderError(f"{path} is truncated: it ends before the image {image.path} does; copy it again")
    count = sizes.get("C", 1)
    described = image.xml_element.findall("./Data/Image/ImageDescription/Channels/ChannelDescription")
    labels = [one.findtext("ChannelProperty[Key='DyeName']/Value") or one.get("LUTName") for one in described]
    names = named(labels if len(labels) == count else [None] * count)
    tiles = sizes.get(_TILE, 1)
    return [
        Series(
            f"{image.path} {tile + 1}" if tiles > 1 else image.path,
            (sizes["Y"], sizes["X"]),
            np.dtype(image.dtype),
            names,
            sizes.get("T", 1),
            sizes.get("Z", 1),
        )
        for tile in range(tiles)
    ]


def _step(images: list[Any], axis: str) -> float | None:
    """Return the distance of two pixels, or planes, in micrometre; None if it differs between images."""
    found = set()
    for image in images:
        coords = image.coords.get(axis)
        if coords is not None and len(coords) > 1:
            found.add(float(f"{1e6 * abs(coords[1] - coords[0]):.6g}"))
    return found.pop() if len(found) == 1 else None
