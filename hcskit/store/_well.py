"""One well's images into a folder: whole, or not at all."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from hcskit.files import move
from hcskit.screen import PlateInfo
from hcskit.store import _layout
from hcskit.store._shard import ShardWriter, array_metadata

__all__ = ["ReadImage", "remove_leftovers", "write_well"]

#: Reads the image (y, x) at a position of a well: field, [time,] channel, [z]. Picklable.
ReadImage = Callable[[tuple[int, ...]], npt.NDArray[Any]]


def write_well(
    plate: Path,
    info: PlateInfo,
    well: str,
    read: ReadImage,
    present: npt.NDArray[np.bool_],
    digest: str,
    instead_of: str | None = None,
) -> None:
    """Write a well's fields beside the plate's others; one that is there already stays.

    With the digest of what is there of it, the well takes its place.
    """
    target = _layout.well_folder(plate, well)
    if _layout.well_digest(plate, well) != instead_of:
        return  # another import was here first
    partial = plate / f".partial-{well}-{uuid4().hex}"
    try:
        fields = [number for number in range(len(info.fields)) if present[number].any()]
        _write_group(partial, _layout.well_attributes([info.fields[number] for number in fields], digest))
        for number in fields:
            _write_field(partial / str(info.fields[number]), info, number, read, present[number])
        try:
            if instead_of is not None and _layout.well_digest(plate, well) == instead_of:
                target.rename(plate / f".trash-{uuid4().hex}")
            move(partial, target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another import was quicker
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_group(path: Path, attributes: dict[str, Any]) -> None:
    """Write metadata within a well, which is synced as a whole."""
    path.mkdir(parents=True)
    (path / "zarr.json").write_text(_layout.group(attributes), encoding="utf-8")


def _write_field(path: Path, info: PlateInfo, number: int, read: ReadImage, present: npt.NDArray[np.bool_]) -> None:
    """Write a field's pyramid, one image after another: whole shards, never a part of one."""
    _write_group(path, _layout.field_attributes(info))
    axes = _layout.field_axes(info)
    with ExitStack() as stack:
        levels = []
        for level in range(_layout.pyramid_depth(info.shape)):
            file = _layout.shard_path(path, level, len(axes))
            levels.append(stack.enter_context(ShardWriter(file, present.size)))
            metadata = array_metadata(_layout.field_shape(info, level), info.dtype, axes)
            (path / str(level) / "zarr.json").write_bytes(metadata)
        for position in np.argwhere(present):
            image = read((number, *position))
            for level, shard in enumerate(levels):
                image = image if level == 0 else _half(image)
                shard.add(int(np.ravel_multi_index(position, present.shape)), image)


def _half(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Average 2×2 pixels, rounded where they are integers; an odd last row or column is averaged with itself."""
    padded = (
        np.pad(image, [(0, size % 2) for size in image.shape], mode="edge")
        if any(size % 2 for size in image.shape)
        else image
    )
    if image.dtype.kind == "f":
        mean: npt.NDArray[Any] = padded.reshape(len(padded) // 2, 2, -1, 2).mean(axis=(1, 3), dtype=np.float64)
        return mean.astype(image.dtype)
    rows: npt.NDArray[Any] = padded[::2].astype(np.uint64 if image.itemsize > 2 else np.uint32)
    rows += padded[1::2]
    total: npt.NDArray[Any] = rows[:, ::2] + rows[:, 1::2]
    total += 2
    total //= 4
    half: npt.NDArray[Any] = total.astype(image.dtype)
    return half


def remove_leftovers(plate: Path) -> None:
    """Remove what imports left that were killed."""
    for leftover in plate.glob(".partial-*"):
        trash = plate / f".trash-{uuid4().hex}"
        with suppress(FileNotFoundError):
            leftover.rename(trash)  # at once: should its writer live after all, it cannot finish what is being removed
    for trash in plate.glob(".trash-*"):
        shutil.rmtree(trash, ignore_errors=True)
