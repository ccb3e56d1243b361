"""Labelled data: the plates of a screen, or images in folders named after what they show."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from hcskit.data._fields import label_fields
from hcskit.data._images import IMAGES, ImageSource, image_files
from hcskit.data._sources import PlateSource, Source
from hcskit.errors import InputError, NotAScreenError
from hcskit.recipe._recipe import DataSection
from hcskit.results import read_illumination
from hcskit.store import open_plates

__all__ = ["ImageFolder", "LabelledData", "ScreenData", "open_data"]


class LabelledData(Protocol):
    """Images that are labelled with what they show.

    Attributes
    ----------
    image_shape : tuple of int
        Rows and columns of an image, as the camera gave it.
    channels : tuple of str
        Names of the channels.
    dtype : numpy.dtype
        Of the pixels, as the camera gave them.
    """

    @property
    def image_shape(self) -> tuple[int, int]: ...

    @property
    def channels(self) -> tuple[str, ...]: ...

    @property
    def dtype(self) -> npt.DTypeLike: ...

    def label(self, section: DataSection) -> pd.DataFrame:
        """List what a recipe learns from: ``plate, well, field, label`` and further columns, one row per image."""

    def source(self, table: pd.DataFrame, channels: Sequence[str], binning: int) -> Source:
        """Return a source that reads the images of such a table."""


@dataclass(frozen=True, eq=False)
class ScreenData:
    """Fields of plates, labelled by their plate maps.

    Parameters
    ----------
    plates : mapping of str to xarray.Dataset
        Plates by name.
    illumination : xarray.Dataset, optional
        Of the plates: ``flat`` (plate, channel, y, x) and ``dark`` (plate, channel). By default, images
        are taken as they are.
    """

    plates: Mapping[str, xr.Dataset]
    illumination: xr.Dataset | None = None

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns of an image of the first plate."""
        return (self._first.sizes["y"], self._first.sizes["x"])

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels of the first plate."""
        return tuple(self._first["channel"].to_numpy().tolist())

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the pixels of the first plate."""
        return np.dtype(self._first["image"].dtype)

    @property
    def _first(self) -> xr.Dataset:
        return next(iter(self.plates.values()))

    def label(self, section: DataSection) -> pd.DataFrame:
        """List the usable fields of the wells whose role the recipe learns from; see `label_fields`."""
        return label_fields(self.plates, section)

    def source(self, table: pd.DataFrame, channels: Sequence[str], binning: int) -> Source:
        """Return a source that reads the fields."""
        return PlateSource(self.plates, self.illumination, table, channels, binning)


class ImageFolder:
    """PNG, JPEG and TIFF images of one size; those in a subfolder are labelled with its name.

    Parameters
    ----------
    folder : path-like
        Where they are, at any depth.

    Raises
    ------
    InputError
        If there is no image, or an image cannot be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.files = image_files(self.folder)
        first = ImageSource(self.folder, pd.DataFrame({"file": self.files[:1]}))
        image = first.read(0)
        self.image_shape: tuple[int, int] = (image.shape[0], image.shape[1])
        self.channels, self.dtype = first.channels, image.dtype

    def label(self, section: DataSection) -> pd.DataFrame:
        """List the images in subfolders, with ``file``, and what the recipe's pattern finds in the file's path.

        The path begins below the folder, without the subfolder that is the label: in the same place for all
        classes, a pattern finds the same plates and wells in them. Without a ``well`` in the pattern each image is its
        own.

        Raises
        ------
        InputError
            If fewer than two classes are left, or the pattern does not fit a file's path.
        """
        table = pd.DataFrame({"file": self.files})
        table["label"] = [Path(file).parent.name for file in self.files]
        table = table[(table["label"] != "") & ~table["label"].isin(section.exclude)].reset_index(drop=True)
        if table["label"].nunique() < 2:
            raise InputError(
                f"learning needs images in at least two subfolders of {self.folder}, each called what its images show; "
                f"found {', '.join(sorted(set(table['label']))) or 'none'}"
            )
        found = [_parse(_unlabelled(Path(file)), section.pattern) for file in table["file"]]
        table = table.join(pd.DataFrame(found, index=table.index))
        if "plate" not in table:
            table["plate"] = self.folder.name
        if "well" not in table:
            table["well"] = table["file"]
        table["field"] = table.groupby(["plate", "well"]).cumcount() + 1
        return table

    def source(self, table: pd.DataFrame, channels: Sequence[str], binning: int) -> Source:
        """Return a source that reads the images."""
        return ImageSource(self.folder, table, channels, binning)


@overload
def open_data(path: str | Path, *, illumination: bool = True) -> ScreenData | ImageFolder: ...


@overload
def open_data(path: str | Path | LabelledData, *, illumination: bool = True) -> LabelledData: ...


def open_data(path: str | Path | LabelledData, *, illumination: bool = True) -> LabelledData:
    """Open what can be learned from; data that are open already are returned as they are.

    Parameters
    ----------
    path : path-like or LabelledData
        Folder of a screen whose quality step has run, or of images.
    illumination : bool
        Read the illumination of a screen's plates. Counting their images needs neither it nor the quality step.

    Raises
    ------
    NotAScreenError
        If it is neither.
    InputError
        If the plates' images differ in size.
    """
    if not isinstance(path, str | Path):
        return path
    try:
        plates = open_plates(path)
    except NotAScreenError as error:
        if not image_files(Path(path), at_least=0):
            raise NotAScreenError(f"{error}; nor does {path} hold images ({', '.join(IMAGES)})") from None
        return ImageFolder(path)
    return ScreenData(plates, read_illumination(path, list(plates)) if illumination else None)


def _unlabelled(file: Path) -> str:
    return (file.parent.parent / file.name).as_posix()


def _parse(path: str, pattern: str | None) -> dict[str, str]:
    if pattern is None:
        return {}
    found = re.search(pattern, path)
    if found is None or None in found.groupdict().values():
        raise InputError(
            f"the recipe's data.pattern '{pattern}' does not fit {path!r}, the path of an image without the folder "
            "of its class, or not all of it"
        )
    return found.groupdict()
