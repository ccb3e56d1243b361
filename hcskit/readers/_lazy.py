"""A folder of images as a labelled plate, without converting it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hcskit.errors import ReaderError
from hcskit.lazy import PlaneArray
from hcskit.readers.toolkit import WHOLE, ImageIndex, read_image
from hcskit.screen import PlateInfo

__all__ = ["FileImages", "file_images"]

_ALONE = -1  # the page of an image that should be its file's only one


@dataclass(frozen=True, eq=False)
class FileImages:
    """Reads the image at a position out of its file; see `hcskit.lazy.PlaneArray`."""

    info: PlateInfo
    rows: npt.NDArray[np.int64]
    paths: npt.NDArray[np.object_]
    pages: npt.NDArray[np.int64]
    samples: npt.NDArray[np.int64]

    def __call__(self, position: tuple[int, ...]) -> npt.NDArray[Any]:
        row = self.rows[position]
        page = int(self.pages[row])
        pixels = read_image(self.paths[row], None if page == _ALONE else page, int(self.samples[row]))
        if (pixels.shape, pixels.dtype.newbyteorder("=")) != (self.info.shape, self.info.dtype):
            raise ReaderError(
                f"{self.paths[row]} is {pixels.shape} {pixels.dtype}, but the images of plate {self.info.name} are "
                f"{self.info.shape} {self.info.dtype}; does something still write to the folder?"
            )
        return pixels.astype(self.info.dtype, copy=False)

    @classmethod
    def of_index(cls, index: ImageIndex, info: PlateInfo) -> Self:
        """Take the files that an index names."""
        table = index.table
        is_alone = table.groupby("path").page.transform("max") == 0
        pages = table.page.mask(is_alone, _ALONE)
        samples = table["rgb"].to_numpy() if "rgb" in table else np.full(len(table), WHOLE)
        return cls(info, index.rows(info), table.path.to_numpy(dtype=object), pages.to_numpy(), samples)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which images there are, on the axes of the plate's labels."""
        return self.rows >= 0

    def of_well(self, number: int) -> FileImages:
        """Return what reads one well's images, at positions without the well; small, so that it can be sent."""
        rows = self.rows[number]
        used = np.unique(rows[rows >= 0])
        own = np.where(rows >= 0, np.searchsorted(used, rows), -1)
        return FileImages(self.info, own, self.paths[used], self.pages[used], self.samples[used])


def file_images(index: ImageIndex, info: PlateInfo) -> PlaneArray:
    """Return the images of a plate behind one array that reads them when they are asked for."""
    files = FileImages.of_index(index, info)
    return PlaneArray(files, files.present, info.shape, info.dtype)
