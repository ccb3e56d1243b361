"""A plate that has been checked before anything of it is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import dask
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from dask.base import tokenize

from hcskit.digests import Digests, digest_of_list
from hcskit.errors import InputError, ReaderError
from hcskit.plate import parse_well
from hcskit.readers import FileImages, ImageIndex
from hcskit.readers.toolkit import describe_bad_files
from hcskit.screen import PlateInfo, describe_plate, match_plate_map
from hcskit.store import _layout
from hcskit.store._well import ReadImage

__all__ = ["CheckedPlate", "Content", "check_array", "check_export", "chosen_wells", "map_of"]

#: Returns the digest of what a well is made of, with the help of those that are known. Picklable.
Content: TypeAlias = Callable[[Digests], str]


@dataclass(frozen=True)
class CheckedPlate:
    """A plate that has been checked and may be written.

    Attributes
    ----------
    info : PlateInfo
        Its labels.
    present : numpy.ndarray of bool
        Which images were acquired, on the axes of the labels.
    images_of : callable
        From a well's number to what reads its images.
    plate_map : pandas.DataFrame or None
        Treatments.
    fingerprint : str
        Digest of what it has.
    contents : mapping of str to callable
        Of each well: returns the digest of what it is made of.
    digests : Digests
        Those of files that are known already.
    """

    info: PlateInfo
    present: npt.NDArray[np.bool_]
    images_of: Callable[[int], ReadImage]
    plate_map: pd.DataFrame | None
    fingerprint: str
    contents: Mapping[str, Content]
    digests: Digests = field(default_factory=Digests)

    def digest(self, well: str) -> str:
        """Return the digest of what a well is made of."""
        return self.contents[well](self.digests)

    def describe(self, *, complete: bool) -> dict[str, Any]:
        """Return the plate's metadata."""
        return _layout.plate_attributes(
            self.info, self.present, self.plate_map, fingerprint=self.fingerprint, complete=complete
        )


def check_array(plate: xr.Dataset) -> CheckedPlate:
    """Check a plate in memory, or a lazy one.

    Raises
    ------
    InputError
        If it is no plate, or its pixels are of a type that a store does not hold.
    """
    info, plate_map = describe_plate(plate)
    if info.dtype.kind != "u" and info.dtype != np.float32:
        raise InputError(
            f"plate {info.name}: its pixels are {info.dtype}; a store holds unsigned integers, such as uint16, or "
            "float32"
        )
    image = plate["image"].variable.transpose(*info.dims)
    present = plate["present"].transpose(*info.dims[:-2]).to_numpy()

    def images_of(number: int) -> ReadImage:
        return _WellOfArray(image[number])

    token = tokenize(plate["image"].variable, present)
    return CheckedPlate(info, present, images_of, plate_map, token, dict.fromkeys(info.wells, partial(_told, token)))


def map_of(
    index: ImageIndex, plate_map: pd.DataFrame | Mapping[str, pd.DataFrame | None] | None
) -> pd.DataFrame | None:
    """Return the plate map of one plate: the one given for it, or else its export's own."""
    if plate_map is None or isinstance(plate_map, pd.DataFrame):
        return index.plate_map if plate_map is None else plate_map
    own = plate_map.get(index.plate)
    if own is None:
        raise InputError(
            f"there is no plate map for plate {index.plate}, and its export has none: give one (plate_map)"
        )
    return own


def check_export(
    index: ImageIndex,
    plate_map: pd.DataFrame | None,
    allow_missing: bool,
    chosen: Collection[str] | None,
    digests: Digests,
) -> CheckedPlate:
    """Check the images of an export; bad files of wells that are not chosen now are accepted.

    Raises
    ------
    ReaderError
        If images are missing or bad, and that was not allowed.
    InputError
        If the plate map does not fit, or a chosen well has no images.
    """
    index.check_absent(allow_missing)
    index.forget_headers()
    if allow_missing:
        index = index.without_bad_files()
    elif index.bad:  # of a file that its reader could not open, nobody knows which wells it has
        raise ReaderError(describe_bad_files(index.plate, index.bad, index.table.path.nunique() + len(index.bad)))
    info = index.info_of_good_files()
    _refuse_bad_files(index, None if chosen is None else chosen_wells(chosen, info))
    wells = None
    if plate_map is not None:
        wells = match_plate_map(info.wells, plate_map, plate=info.name, allow_missing=allow_missing)
    files = FileImages.of_index(index, info)
    contents = {well: partial(_of_files, own) for well, own in index.well_files().items()}
    return CheckedPlate(info, files.present, files.of_well, wells, index.fingerprint(), contents, digests)


def _told(token: str, _: Digests) -> str:
    return token


def _of_files(files: Mapping[str, str], digests: Digests) -> str:
    found = {name: digests.of(Path(path)) for name, path in files.items()}
    for name, digest in found.items():
        if digest is None:
            raise ReaderError(f"{files[name]} is gone; does something still write to the folder?")
    return digest_of_list({name: digest.sha256 for name, digest in found.items() if digest is not None})


def _refuse_bad_files(index: ImageIndex, chosen: Collection[str] | None) -> None:
    """Refuse bad files of the wells that are to be written now: those of others may be repaired by then."""
    bad = index.bad_files()
    table = index.table if chosen is None else index.table[index.table.well.isin(chosen)]
    if here := {path: bad[path] for path in table.path.unique() if path in bad}:
        raise ReaderError(describe_bad_files(index.plate, here, table.path.nunique()))


def chosen_wells(wells: Collection[str], info: PlateInfo) -> tuple[str, ...]:
    """Return the names of the chosen wells in plate order.

    Raises
    ------
    InputError
        If the plate has no images of one.
    """
    wanted = {parse_well(name).name for name in wells}
    unknown = sorted(wanted - set(info.wells), key=parse_well)
    if unknown:
        raise InputError(f"plate {info.name} has no images of well {', '.join(unknown)}")
    return tuple(well for well in info.wells if well in wanted)


class _WellOfArray:
    """Reads the images of a well out of an array, in memory or lazy; the well is computed once."""

    def __init__(self, images: xr.Variable) -> None:
        self._images: xr.Variable | npt.NDArray[Any] = images

    def __call__(self, position: tuple[int, ...]) -> npt.NDArray[Any]:
        if isinstance(self._images, xr.Variable):
            # Within a worker or a thread of ours: a second pool of threads would only be in the way.
            with dask.config.set(scheduler="synchronous"):
                self._images = self._images.to_numpy()
        image: npt.NDArray[Any] = self._images[position]
        return image
