"""Import: images become an OME-Zarr plate, well by well, so that a killed import resumes where it stopped."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import dask
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from dask.base import tokenize
from tqdm import tqdm

from hcskit.errors import InputError, NotAScreenError, ReaderError, StoreError
from hcskit.jobs import RunJobs, run_here
from hcskit.plate import parse_well
from hcskit.readers import FileImages, ImageIndex
from hcskit.readers.toolkit import describe_bad_files
from hcskit.screen import PlateInfo, describe_plate, match_plate_map
from hcskit.store import _layout
from hcskit.store._lock import registering, writing
from hcskit.store._well import ReadImage, remove_leftovers, write_well

__all__ = ["convert_plates", "write_plate"]


_ELSEWHERE = "import into another folder, give it another name with --plate, or remove what is there first"


@dataclass(frozen=True)
class _Plate:
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
    digests : mapping of str to str
        Digest of each well's images.
    """

    info: PlateInfo
    present: npt.NDArray[np.bool_]
    images_of: Callable[[int], ReadImage]
    plate_map: pd.DataFrame | None
    fingerprint: str
    digests: Mapping[str, str]

    def describe(self, *, complete: bool) -> dict[str, Any]:
        """Return the plate's metadata."""
        return _layout.plate_attributes(
            self.info, self.present, self.plate_map, fingerprint=self.fingerprint, complete=complete
        )


def convert_plates(
    plates: Iterable[ImageIndex],
    screen: str | Path,
    plate_map: pd.DataFrame | Mapping[str, pd.DataFrame | None] | None = None,
    *,
    allow_missing: bool = False,
    wells: Collection[str] | None = None,
    replace_plate_map: bool = False,
    run: RunJobs = run_here,
    progress: bool = True,
) -> list[Path]:
    """Convert the images of plates into a screen; `hcskit.import_plates` does it from a folder, here or on a cluster.

    Everything is checked before anything is written. A well appears whole or not at all; an import that was stopped
    resumes with the wells that are not there yet. Several imports of one plate, from several processes or machines,
    share the work. A plate that is there already gets a plate map, if it had none.

    Parameters
    ----------
    plates : iterable of ImageIndex
        The ``plates`` that `hcskit.readers.read_folder` found.
    screen : path-like
        Folder of the screen; made if need be.
    plate_map : pandas.DataFrame or mapping of str to DataFrame, optional
        As `hcskit.platemap.read_plate_map` returns it: one for all plates, or one for each by name, which then must
        all be there. By default the export's own, or none.
    allow_missing : bool
        Accept files that the export names and wells of the map that are not there; leave out files that cannot be
        read.
    wells : collection of str, optional
        Write only these wells now. The plate is complete when all its wells are there, whoever wrote them.
    replace_plate_map : bool
        Let the plate map take the place of the one that a plate has.
    run : RunJobs
        Runs the jobs, one a well; by default on this machine's cores.
    progress : bool
        Show a progress bar.

    Returns
    -------
    list of pathlib.Path
        The plates' folders.

    Raises
    ------
    ReaderError
        If images of a plate are missing or bad; the other plates are written first.
    InputError
        If a map is at fault, or another plate of that name is there already.
    StoreError
        If the disk is full or cannot be written; the wells that are there stay.
    """
    checked: list[_Plate] = []
    refused: list[ReaderError] = []
    for index in plates:
        try:
            checked.append(_check(index, _map_of(index, plate_map), allow_missing, wells))
        except ReaderError as error:  # a bad file of one plate is no reason to withhold the others
            refused.append(error)
    written = [_write(plate, screen, wells, replace_plate_map, run, progress) for plate in checked]
    if refused:
        others = f"\nimported all the same: {', '.join(plate.info.name for plate in checked)}" if checked else ""
        raise ReaderError("\n".join(map(str, refused)) + others)
    return written


def write_plate(plate: xr.Dataset, screen: str | Path, *, progress: bool = True) -> Path:
    """Write a plate that is at hand, such as a corrected or a computed one, into a screen; however it is chunked.

    Parameters
    ----------
    plate : xarray.Dataset
        As `hcskit.screen.make_plate` makes it; ``image`` of unsigned integers or float32, in memory or
        lazy. It is computed well
        by well: a Dask chunk that spans several wells is computed for each.
    screen : path-like
        Folder of the screen; made if need be.
    progress : bool
        Show a progress bar.

    Returns
    -------
    pathlib.Path
        The plate's folder.

    Raises
    ------
    InputError
        If the pixels are of another type, or another plate of that name is there already. One of Dask that was
        written in part resumes only if its graph has a stable name.
    StoreError
        If the disk is full or cannot be written; the wells that are there stay.
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
    described = _Plate(info, present, images_of, plate_map, token, dict.fromkeys(info.wells, token))
    return _write(described, screen, None, replace_plate_map=False, run=run_here, progress=progress)


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


def _write(
    plate: _Plate,
    screen: str | Path,
    wells: Collection[str] | None,
    replace_plate_map: bool,
    run: RunJobs,
    progress: bool,
) -> Path:
    path = _layout.plate_path(screen, plate.info.name)
    chosen = plate.info.wells if wells is None else _known(wells, plate.info)
    try:
        _write_plate(path, plate, chosen, replace_plate_map, run, progress)
    except OSError as error:
        if error.errno is None:  # one of ours, which says what to do
            raise
        what = "the disk is full" if error.errno == errno.ENOSPC else str(error)
        raise StoreError(
            f"plate {plate.info.name} could not be written to {path}: {what}; the wells that are complete stay: "
            "mend the cause and import again to go on"
        ) from error
    return path


def _map_of(
    index: ImageIndex, plate_map: pd.DataFrame | Mapping[str, pd.DataFrame | None] | None
) -> pd.DataFrame | None:
    if plate_map is None or isinstance(plate_map, pd.DataFrame):
        return index.plate_map if plate_map is None else plate_map
    own = plate_map.get(index.plate)
    if own is None:
        raise InputError(
            f"there is no plate map for plate {index.plate}, and its export has none: give one (plate_map)"
        )
    return own


def _check(
    index: ImageIndex, plate_map: pd.DataFrame | None, allow_missing: bool, chosen: Collection[str] | None
) -> _Plate:
    if index.absent and not allow_missing:
        shown = "".join(f"\n  - {path}" for path in index.absent[:20])
        rest = f"\n  - and {len(index.absent) - 20} more" if len(index.absent) > 20 else ""
        raise ReaderError(
            f"{index.source}: {len(index.absent)} image(s) of plate {index.plate} that the export names are not there:"
            f"{shown}{rest}\ncopy them again, or accept the gaps with --allow-missing"
        )
    index.forget_headers()
    if allow_missing:
        index = index.without_bad_files()
    info = index.info_of_good_files()
    _refuse_bad_files(index, None if chosen is None else _known(chosen, info))
    wells = None
    if plate_map is not None:
        wells = match_plate_map(info.wells, plate_map, plate=info.name, allow_missing=allow_missing)
    files = FileImages.of_index(index, info)
    return _Plate(info, files.present, files.of_well, wells, index.fingerprint(), index.well_digests())


def _refuse_bad_files(index: ImageIndex, chosen: Collection[str] | None) -> None:
    """Refuse bad files of the wells that are to be written now: those of others may be mended until then."""
    bad = index.bad_files()
    table = index.table if chosen is None else index.table[index.table.well.isin(chosen)]
    if here := {path: bad[path] for path in table.path.unique() if path in bad}:
        raise ReaderError(describe_bad_files(index.plate, here, table.path.nunique()))


def _known(wells: Collection[str], info: PlateInfo) -> tuple[str, ...]:
    wanted = {parse_well(name).name for name in wells}
    unknown = sorted(wanted - set(info.wells), key=parse_well)
    if unknown:
        raise InputError(f"plate {info.name} has no images of well {', '.join(unknown)}")
    return tuple(well for well in info.wells if well in wanted)


def _write_plate(
    path: Path, plate: _Plate, wells: tuple[str, ...], replace_plate_map: bool, run: RunJobs, progress: bool
) -> None:
    if _is_done(path, plate):
        return
    plate = _register(path, plate, replace_plate_map)
    with writing(path, partial(remove_leftovers, path)):
        _write_wells(path, plate, wells, run, progress)
        _register(path, replace(plate, plate_map=None), replace_plate_map=False)


def _is_done(path: Path, plate: _Plate) -> bool:
    """Whether there is nothing to do, not even to write a lock: the plate may be on a disk that is read-only."""
    there = _attributes_there(path)
    if there is None or any(path.glob(".partial-*")):
        return False
    kept = _same_plate(path, there, plate, replace_plate_map=True)
    return bool(there == kept.describe(complete=_is_whole(path, plate))["hcskit"] and there["complete"])


def _register(path: Path, plate: _Plate, replace_plate_map: bool) -> _Plate:
    """Write the plate's metadata as they are now; returns the plate in line with what was there of it.

    Without a plate map, the one that is there stays.
    """
    with registering(path):
        there = _attributes_there(path)
        if there is not None:
            plate = _same_plate(path, there, plate, replace_plate_map)
        now = plate.describe(complete=_is_whole(path, plate))
        if there != now["hcskit"]:
            _layout.write_group(path, now)
    return plate


def _is_whole(path: Path, plate: _Plate) -> bool:
    """Whether all wells are there; those that are must be of this plate."""
    there = {well: _layout.well_digest(path, well) for well in plate.info.wells}
    other = [well for well, digest in there.items() if digest not in (None, plate.digests[well])]
    if other:
        raise InputError(
            f"{path} already holds other images of plate {plate.info.name}, in well {', '.join(other[:6])}"
            f"{' …' if len(other) > 6 else ''}; {_ELSEWHERE}"
        )
    return None not in there.values()


def _attributes_there(path: Path) -> dict[str, Any] | None:
    """Attributes of the plate that is there; None if there is none."""
    if not path.exists() or (path.is_dir() and all(entry.name.startswith(".") for entry in path.iterdir())):
        return None  # hidden files are what an import leaves that was stopped before it wrote anything
    try:
        return _layout.read_attributes(path)
    except NotAScreenError as error:
        raise InputError(
            f"{path} is in the way: it is not a plate of hcskit; remove it or choose another folder"
        ) from error


def _same_plate(path: Path, there: dict[str, Any], plate: _Plate, replace_plate_map: bool) -> _Plate:
    """Bring a plate in line with what is there of it; another plate is an error."""
    wanted = plate.describe(complete=True)["hcskit"]
    free = ("complete", "plate_map", "source")  # an export may be moved, and a plate map be added later
    if any(there[name] != wanted[name] for name in wanted if name not in free):
        raise InputError(
            f"{path} already holds another plate of the name {plate.info.name} (from {there['source']}, "
            f"{len(there['labels']['well'])} wells), or this one with other images; {_ELSEWHERE}"
        )
    plate = replace(plate, info=replace(plate.info, source=there["source"]))
    if plate.plate_map is None:
        return replace(plate, plate_map=_layout.plate_map(there))
    if there["plate_map"] not in (None, wanted["plate_map"]) and not replace_plate_map:
        raise InputError(
            f"{path} has another plate map; to put this one in its place, add --replace-plate-map (what was computed "
            "with the old one is not computed anew)"
        )
    return plate


def _write_wells(path: Path, plate: _Plate, wells: tuple[str, ...], run: RunJobs, progress: bool) -> None:
    for row in {_layout.well_folder(path, well).parent for well in wells}:
        _layout.write_group(row, {})
    todo = [well for well in wells if not _layout.well_folder(path, well).exists()]
    with tqdm(total=len(wells), initial=len(wells) - len(todo), unit="well", disable=not progress) as bar:
        bar.set_description(f"import {plate.info.name}")
        run([_job(path, plate, well) for well in todo], lambda _: bar.update())


def _job(path: Path, plate: _Plate, well: str) -> Callable[[], None]:
    """Return what writes a well, with no more of the plate than it needs: it may be sent far."""
    number = plate.info.wells.index(well)
    info = replace(plate.info, wells=(well,), coordinates={}, flatfield={})
    return partial(write_well, path, info, well, plate.images_of(number), plate.present[number], plate.digests[well])
