"""Images in folders, one in each file, as a source to read from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hcskit.data._sources import Illumination, bin_pixels
from hcskit.errors import InputError
from hcskit.readers.toolkit import read_pixels

__all__ = ["IMAGES", "ImageSource", "image_files"]

#: What the names of images end in.
IMAGES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
_CHANNELS = {1: ("grey",), 3: ("red", "green", "blue")}


def image_files(folder: Path, at_least: int = 1) -> list[str]:
    """List the images of a folder at any depth, in order, relative to it.

    Raises
    ------
    InputError
        If there are fewer.
    """
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if _is_image(path, folder))
    if len(found) < at_least:
        raise InputError(f"{folder} holds no image; expected files that end in {', '.join(IMAGES)}")
    return found


class ImageSource:
    """Images of a folder: grey, or red, green and blue.

    Parameters
    ----------
    folder : Path
        Where they are.
    table : pandas.DataFrame
        One row an image; its column ``file`` is relative to the folder.
    channels : sequence of str, optional
        Channels in order; by default all.
    binning : int
        Pixels averaged along each axis.

    Raises
    ------
    InputError
        If the first image cannot be read, or lacks a channel.
    """

    pixel_size_um: float | None = None

    def __init__(
        self, folder: Path, table: pd.DataFrame, channels: Sequence[str] | None = None, binning: int = 1
    ) -> None:
        self.table, self.binning = table.reset_index(drop=True), binning
        self._folder, self._files = folder, table["file"].tolist()
        first = _read(folder / self._files[0])
        self._stored, self._known = _kind(first), _CHANNELS[first.shape[2]]
        self.channels = self._known if channels is None else tuple(channels)
        lacking = [channel for channel in self.channels if channel not in self._known]
        if lacking:
            raise InputError(f"the images in {folder} have no channel {', '.join(lacking)}; they have {self._known}")
        self.shape = (first.shape[0] // binning, first.shape[1] // binning)

    def read(self, row: int) -> npt.NDArray[Any]:
        """Read the image (y, x, channel) of a row, binned.

        Raises
        ------
        InputError
            If it cannot be read, or differs from the others in size or type of pixel.
        """
        path = self._folder / self._files[row]
        image = _read(path)
        if _kind(image) != self._stored:
            raise InputError(f"{path} is {_kind(image)}; {self._files[0]} is {self._stored}: use one size and type")
        image = image[..., [self._known.index(channel) for channel in self.channels]]
        return image if self.binning == 1 else bin_pixels(image.astype(np.float32), self.shape, self.binning)

    def illumination(self, row: int) -> Illumination | None:  # noqa: ARG002
        """Return None: the images are used as they are."""
        return None


def _is_image(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix.lower() in IMAGES and not hidden and path.is_file()


def _read(path: Path) -> npt.NDArray[Any]:
    image = read_pixels(path)
    image = image[..., np.newaxis] if image.ndim == 2 else image
    image = image[..., :3] if image.shape[-1] == 4 else image  # how opaque a pixel is, a microscope does not measure
    if image.ndim != 3 or image.shape[2] not in _CHANNELS:
        raise InputError(f"{path} is {_kind(image)}; expected rows × columns of grey, or of red, green and blue")
    return image


def _kind(image: npt.NDArray[Any]) -> str:
    return f"{'×'.join(map(str, image.shape))} {image.dtype.name}"
