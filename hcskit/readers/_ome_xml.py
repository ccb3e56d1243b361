"""OME-XML: which file and IFD holds which plane of an image, and what is said of its channels and pixels.

The rules of ``TiffData`` are those of the schema, https://docs.openmicroscopy.org/ome-model, 2013-06 to 2016-06: it
names a first plane and a first IFD, both 0 by default. With ``PlaneCount`` it stands for that many planes, in the order
of ``DimensionOrder``. Without, it stands for one plane if it names an IFD, and otherwise for all that the file holds;
these end where the next ``TiffData`` of the image begins (as in Bio-Formats, OMETiffReader).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from hcskit.errors import ReaderError
from hcskit.inputs import read_bytes
from hcskit.readers._ome import channel_names, check_planes, micrometres
from hcskit.readers.toolkit import inside, number, open_tiff, parse_xml, read_xml

__all__ = ["OmeXml", "Plane", "has_plate", "is_pointer", "length", "read_ome_xml", "read_text"]

_SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "min": 60.0}
_PLATE = re.compile(r"<(\w+:)?Plate[\s>]")
_POINTER = re.compile(r"<(\w+:)?BinaryOnly\s")
_OME = re.compile(r"<(\w+:)?OME[\s>]")


class Plane(NamedTuple):
    """One plane of an image: its numbers, and its file and IFD."""

    time: int
    channel: int
    z: int
    path: Path
    page: int


@dataclass(frozen=True)
class OmeXml:
    """A document of OME-XML.

    Attributes
    ----------
    path : Path
        The file that has it: XML, or a TIFF in whose first ImageDescription it stands.
    root : Element
        The element ``OME``; no tag has a namespace.
    """

    path: Path
    root: Element

    @property
    def embedded(self) -> bool:
        """Whether the document stands in a file of pixels."""
        return _is_tiff(self.path)

    def count(self, element: Element, name: str, default: int | None = None) -> int:
        """Return an attribute that is a whole number.

        Raises
        ------
        ReaderError
            If it is not, or is missing where it has no default.
        """
        text = element.get(name)
        if text is None and default is not None:
            return default
        if not (text or "").strip().isdecimal():
            raise ReaderError(
                f"{self.path}: {element.tag} {element.get('ID', '')} has {name}={text!r}; expected a whole number"
            )
        return int(text or "")

    def planes(self, image: Element) -> Iterator[Plane]:
        """Yield the planes of an image that are in TIFF files."""
        for pixels in image.iterfind("Pixels"):
            yield from self._planes(pixels)

    def _planes(self, pixels: Element) -> Iterator[Plane]:
        order = pixels.get("DimensionOrder", "XYZCT")[2:]
        if sorted(order) != ["C", "T", "Z"]:
            raise ReaderError(f"{self.path}: DimensionOrder is {order!r}; expected XY and an order of Z, C and T")
        sizes = {axis: self.count(pixels, f"Size{axis}", 1) for axis in order}
        total = prod(sizes.values())
        check_planes(total, f"{self.path}: {pixels.get('ID')}")
        blocks = [(self._first(block, sizes), block) for block in pixels.iterfind("TiffData")]
        starts = sorted({start for start, _ in blocks})
        for start, block in blocks:
            following = bisect_right(starts, start)
            end = starts[following] if following < len(starts) else total
            if "PlaneCount" in block.attrib or "IFD" in block.attrib:
                end = start + self.count(block, "PlaneCount", 1)
            if end > total:
                raise ReaderError(f"{self.path}: TiffData of {pixels.get('ID')} names plane {end} of {total}")
            path, page = self._file(block), self.count(block, "IFD", 0)
            for plane in range(start, end):
                at = _unravel(plane, sizes)
                yield Plane(at["T"], at["C"], at["Z"], path, page + plane - start)

    def _first(self, block: Element, sizes: dict[str, int]) -> int:
        """Return the number of the first plane of a TiffData; the first of the `sizes` runs fastest."""
        plane, step = 0, 1
        for axis, size in sizes.items():
            place = self.count(block, f"First{axis}", 0)
            if place >= size:
                raise ReaderError(f"{self.path}: TiffData has First{axis}={place}, but Size{axis} is {size}")
            plane, step = plane + place * step, step * size
        return plane

    def _file(self, block: Element) -> Path:
        """Return the file of a TiffData: the one that it names, or the document's own."""
        uuid = block.find("UUID")
        name = uuid.get("FileName") if uuid is not None else None
        own = self.embedded and (uuid is None or (uuid.text or "").strip() == self.root.get("UUID"))
        path = inside(self.path.parent, name) if name else None
        if path is not None and not (own and not path.exists()):  # a file may have got another name since
            return path
        if own:
            return self.path
        raise ReaderError(
            f"{self.path}: a TiffData does not name its file; expected an element UUID with a FileName: export again"
        )

    def channels(self, image: Element) -> tuple[str, ...]:
        """Return the names of an image's channels."""
        names = [channel.get("Name") for channel in image.iterfind("Pixels/Channel")]
        return channel_names(names, sum(self.count(pixels, "SizeC", 1) for pixels in image.iterfind("Pixels")))

    def lights(self, image: Element) -> Iterator[tuple[str, str, float]]:
        """Yield exposure (seconds), excitation and emission (nanometres) of an image: what, channel, value."""
        names = self.channels(image)
        channels = image.findall("Pixels/Channel")
        for name, channel in zip(names, channels, strict=False) if len(names) == len(channels) else ():
            for what in ("Excitation", "Emission"):
                wavelength = length(channel, f"{what}Wavelength", "nm")
                if wavelength is not None:
                    yield what.lower(), name, float(f"{1000 * wavelength:.9g}")
        for plane in image.iterfind("Pixels/Plane"):
            seconds, channel_number = number(plane.get("ExposureTime")), self.count(plane, "TheC", 0)
            unit_s = _SECONDS.get(plane.get("ExposureTimeUnit", "s"))
            if seconds is not None and unit_s is not None and channel_number < len(names):
                yield "exposure", names[channel_number], float(f"{seconds * unit_s:.9g}")


def length(element: Element, name: str, default: str) -> float | None:
    """Return an attribute that is a length above zero, in micrometre; `default` is its unit where none is given."""
    return micrometres(number(element.get(name)), element.get(f"{name}Unit", default))


def has_plate(text: str) -> bool:
    """Whether OME-XML has a plate in it; it is not parsed."""
    return _PLATE.search(text) is not None


def is_pointer(text: str) -> bool:
    """Whether OME-XML only says which file has it."""
    return _POINTER.search(text) is not None


def read_text(path: Path) -> str:
    """Return the OME-XML of a file, to look at and not to parse; empty if a TIFF has none."""
    if not _is_tiff(path):
        return read_bytes(path).replace(b"\0", b"").decode("utf-8", errors="replace")  # without zeros UTF-16 is legible
    return _description(path)


def read_ome_xml(path: Path) -> OmeXml:
    """Parse the OME-XML of a file.

    Raises
    ------
    ReaderError
        If it is not OME-XML; see `parse_xml`.
    """
    root = parse_xml(_description(path), path) if _is_tiff(path) else read_xml(path)
    if root.tag != "OME":
        raise ReaderError(f"{path} is not OME-XML: its first element is {root.tag}, expected OME")
    return OmeXml(path, root)


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in (".tif", ".tiff")


def _description(path: Path) -> str:
    try:
        with open_tiff(path) as tiff:
            text = str(tiff.pages.first.description)
    except ReaderError:  # not a TIFF, or not a whole one: an index names it, or nobody wants it
        return ""
    return text if _OME.search(text) else ""


def _unravel(plane: int, sizes: dict[str, int]) -> dict[str, int]:
    """Return the place of a plane along each axis; the first axis runs fastest."""
    place = {}
    for axis, size in sizes.items():
        plane, place[axis] = divmod(plane, size)
    return place
