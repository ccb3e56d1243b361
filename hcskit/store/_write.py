"""Import: an image index becomes an OME-Zarr plate, well by well, so that a killed import goes on where it stopped."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import zarr
from tqdm import tqdm
from zarr.codecs import BloscCodec

from hcskit.errors import InputError, NotAScreenError, ReaderError, StoreError
from hcskit.readers import ImageIndex, read_image
from hcskit.screen import PlateInfo, match_plate_map
from hcskit.store import _layout
from hcskit.store._lock import locked

__all__ = ["import_plate"]


def import_plate(
    index: ImageIndex,
    screen: str | Path,
    plate_map: pd.DataFrame,
    *,
    allow_missing: bool = False,
    progress: bool = True,
) -> list[Path]:
    """Write every plate of an index into a screen.

    Everything is checked before anything is written. A well appears whole or not at all; an import that was stopped
    goes on with the wells that are not there yet.

    Parameters
    ----------
    index : ImageIndex
        What `hcskit.readers.read_folder` found.
    screen : path-like
        Folder of the screen; made if need be.
    plate_map : pandas.DataFrame
        As `hcskit.platemap.read_plate_map` returns it; one map for all plates of the index.
    allow_missing : bool
        Accept wells of the map that were not imaged.
    progress : bool
        Show a progress bar.

    Returns
    -------
    list of pathlib.Path
        The plates' folders.

    Raises
    ------
    InputError
        If images or map are at fault, or another plate of that name is there already.
    StoreError
        If the disk is full or cannot be written; the wells that are there stay.
    """
    checked = [
        (info, rows, match_plate_map(info.wells, plate_map, plate=info.name, allow_missing=allow_missing))
        for info, rows in index.plates()
    ]
    paths = []
    for info, rows, wells in checked:
        path = _layout.plate_path(screen, info.name)
        try:
            _import(path, info, rows, wells, progress)
        except OSError as error:
            if isinstance(error, StoreError | NotAScreenError):
                raise
            what = "the disk is full" if error.errno == errno.ENOSPC else str(error)
            raise StoreError(
                f"plate {info.name} could not be written to {path}: {what}; the wells that are complete stay: "
                "mend the cause and import again to go on"
            ) from error
        paths.append(path)
    return paths


def _import(path: Path, info: PlateInfo, rows: pd.DataFrame, plate_map: pd.DataFrame, progress: bool) -> None:
    missing = _missing(info, rows)
    describe = partial(_layout.plate_attributes, info, missing, plate_map)
    if _is_complete(path, describe):
        return
    path.mkdir(parents=True, exist_ok=True)
    with locked(path):
        if _is_complete(path, describe):  # another import has ended meanwhile
            return
        _layout.write_group(path, describe(complete=False))
        _write_wells(path, info, rows, progress)
        _layout.write_group(path, describe(complete=True))


def _write_wells(path: Path, info: PlateInfo, rows: pd.DataFrame, progress: bool) -> None:
    for leftover in path.glob(".partial-*"):
        shutil.rmtree(leftover)
    for leftover in (*path.glob(".zarr.json.*"), *path.glob("*/.zarr.json.*")):
        leftover.unlink()
    for row in {_layout.well_folder(path, well).parent for well in info.wells}:
        _layout.write_group(row, {})
    todo = [(well, files) for well, files in rows.groupby("well") if not _layout.well_folder(path, str(well)).exists()]
    with tqdm(total=len(info.wells), initial=len(info.wells) - len(todo), unit="well", disable=not progress) as bar:
        bar.set_description(f"import {info.name}")
        _in_threads([partial(_write_well, path, info, str(well), files) for well, files in todo], bar.update)


def _is_complete(path: Path, describe: Callable[..., dict[str, Any]]) -> bool:
    """Whether this very plate is there; anything else that is in its place is an error."""
    if not path.exists() or (path.is_dir() and all(entry.name.startswith(".") for entry in path.iterdir())):
        return False  # hidden files are what an import leaves that was stopped before it wrote anything
    try:
        there = _layout.read_attributes(path)
    except NotAScreenError as error:
        raise InputError(
            f"{path} is in the way: it is not a plate of hcskit; remove it or choose another folder"
        ) from error
    if there | {"complete": True} != describe(complete=True)["hcskit"]:
        raise InputError(
            f"{path} already holds another plate (from {there['source']}, {len(there['wells'])} wells), or this one "
            "with other images or another plate map; import into another folder, or remove it first"
        )
    return bool(there["complete"])


def _missing(info: PlateInfo, rows: pd.DataFrame) -> list[tuple[str, int, str]]:
    whole = pd.MultiIndex.from_product([info.wells, info.fields, info.channels])
    there = pd.MultiIndex.from_frame(rows[["well", "field", "channel"]])
    return [(str(well), int(field), str(channel)) for well, field, channel in whole[~whole.isin(there)]]


def _in_threads(jobs: list[Callable[[], None]], done: Callable[[], Any]) -> None:
    """Run jobs, one a core at a time; the first error, or Ctrl-C, stops the rest."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        try:
            for future in [pool.submit(job) for job in jobs]:
                future.result()
                done()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _write_well(plate: Path, info: PlateInfo, well: str, files: pd.DataFrame) -> None:
    target = _layout.well_folder(plate, well)
    partial = plate / f".partial-{well}-{os.getpid()}"
    try:
        fields = sorted(set(map(int, files.field)))
        _layout.write_group(partial, _layout.well_attributes(fields))
        for field in fields:
            paths = files[files.field == field].set_index("channel").path
            _write_field(partial / str(field), info, _read_field(info, paths))
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _read_field(info: PlateInfo, paths: pd.Series) -> npt.NDArray[Any]:
    image = np.zeros((len(info.channels), *info.shape), info.dtype)
    for number, channel in enumerate(info.channels):
        if channel in paths.index:
            pixels = read_image(paths[channel])
            if (pixels.shape, pixels.dtype.newbyteorder("=")) != (info.shape, info.dtype):
                raise ReaderError(
                    f"{paths[channel]} has changed during the import: now {pixels.shape} {pixels.dtype}, was "
                    f"{info.shape} {info.dtype}; wait until nothing writes to the folder, then import again"
                )
            image[number] = pixels
    return image


def _write_field(path: Path, info: PlateInfo, image: npt.NDArray[Any]) -> None:
    _layout.write_group(path, _layout.field_attributes(info))
    for level in range(_layout.pyramid_depth(info.shape)):
        if level > 0:
            image = _half(image)
        array = zarr.create_array(
            store=str(path / str(level)),
            shape=image.shape,
            shards=image.shape,
            chunks=(1, *image.shape[1:]),
            dtype=image.dtype,
            compressors=BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"),
            dimension_names=("c", "y", "x"),
            # A black image is written too: a shard that is not there is then a shard that was lost.
            config={"write_empty_chunks": True},
        )
        array[...] = image


def _half(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Average 2×2 pixels, rounded; an odd last row or column is averaged with itself."""
    padded = np.pad(image, ((0, 0), (0, image.shape[1] % 2), (0, image.shape[2] % 2)), mode="edge")
    rows = padded[:, ::2].astype(np.uint32) + padded[:, 1::2]
    half: npt.NDArray[Any] = ((rows[:, :, ::2] + rows[:, :, 1::2] + 2) // 4).astype(image.dtype)
    return half
