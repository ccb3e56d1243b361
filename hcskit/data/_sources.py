"""Where images come from: a table of them and a way to read each, from plates or from memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from hcskit.errors import InputError
from hcskit.lazy import memory_to_spare, unchunked
from hcskit.parallel import ranks_here

__all__ = [
    "KEPT_SHARE",
    "ArraySource",
    "Illumination",
    "KeptSource",
    "PlateSource",
    "Source",
    "bin_pixels",
    "write_light",
]

#: Share of a host's spare memory that is used to keep images; the network needs the rest.
KEPT_SHARE = 0.25
_BLOCK = 2**15  # pixels that are computed at a time, to stay in a core's cache


class Illumination(NamedTuple):
    """The correction of counts to light: ``(counts - dark) / flat``.

    Attributes
    ----------
    dark : numpy.ndarray
        (channel,), float32.
    flat : sequence of numpy.ndarray
        (y, x), float32, of each channel.
    """

    dark: npt.NDArray[np.float32]
    flat: Sequence[npt.NDArray[np.float32]]


class Source(Protocol):
    """Images of one size that can be read one by one, from several threads at once.

    Attributes
    ----------
    table : pandas.DataFrame
        One row an image, numbered from 0: ``plate, well, field, label`` and what else is known of it.
    channels : tuple of str
        Names of the channels.
    shape : tuple of int
        Rows and columns of each image.
    pixel_size_um : float or None
        Edge of a camera pixel, in micrometre.
    """

    table: pd.DataFrame
    channels: tuple[str, ...]
    shape: tuple[int, int]
    pixel_size_um: float | None

    def read(self, row: int) -> npt.NDArray[Any]:
        """Read the image (y, x, channel) of a row of the table: counts as stored, or light."""

    def illumination(self, row: int) -> Illumination | None:
        """Return the correction of the image to light; None if it is light already."""


@dataclass
class ArraySource:
    """Images that are in memory, as light.

    Parameters
    ----------
    images : numpy.ndarray
        (image, y, x, channel).
    table : pandas.DataFrame
        As `Source` has it.
    pixel_size_um : float, optional
        Edge of a camera pixel, in micrometre.

    Examples
    --------
    >>> source = ArraySource(np.zeros((2, 8, 10, 3), np.uint8), pd.DataFrame({"label": ["a", "b"]}))
    >>> source.shape, source.read(1).dtype
    ((8, 10), dtype('uint8'))
    """

    images: npt.NDArray[Any]
    table: pd.DataFrame
    pixel_size_um: float | None = None

    def __post_init__(self) -> None:
        self.shape: tuple[int, int] = self.images.shape[1:3]
        self.channels = tuple(map(str, range(self.images.shape[3])))

    def read(self, row: int) -> npt.NDArray[Any]:
        """Return the image (y, x, channel) of a row."""
        image: npt.NDArray[Any] = self.images[row]
        return image

    def illumination(self, row: int) -> None:
        """Return None: the images are light."""


class PlateSource:
    """Fields of plates: counts of the camera, or, where pixels are binned, light.

    Parameters
    ----------
    plates : mapping of str to xarray.Dataset
        Plates by name.
    illumination : xarray.Dataset or None
        Of the plates: ``flat`` (plate, channel, y, x) and ``dark`` (plate, channel). None: the images are
        taken as they are.
    table : pandas.DataFrame
        One row a field, with the columns ``plate, well, field``.
    channels : sequence of str
        Channels in order.
    binning : int
        Pixels averaged along each axis.

    Raises
    ------
    InputError
        If a channel is missing, or plates differ in image size or type of pixel.
    """

    def __init__(
        self,
        plates: Mapping[str, xr.Dataset],
        illumination: xr.Dataset | None,
        table: pd.DataFrame,
        channels: Sequence[str],
        binning: int = 1,
    ) -> None:
        sizes = {name: (plate.sizes["y"] // binning, plate.sizes["x"] // binning) for name, plate in plates.items()}
        kinds = {name: plate["image"].dtype.name for name, plate in plates.items()}
        if len(set(sizes.values())) > 1:
            raise InputError(f"the plates' images differ in size: {sizes}; train on plates of one size")
        if len(set(kinds.values())) > 1:
            raise InputError(f"the plates' pixels differ in type: {kinds}; import their images in one type")
        for name, plate in plates.items():
            lacking = [channel for channel in channels if channel not in plate["channel"]]
            if lacking:
                known = ", ".join(map(str, plate["channel"].values))
                raise InputError(f"plate {name} has no channel {', '.join(lacking)}; it has {known}")
        self.table, self.channels, self.binning = table.reset_index(drop=True), tuple(channels), binning
        self.shape = next(iter(sizes.values()))
        self.pixel_size_um = next(iter(plates.values())).attrs.get("pixel_size_um")
        self._all = illumination
        self._images = {name: unchunked(plate["image"].variable) for name, plate in plates.items()}
        # Looked up here, in one thread: pandas may miss a label when several look first (pandas-dev/pandas#21150).
        labels = {name: plate.indexes for name, plate in plates.items()}
        self._places = [
            (name, labels[name]["well"].get_loc(well), labels[name]["field"].get_loc(field))
            for name, well, field in zip(table["plate"], table["well"], table["field"], strict=True)
        ]
        self._channels = {name: [own["channel"].get_loc(one) for one in channels] for name, own in labels.items()}
        self._illuminations: dict[str, Illumination] = {}
        self._lock = threading.Lock()

    def read(self, row: int) -> npt.NDArray[Any]:
        """Read the field (y, x, channel) of a row: the camera's counts, or binned light."""
        name, well, field = self._places[row]
        image = self._images[name].isel(well=well, field=field, channel=self._channels[name])
        # In this thread: Dask would make tasks of the cluster for which this task waits.
        counts = image.load(scheduler="synchronous").transpose("y", "x", "channel").to_numpy()
        if self.binning == 1:
            return counts
        light = np.empty(counts.shape, np.float32)
        ones, zeros = np.ones(len(self.channels), np.float32), np.zeros(len(self.channels), np.float32)
        write_light(counts, self._of_plate(name), ones, zeros, light)
        return bin_pixels(light, self.shape, self.binning)

    def illumination(self, row: int) -> Illumination | None:
        """Return the correction of a row's field to light."""
        return None if self.binning > 1 else self._of_plate(self._places[row][0])

    def _of_plate(self, name: str) -> Illumination | None:
        if self._all is None:
            return None
        with self._lock:
            if name not in self._illuminations:
                light = self._all.sel(plate=name).transpose("channel", "y", "x", missing_dims="ignore")
                own = [light.sel(channel=channel) for channel in self.channels]
                dark = np.array([one["dark"] for one in own], np.float32)
                self._illuminations[name] = Illumination(dark, [np.asarray(one["flat"], np.float32) for one in own])
            return self._illuminations[name]


class KeptSource:
    """Images of another source; those read first stay in memory, as stored, until the limit is reached.

    The operating system caches the files of the others in the remaining memory.

    Parameters
    ----------
    source : Source
        Where the images are.
    max_bytes : int, optional
        How much to keep; by default, the ranks of a host share a quarter of its spare memory.
    """

    def __init__(self, source: Source, max_bytes: int | None = None) -> None:
        self.table, self.channels, self.shape = source.table, source.channels, source.shape
        self.pixel_size_um, self.illumination = source.pixel_size_um, source.illumination
        self._source, self._kept = source, dict[int, npt.NDArray[Any]]()
        self._room = int(KEPT_SHARE * memory_to_spare() / ranks_here()) if max_bytes is None else max_bytes
        self._lock = threading.Lock()

    def read(self, row: int) -> npt.NDArray[Any]:
        """Return the image (y, x, channel) of a row; read it, unless it was kept."""
        kept = self._kept.get(row)
        if kept is not None:
            return kept
        image = self._source.read(row)
        with self._lock:
            if row not in self._kept and image.nbytes <= self._room:
                self._kept[row] = image
                self._room -= image.nbytes
        return image


def write_light(
    image: npt.NDArray[Any],
    illumination: Illumination | None,
    gain: npt.NDArray[np.float32],
    offset: npt.NDArray[np.float32],
    out: npt.NDArray[np.float32],
) -> None:
    """Write ``light * gain + offset`` of an image (y, x, channel) into `out`; gain and offset are (channel,).

    A few rows at a time go through all steps: no image is held twice, or passes through memory more than once.
    """
    rows = max(1, _BLOCK // image.shape[1])
    light = np.empty((rows, image.shape[1]), np.float32)
    for start in range(0, len(image), rows):
        block = slice(start, start + rows)
        for channel in range(image.shape[2]):
            part = image[block, :, channel]
            own = light[: len(part)]
            if illumination is None:
                np.multiply(part, gain[channel], out=own, dtype=np.float32, casting="unsafe")
            else:
                np.subtract(part, illumination.dark[channel], out=own, dtype=np.float32, casting="unsafe")
                own /= illumination.flat[channel][block]
                own *= gain[channel]
            np.add(own, offset[channel], out=out[block, :, channel])


def bin_pixels(image: npt.NDArray[np.float32], shape: tuple[int, int], binning: int) -> npt.NDArray[np.float32]:
    """Average boxes of an image (y, x, channel) to so many rows and columns; what is left over at the end is cut off.

    Examples
    --------
    >>> bin_pixels(np.arange(8, dtype=np.float32).reshape(2, 4, 1), (1, 2), 2)[..., 0].tolist()
    [[2.5, 4.5]]
    """
    rows, columns = shape
    boxes = image[: rows * binning, : columns * binning].reshape(rows, binning, columns, binning, -1)
    binned: npt.NDArray[np.float32] = boxes.mean((1, 3))
    return binned
