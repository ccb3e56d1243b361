"""A plate whose images carry their own labels, and how a layout numbers them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hcskit.plate import PlateFormat, parse_well

__all__ = ["Label", "Numbering", "StampedPlate"]

_SHAPE = (12, 20)


class Label(NamedTuple):
    """What an image is of, as `hcskit.screen.DIMS`."""

    well: str
    field: int
    time: int
    channel: str
    z: int


@dataclass(frozen=True)
class Numbering:
    """How a layout names and numbers what it labels, and what it cannot tell apart.

    Attributes
    ----------
    channels : tuple of str
        The first two channels, as the reader shall name them.
    more_channels : tuple of str
        Further ones, for a case of many channels; by default one, called Tubulin, if the first two are not named.
    field, time, z : int
        The first field, time point and plane.
    without : collection of str
        Out of ``field``, ``time``, ``z``, ``channels`` (there is one), ``plate`` (the plate's name, which is then that
        of the folder) and ``formats`` (plates of other sizes than 96 wells): what the layout does not know. Cases that
        need it are left out.
    metadata : mapping of str to object
        What else was written, by the attributes of `ImageIndex`: ``pixel_size``, ``z_step``, ``exposure``,
        ``excitation`` and ``emission``. The reader shall have these, and no others: nothing is made up.
    position : callable, optional
        From a well and a field to the ``(x, y)`` in micrometre that was written.
    """

    channels: tuple[str, ...] = ("DNA", "Actin")
    more_channels: tuple[str, ...] | None = None
    field: int = 1
    time: int = 1
    z: int = 1
    without: Collection[str] = ()
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    position: Callable[[str, int], tuple[float, float]] | None = None


@dataclass(frozen=True)
class StampedPlate:
    """A plate of small images, each of which says what it is of.

    Attributes
    ----------
    name : str
        The plate's id.
    number : int
        Stamped into each image beside its label.
    format : PlateFormat
        Rows and columns of the plate.
    channels : tuple of str
        Channel names in order.
    images : tuple of Label
        The images that were acquired, in the order in which to write them.
    """

    name: str
    number: int
    format: PlateFormat
    channels: tuple[str, ...]
    images: tuple[Label, ...]

    def pixels(self, label: Label, dtype: npt.DTypeLike = np.uint16) -> npt.NDArray[Any]:
        """Return an image full of its own label; no other image has these pixels, turned or mirrored neither.

        Returns
        -------
        numpy.ndarray
            Shape (12, 20); values below 256.
        """
        well = parse_well(label.well)
        channel = self.channels.index(label.channel)
        code = (101 + self.number, 1 + well.row, 1 + well.column, 1 + label.field, 1 + label.time, 1 + channel)
        image = np.resize(np.array((*code, 1 + label.z), dtype=dtype), _SHAPE[::-1]).T.copy()
        image[0], image[:, -1] = 0, 255
        return image

    def __contains__(self, label: object) -> bool:
        return label in self.images
