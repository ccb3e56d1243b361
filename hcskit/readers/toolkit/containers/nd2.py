"""Nikon NIS-Elements (.nd2), by the library nd2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nd2
import numpy as np
import numpy.typing as npt
from nd2.structures import XYPosLoop

from hcskit.errors import ReaderError
from hcskit.readers.toolkit._containers import Container, Series, named

__all__ = ["describe", "read"]

_AXES = {"P", "T", "Z"}  # of frames; each has all channels


def describe(path: Path) -> Container:
    """Return what is in a file; each position of the stage is a series."""
    with nd2.ND2File(path) as file:
        return _describe(file, path)


def read(path: Path, page: int) -> npt.NDArray[Any]:
    """Read one image."""
    with nd2.ND2File(path) as file:
        number, time, channel, plane = _describe(file, path).locate(page)
        frame = file.read_frame(_frames(file)[number, time, plane])
        return np.array(frame if frame.ndim == 2 else frame[channel])  # a copy: the frame goes with the file


def _describe(file: nd2.ND2File, path: Path) -> Container:
    if file.is_rgb:
        raise ReaderError(f"{path} is in colour (RGB); expected grey images: save the channels as they were taken")
    if others := set(file.sizes) - _AXES - set("CYX"):
        raise ReaderError(f"{path} has the axes {', '.join(sorted(others))}; expected positions, time and planes")
    positions, times, planes, count = (file.sizes.get(axis, 1) for axis in "PTZC")
    channels = [one for one in getattr(file.metadata, "channels", None) or [] if one is not None]
    names = named([one.channel.name for one in channels] if len(channels) == count else [None] * count)
    shape, frames = (file.sizes["Y"], file.sizes["X"]), _frames(file)
    # A run that was stopped has fewer frames than were planned; nd2 reads zeros for them.
    planned = {place for place, frame in frames.items() if frame >= file.attributes.sequenceCount}
    voxel = file.voxel_size()
    return Container(
        tuple(
            Series(
                name,
                shape,
                file.dtype,
                names,
                times,
                planes,
                position,
                frozenset((time, c, z) for at, time, z in planned if at == number for c in range(count)),
            )
            for number, (name, position) in enumerate(_points(file, positions))
        ),
        pixel_size=float(f"{voxel.x:.6g}") if channels and channels[0].volume.axesCalibrated[0] else None,
        z_step=float(f"{voxel.z:.6g}") if planes > 1 else None,
        excitation=_known(names, [one.channel.excitationLambdaNm for one in channels]),
        emission=_known(names, [one.channel.emissionLambdaNm for one in channels]),
    )


def _frames(file: nd2.ND2File) -> dict[tuple[int, int, int], int]:
    """Return the frame of each position, time point and plane."""
    loops = file.loop_indices or ({},)
    return {(at.get("P", 0), at.get("T", 0), at.get("Z", 0)): frame for frame, at in enumerate(loops)}


def _points(file: nd2.ND2File, count: int) -> list[tuple[str, tuple[float, float] | None]]:
    """Return name and place of each position of the stage."""
    loop = next((one for one in file.experiment if isinstance(one, XYPosLoop)), None)
    if loop is None:
        return [("", None)] * count
    return [(one.name or "", (one.stagePositionUm.x, one.stagePositionUm.y)) for one in loop.parameters.points]


def _known(names: Sequence[str], values: Sequence[float | None]) -> Mapping[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=False) if value}
