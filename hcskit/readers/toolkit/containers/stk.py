"""Stacks of MetaMorph (.stk), by tifffile: a TIFF with one header, and the planes behind one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from hcskit.errors import ReaderError
from hcskit.readers.toolkit._containers import Container, Series, named
from hcskit.readers.toolkit._tiff import check_page, open_tiff

__all__ = ["describe", "read"]


def describe(path: Path) -> Container:
    """Return what is in a file. Its images are planes, or time points if their distance is zero."""
    with open_tiff(path) as tiff:
        page, meta = _checked(tiff, path)
        count = int(meta["NumberPlanes"])
        is_series = count > 1 and not np.any(meta.get("ZDistance", 0))
        pixel, step = meta.get("XCalibration"), meta.get("ZDistance")
        is_micrometre = str(meta.get("CalibrationUnits", "")).strip("\0 ") in ("um", "µm")
        one = Series(
            str(meta.get("StageLabel", [""])[0] if isinstance(meta.get("StageLabel"), list) else ""),
            (page.imagelength, page.imagewidth),
            page.dtype.newbyteorder("="),
            named([meta.get("Name")]),
            times=count if is_series else 1,
            planes=1 if is_series else count,
        )
        return Container(
            (one,),
            pixel_size=float(pixel) if pixel and is_micrometre else None,
            z_step=float(np.atleast_1d(step)[0]) if step is not None and not is_series and count > 1 else None,
        )


def read(path: Path, page: int) -> npt.NDArray[Any]:
    """Read one image."""
    with open_tiff(path) as tiff:
        first, _ = _checked(tiff, path)
        shape = (first.imagelength, first.imagewidth)
        dtype = first.dtype.newbyteorder(tiff.byteorder)
        offset = first.dataoffsets[0] + page * shape[0] * shape[1] * dtype.itemsize
        image = tiff.filehandle.read_array(dtype, shape[0] * shape[1], offset)
        return np.asarray(image.reshape(shape).astype(dtype.newbyteorder("=")))


def _checked(tiff: tifffile.TiffFile, path: Path) -> tuple[Any, dict[str, Any]]:
    """Return header and metadata of a stack whose planes are all there."""
    page, meta = tiff.pages.first, tiff.stk_metadata
    if meta is None or page.compression != 1 or page.samplesperpixel != 1 or not page.is_contiguous:
        raise ReaderError(f"{path} is not a stack of MetaMorph, or a compressed one or in colour; export it as TIFF")
    check_page(page)
    needed = page.dataoffsets[0] + int(meta["NumberPlanes"]) * sum(page.databytecounts)
    if needed > tiff.filehandle.size:
        raise ReaderError(
            f"{path} is truncated: its header asks for {needed:,} bytes, the file has {tiff.filehandle.size:,}; copy "
            "it again"
        )
    return page, meta
