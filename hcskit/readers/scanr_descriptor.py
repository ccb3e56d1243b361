"""Olympus (Evident) ScanR with its ``experiment_descriptor.xml``: file names as the presets scanr and scanr-numbers.

The descriptor is of LabVIEW: a name and a value after one another (Bio-Formats, ScanrReader, names those used here). It
says the plate's name and format, which counts wells that names only number, the size of a pixel, and which wells were
chosen; those of which there is no image are missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import Element

from hcskit.errors import InputError
from hcskit.plate import parse_well
from hcskit.readers._presets import presets
from hcskit.readers.toolkit import Claim, ImageIndex, WellNumbers, number, plate_size, read_xml

__all__ = ["claim", "index"]

_DESCRIPTOR = "experiment_descriptor.xml"
_PRESETS = ("scanr", "scanr-numbers")
_WELLS = "well selection table + cDNA"


@dataclass(frozen=True)
class _Descriptor:
    """What a descriptor says."""

    plate: str
    format: int | None
    pixel_size: float | None
    wells: frozenset[str]


def claim(folder: Path, files: Sequence[Path]) -> Claim | None:
    """Claim a folder with a descriptor and images named as ScanR does."""
    found = _descriptors(files)
    if not found or not any(presets()[name].claim(folder, files) for name in _PRESETS):
        return None
    return Claim(f"{found[0].relative_to(folder).as_posix()} describes an experiment of ScanR")


def index(folder: Path, files: Sequence[Path]) -> list[ImageIndex]:
    """Index the experiment of each descriptor, and images without one as the presets do.

    Raises
    ------
    ReaderError
        If a descriptor is malformed, or a well number is beyond its plate.
    """
    plates = []
    left = list(files)
    for path in reversed(_descriptors(files)):  # the innermost first
        own = [file for file in left if file.is_relative_to(path.parent)]
        left = [file for file in left if file not in set(own)]
        said = _read(path)
        plates += [_described(plate, said, path) for plate in _by_names(path.parent, own, said.format)]
    return [*plates, *_by_names(folder, left, None)]


def _descriptors(files: Sequence[Path]) -> list[Path]:
    return sorted(
        (file for file in files if file.name.lower() == _DESCRIPTOR), key=lambda file: (len(file.parts), file)
    )


def _by_names(folder: Path, files: Sequence[Path], format: int | None) -> list[ImageIndex]:
    found = []
    for name in _PRESETS:
        pattern = presets()[name]
        if format is not None:
            pattern = pattern.model_copy(update={"wells": WellNumbers(format=format)})
        found += pattern.index(folder, files)
    return found


def _described(plate: ImageIndex, said: _Descriptor, path: Path) -> ImageIndex:
    lacking = sorted(said.wells - set(plate.table.well), key=parse_well)
    return replace(
        plate,
        plate=said.plate or plate.plate,
        source=f"{path.parent} (scanr)",
        pixel_size=said.pixel_size,
        plate_format=said.format,
        absent=tuple(f"well {well}, by {path.name}" for well in lacking),
    )


def _read(path: Path) -> _Descriptor:
    said: dict[str, list[str]] = {}
    for name, value in _pairs(read_xml(path)):
        said.setdefault(name, []).append(value)

    def first(name: str) -> str:
        return said.get(name, [""])[0]

    wells = frozenset(filter(None, map(_well, said.get(_WELLS, []))))
    return _Descriptor(
        first("plate name"),
        plate_size(first("Rows"), first("Columns"), wells),
        number(first("conversion factor um/pixel")),
        wells,
    )


def _pairs(xml: Element) -> Iterator[tuple[str, str]]:
    """Yield names and values; an array names itself and not its values."""
    name = ""
    for element in xml.iter():
        text = (element.text or "").strip()
        if element.tag == "Name" and text:
            name = text
        elif element.tag == "Val" and text:
            yield name, text


def _well(text: str) -> str:
    """Return the name of a well; the table has its number, too."""
    try:
        return parse_well(text).name
    except InputError:
        return ""
