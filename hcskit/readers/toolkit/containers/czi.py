"""Zeiss ZEN (.czi), by pylibCZIrw, which is libCZI: https://github.com/ZEISS/pylibczirw.

A scene is a series: on a plate, a position in a well. The metadata name its well (``ArrayName``, or the name of its
``Shape``). Tiles of a scene are put together; an image that lacks a tile counts as not acquired.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt
from pylibCZIrw import czi

from hcskit.errors import ReaderError
from hcskit.readers.toolkit._containers import Container, Series, named
from hcskit.readers.toolkit._labels import number
from hcskit.readers.toolkit._xml import parse_xml

__all__ = ["describe", "read"]

_TYPES: Mapping[str, np.dtype[Any]] = {
    name: np.dtype(dtype) for name, dtype in (("Gray8", "u1"), ("Gray16", "u2"), ("Gray32Float", "f4"))
}
_IMAGE = "Metadata/Information/Image"
_Place = tuple[int, int, int]  # time, channel and plane


def describe(path: Path) -> Container:
    """Return what is in a file; no pixel is read."""
    with czi.open_czi(str(path)) as file:
        return _describe(file, path, _scenes(file, path))


def read(path: Path, page: int) -> npt.NDArray[Any]:
    """Read one image."""
    with czi.open_czi(str(path)) as file:
        scenes = _scenes(file, path)
        scene, time, channel, plane = _describe(file, path, scenes).locate(page)
        chosen = list(scenes)[scene]
        # With the box given, pylibCZIrw does not look for it; it fails to where scenes have gaps in their numbers.
        box, place = scenes[chosen].box, {"T": time, "C": channel, "Z": plane}
        return np.asarray(file.read(plane=place, scene=None if chosen is None else chosen, roi=box)[..., 0])


@dataclass
class _Scene:
    """Where the tiles of a scene are: their box (x, y, width, height), and how many each image has."""

    box: tuple[int, int, int, int] | None
    tiles: Counter[_Place]


def _scenes(file: czi.CziReader, path: Path) -> dict[int | None, _Scene]:
    """Return the scenes by number; None is that of a file without scenes."""
    scenes: dict[int | None, _Scene] = defaultdict(lambda: _Scene(None, Counter()))

    def add(_: int, info: Any) -> bool:
        at = info.coordinate.to_dict()
        if others := [axis for axis, value in at.items() if axis not in "STCZM" and value]:
            raise ReaderError(f"{path} has the axes {', '.join(others)}; expected scenes, time, channels and planes")
        scene, tile = scenes[at.get("S")], info.logicalRect
        scene.box = _around(scene.box, (tile.x, tile.y, tile.w, tile.h))
        scene.tiles[at.get("T", 0), at.get("C", 0), at.get("Z", 0)] += 1
        return True

    file.enumerate_subblocks_subset(add, only_layer0=True)
    return dict(sorted(scenes.items(), key=lambda item: -1 if item[0] is None else item[0]))


def _around(box: tuple[int, int, int, int] | None, tile: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    x, y, width, height = box or tile
    left, top = min(x, tile[0]), min(y, tile[1])
    right, bottom = max(x + width, tile[0] + tile[2]), max(y + height, tile[1] + tile[3])
    return left, top, right - left, bottom - top


def _describe(file: czi.CziReader, path: Path, scenes: Mapping[int | None, _Scene]) -> Container:
    sizes = {axis: end - start for axis, (start, end) in file.total_bounding_box.items()}
    times, count, planes = (sizes.get(axis, 1) for axis in "TCZ")
    every = set(product(range(times), range(count), range(planes)))
    xml = parse_xml(file.raw_metadata, path)
    channels = xml.findall(f"{_IMAGE}/Dimensions/Channels/Channel")
    names = named([one.get("Name") for one in channels] if len(channels) == count else [None] * count)
    described = {one.get("Index"): one for one in xml.iterfind(f"{_IMAGE}/Dimensions/S/Scenes/Scene")}
    dtype = _type(file, path)
    return Container(
        tuple(
            Series(
                _well(described.get(str(scene))),
                (box[3], box[2]),
                dtype,
                names,
                times,
                planes,
                _centre(described.get(str(scene))),
                frozenset(place for place in every if one.tiles[place] < max(one.tiles.values())),
            )
            for scene, one in scenes.items()
            if (box := one.box)
        ),
        pixel_size=_distance(xml, "X"),
        z_step=_distance(xml, "Z") if planes > 1 else None,
    )


def _type(file: czi.CziReader, path: Path) -> np.dtype[Any]:
    kinds = set(file.pixel_types.values())
    if len(kinds) == 1 and (dtype := _TYPES.get(next(iter(kinds)))) is not None:
        return dtype
    raise ReaderError(
        f"{path} has pixels of type {', '.join(sorted(kinds))}; expected grey ones, of one type for all channels"
    )


def _well(scene: Element | None) -> str:
    """Return the name of a scene's well, and of its position in the well."""
    if scene is None:
        return ""
    shape = scene.find("Shape")
    well = (scene.findtext("ArrayName") or (shape.get("Name") if shape is not None else "") or "").strip()
    return f"{well} {scene.get('Name', '')}".strip() if well else ""  # a name alone, such as P1, is no well


def _centre(scene: Element | None) -> tuple[float, float] | None:
    """Return the centre of a scene on the stage, in µm, y upwards."""
    text = scene.findtext("CenterPosition") if scene is not None else None
    x, _, y = (text or "").partition(",")
    place = number(x), number(y)
    return None if place[0] is None or place[1] is None else (place[0], -place[1])


def _distance(xml: Element, axis: str) -> float | None:
    metres = number(xml.findtext(f"Metadata/Scaling/Items/Distance[@Id='{axis}']/Value"))
    return float(f"{metres * 1e6:.6g}") if metres else None
