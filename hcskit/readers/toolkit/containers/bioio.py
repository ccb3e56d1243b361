"""Whatever a plugin of bioio reads: https://github.com/bioio-devs/bioio. A scene is a series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bioio import BioImage
from bioio_base.exceptions import UnsupportedFileFormatError

from hcskit.errors import ReaderError
from hcskit.readers.toolkit._containers import Container, Series, named

__all__ = ["describe", "read"]


def describe(path: Path) -> Container:
    """Return what is in a file; no pixel is read."""
    image = _open(path)
    series = []
    for scene in image.scenes:
        image.set_scene(scene)
        if "S" in image.dims.order:
            raise ReaderError(f"{path} is in colour (RGB); expected grey images")
        sizes = {axis: image.dims[axis][0] for axis in "TCZYX"}
        names = named([str(one) for one in image.channel_names or []] or [None] * sizes["C"])
        shape = (sizes["Y"], sizes["X"])
        name = scene if len(image.scenes) > 1 else ""
        series.append(Series(name, shape, image.dtype.newbyteorder("="), names, sizes["T"], sizes["Z"]))
    pixel = image.physical_pixel_sizes
    return Container(tuple(series), pixel_size=pixel.X, z_step=pixel.Z if series[0].planes > 1 else None)


def read(path: Path, page: int) -> npt.NDArray[Any]:
    """Read one image."""
    number, time, channel, plane = describe(path).locate(page)
    image = _open(path)
    image.set_scene(image.scenes[number])
    lazy: Any = image.get_image_dask_data("YX", T=time, C=channel, Z=plane)
    pixels = np.asarray(lazy.compute(scheduler="synchronous"))
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _open(path: Path) -> BioImage:
    try:
        return BioImage(path)
    except UnsupportedFileFormatError as error:
        raise ReaderError(
            f"{path} is not read by any plugin of bioio that is installed; install the one for {path.suffix}: "
            "https://bioio-devs.github.io/bioio lists them"
        ) from error
