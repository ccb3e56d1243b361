"""Cytiva (GE) IN Cell Analyzer: the ``.xdce`` beside the images, which names each and what it is of.

An ``Image`` has its well (rows and columns from 1), its ``Identifier`` (field, time, wave and plane from 0, while file
names count fields, times and planes from 1, as here) and the filters of its wave. A channel is called by both filters,
as in the files' names: ``UV - DAPI``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import pandas as pd

from hcskit.readers.toolkit import (
    Claim,
    ImageIndex,
    distinct,
    inside,
    label,
    number,
    on_disk,
    only,
    plane_distance,
    plate_size,
    read_xml,
    well_name,
)

__all__ = ["claim", "index"]

_INDICES = {"field": "field_index", "time": "time_index", "wave": "wave_index", "z": "z_index"}
_COLUMNS = ["well", *_INDICES, "height", "path"]
_EMPTY = Element("absent")


def claim(folder: Path, files: Sequence[Path]) -> Claim | None:
    """Claim a folder with an ``.xdce``."""
    found = _indexes(files)
    return Claim(f"{found[0].relative_to(folder).as_posix()} is an index of IN Cell") if found else None


def index(folder: Path, files: Sequence[Path]) -> list[ImageIndex]:  # noqa: ARG001 - the contract has it
    """Index the plate of each ``.xdce``.

    Raises
    ------
    ReaderError
        If an index is malformed, or says a place that no plate has.
    """
    find = on_disk(files)
    return [_plate(path, read_xml(path), find) for path in _indexes(files)]


def _indexes(files: Sequence[Path]) -> list[Path]:
    return sorted(file for file in files if file.suffix.lower() == ".xdce")


def _plate(path: Path, xml: Element, find: Callable[[Path], Path]) -> ImageIndex:
    rows: list[tuple[object, ...]] = []
    waves: dict[int, Element] = {}
    for image in xml.iterfind(".//Images/Image"):
        name = image.get("filename", "")
        place = image.find("Identifier")
        place = _EMPTY if place is None else place
        at = {what: label(place.get(tag, ""), tag, name, path) for what, tag in _INDICES.items()}
        waves.setdefault(at["wave"], image)
        well = well_name(_count(image, "Well/Row", name, path), _count(image, "Well/Column", name, path), path)
        counts = {what: value if what == "wave" else value + 1 for what, value in at.items()}
        height = number(_said(image, "FocusPosition", "z"))
        rows.append((well, *counts.values(), height, str(find(inside(path.parent, name)))))
    channels = distinct({wave: _channel(wave, waves[wave]) for wave in sorted(waves)}, "wave {}")
    table = pd.DataFrame(rows, columns=_COLUMNS).astype({"height": float})
    table["channel"] = table.wave.map(channels)
    plate = next(xml.iterfind(".//Plate"), _EMPTY)
    lens = next(xml.iterfind(".//ObjectiveCalibration"), _EMPTY)
    return ImageIndex(
        plate.get("barcode") or path.stem,
        table,
        tuple(channels.values()),
        source=f"{path} (IN Cell)",
        pixel_size=only(number(lens.get(f"pixel_{axis}")) for axis in ("width", "height")),
        z_step=plane_distance(table),
        plate_format=plate_size(plate.get("rows"), plate.get("columns"), table.well),
        exposure=_each(channels, waves, "Exposure", "time", 1e-3),
        excitation=_each(channels, waves, "ExcitationFilter", "wavelength"),
        emission=_each(channels, waves, "EmissionFilter", "wavelength"),
    )


def _count(image: Element, path: str, name: str, source: Path) -> int:
    return label(_said(image, path, "number"), path, name, source)


def _said(image: Element, path: str, attribute: str) -> str:
    found = image.find(path)
    return "" if found is None else found.get(attribute, "")


def _channel(wave: int, image: Element) -> str:
    filters = [_said(image, f"{light}Filter", "name").strip() for light in ("Excitation", "Emission")]
    return " - ".join(filter(None, filters)) or f"wave {wave + 1}"


def _each(
    channels: dict[int, str], waves: dict[int, Element], path: str, attribute: str, factor: float = 1.0
) -> dict[str, float]:
    """Return what the first image of each wave says."""
    found = {name: number(_said(waves[wave], path, attribute)) for wave, name in channels.items()}
    return {name: float(f"{value * factor:.9g}") for name, value in found.items() if value}
