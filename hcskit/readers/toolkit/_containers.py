"""Files that hold many images and say themselves what they are of, such as those of a microscope's program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from hcskit.errors import ReaderError
from hcskit.readers.toolkit._header import Header, check_size

__all__ = [
    "CONTAINERS",
    "Container",
    "ContainerFormat",
    "Series",
    "read_container",
    "read_container_header",
    "read_container_image",
]

_MOST_IMAGES = 10_000_000  # of one file


@dataclass(frozen=True)
class Series:
    """The images of one place in a file: a position of the stage, a scene, a tile.

    Attributes
    ----------
    name : str
        What the file calls it.
    shape : tuple of int
        Rows and columns of an image.
    dtype : numpy.dtype
        Type of its pixels.
    channels : tuple of str
        Names of the channels, in order.
    times, planes : int
        Number of time points, and of planes.
    position : tuple of float or None
        Centre on the stage, in micrometre, y upwards.
    absent : frozenset of tuple of int
        Time, channel and plane, from 0, of images that were not acquired.
    """

    name: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    channels: tuple[str, ...]
    times: int = 1
    planes: int = 1
    position: tuple[float, float] | None = None
    absent: frozenset[tuple[int, int, int]] = frozenset()

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Number of time points, channels and planes."""
        return self.times, len(self.channels), self.planes

    def places(self) -> Iterator[tuple[int, int, int]]:
        """Yield time, channel and plane of each image, from 0, in the order of the pages."""
        return product(range(self.times), range(len(self.channels)), range(self.planes))


@dataclass(frozen=True)
class Container:
    """What is in a file. Its pages are the images of its series, one after another: by time, channel and plane.

    Attributes
    ----------
    series : tuple of Series
        Its places.
    pixel_size, z_step : float or None
        In micrometre.
    exposure, excitation, emission : mapping of str to float
        Of a channel: seconds and nanometres.
    """

    series: tuple[Series, ...]
    pixel_size: float | None = None
    z_step: float | None = None
    exposure: Mapping[str, float] = field(default_factory=dict)
    excitation: Mapping[str, float] = field(default_factory=dict)
    emission: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def first_pages(self) -> tuple[int, ...]:
        """The page of the first image of each series."""
        counts = [prod(one.sizes) for one in self.series]
        return tuple(sum(counts[:number]) for number in range(len(counts)))

    @property
    def form(self) -> tuple[tuple[int, int], np.dtype[Any]]:
        """Shape and type that most of the series have."""
        return Counter((one.shape, one.dtype) for one in self.series).most_common(1)[0][0]

    def locate(self, page: int) -> tuple[int, int, int, int]:
        """Return the series of a page, and its time, channel and plane."""
        number = max(n for n, first in enumerate(self.first_pages) if first <= page)
        place = np.unravel_index(page - self.first_pages[number], self.series[number].sizes)
        return (number, *(int(axis) for axis in place))  # type: ignore[return-value]


class _Module(Protocol):
    def describe(self, path: Path) -> Container: ...

    def read(self, path: Path, page: int) -> npt.NDArray[Any]: ...


@dataclass(frozen=True)
class ContainerFormat:
    """A format, the module that reads it, and the extra of hcskit that brings its library.

    Attributes
    ----------
    module : str
        Name of the module below ``containers``.
    suffixes : tuple of str
        How its files are called, in lower case.
    words : str
        What it is, and how to convert it.
    extra : str
        Nothing where the library is always there.
    """

    module: str
    suffixes: tuple[str, ...]
    words: str
    extra: str = ""

    def load(self) -> _Module:
        """Return the module.

        Raises
        ------
        ReaderError
            If its library is not installed; it says how to install it, and how to do without.
        """
        try:
            return cast("_Module", import_module(f"hcskit.readers.toolkit.containers.{self.module}"))
        except ImportError as error:
            raise ReaderError(
                f"files of {self.words} are read with the extra {self.extra}, which is not installed ({error}): pip "
                f"install 'hcskit[{self.extra}]'; {self.way_round()}"
            ) from error

    @staticmethod
    def way_round() -> str:
        """Say how to do without the library."""
        return (
            "or export the images as TIFF in the microscope's program, or convert them to OME-Zarr with "
            "bioformats2raw (a plate stays one) or to OME-TIFF with bfconvert"
        )


#: The formats by the module that reads them.
CONTAINERS: Mapping[str, ContainerFormat] = {
    one.module: one
    for one in (
        ContainerFormat("bioio", (".dv", ".ics", ".ims", ".lsm", ".oib", ".oir", ".sldy"), "formats of bioio", "bioio"),
        ContainerFormat("czi", (".czi",), "Zeiss ZEN (.czi)", "czi"),
        ContainerFormat("lif", (".lif",), "Leica LAS X (.lif)", "lif"),
        ContainerFormat("nd2", (".nd2",), "Nikon NIS-Elements (.nd2)", "nd2"),
        ContainerFormat("stk", (".stk",), "MetaMorph stacks (.stk)"),
    )
}


def format_of(path: str | Path) -> ContainerFormat | None:
    """Return the format of a file by its name, if it is one of `CONTAINERS`."""
    suffix = Path(path).suffix.lower()
    return next((one for one in CONTAINERS.values() if suffix in one.suffixes), None)


def read_container(path: str | Path) -> Container:
    """Read what is in a file; no pixel is read.

    Raises
    ------
    ReaderError
        If its library is not installed, it cannot be read, or it holds no image, too many or too large ones.
    """
    path = Path(path)
    module = _format(path).load()
    try:
        found = module.describe(path)
    except ReaderError:
        raise
    except Exception as error:
        raise ReaderError(f"{path} cannot be read as {_format(path).words}: {error}; is the copy complete?") from error
    if not 0 < sum(prod(one.sizes) for one in found.series) <= _MOST_IMAGES:
        raise ReaderError(f"{path} holds no image, or more than {_MOST_IMAGES:,}; is it damaged?")
    for one in found.series:
        check_size(path, one.shape)
    return found


def read_container_header(path: str | Path) -> Header:
    """Read the form of a file's images, as `read_container` does."""
    found = read_container(path)
    shape, dtype = found.form
    return Header(shape, dtype.newbyteorder("="), sum(prod(one.sizes) for one in found.series), found.pixel_size)


def read_container_image(path: str | Path, page: int) -> npt.NDArray[Any]:
    """Read one image of a file."""
    path = Path(path)
    return np.ascontiguousarray(_format(path).load().read(path, page))


def _format(path: Path) -> ContainerFormat:
    found = format_of(path)
    if found is None:
        raise ReaderError(f"{path} is of no format that hcskit reads")
    return found


def named(names: Sequence[str | None]) -> tuple[str, ...]:
    """Return a name for each channel: its own, with its number where another has it too or it has none."""
    texts = [(name or "").strip() for name in names]
    count = Counter(texts)
    return tuple(
        text if text and count[text] == 1 else f"{text} ({number})" if text else str(number)
        for number, text in enumerate(texts, start=1)
    )
