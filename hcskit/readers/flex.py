"""PerkinElmer Opera: a TIFF for each field, called 001002003.flex after its row, column and field.

The images of a file are named in XML, in the tag 65200: an ``Array`` for each, such as 2_Exp1Cam1, which is plane and
channel. Where the plane is left out, images of one channel are planes in their order. An ``Image`` for each has its
place and the edge of a pixel in metres (Bio-Formats, FlexReader). Where Columbus wrote an index, the reader harmony
reads it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hcskit.errors import ReaderError
from hcskit.readers.toolkit import (
    Claim,
    ImageIndex,
    number,
    only,
    open_tiff,
    parse_xml,
    plate_folder,
    plate_names,
    well_name,
)

__all__ = ["claim", "index"]

_NAME = re.compile(r"(?P<row>\d{3})(?P<column>\d{3})(?P<field>\d{3})\.flex", re.IGNORECASE)
_ARRAY = re.compile(r"(?:(?P<z>\d+)_)?(?P<channel>.+)")
_XML = 65200


@dataclass(frozen=True)
class _Field:
    """Plane and channel of each image of a file, and what the file says of all."""

    images: tuple[tuple[int, str], ...]
    pixel_size: float | None
    barcode: str
    place: tuple[float, float] | None


def claim(folder: Path, files: Sequence[Path]) -> Claim | None:  # noqa: ARG001 - the contract has it
    """Claim files that are named as the Opera does."""
    fits = [file for file in files if _NAME.fullmatch(file.name)]
    return Claim(f"{len(fits)} of {len(files)} files are named like {fits[0].name}", len(fits)) if fits else None


def index(folder: Path, files: Sequence[Path]) -> list[ImageIndex]:
    """Index each folder of fields as a plate, called by its barcode.

    Raises
    ------
    ReaderError
        If no file says what its images are of.
    """
    fits = sorted(file for file in files if _NAME.fullmatch(file.name))
    with ThreadPoolExecutor() as pool:
        read = dict(zip(fits, pool.map(_try, fits), strict=True))
    plates: defaultdict[Path, dict[Path, _Field | ReaderError]] = defaultdict(dict)
    for file, found in read.items():
        plates[plate_folder(folder, file.parent)][file] = found
    names = plate_names(folder, sorted(plates))
    return [_plate(names[home], home, plates[home]) for home in sorted(plates)]


def _try(path: Path) -> _Field | ReaderError:
    try:
        return _read(path)
    except ReaderError as error:
        return error


def _read(path: Path) -> _Field:
    with open_tiff(path) as tiff:
        text, pages = tiff.pages.first.tags.valueof(_XML), len(tiff.pages)
    if text is None:
        raise ReaderError(
            f"{path} does not say what its {pages} image(s) are of: it lacks the tag {_XML}; export it again"
        )
    xml = parse_xml(text.rstrip("\0") if isinstance(text, str) else bytes(text).rstrip(b"\0"), path)
    names = [one.get("Name", "") for one in xml.iterfind(".//Arrays/Array")]
    if len(names) != pages:
        raise ReaderError(f"{path} names {len(names)} image(s), but holds {pages}; is the copy complete?")
    labels = _labels(names)
    images = xml.findall(".//Images/Image")
    resolution = only(number(one.findtext("ImageResolutionX")) for one in images)
    x, y = (only(number(one.findtext(f"Position{axis}")) for one in images) for axis in "XY")
    return _Field(
        labels,
        None if not resolution else float(f"{1e6 * resolution:.6g}"),
        (xml.findtext(".//Plate/Barcode") or "").strip(),
        None if x is None or y is None else (1e6 * x, 1e6 * y),
    )


def _labels(names: Sequence[str]) -> tuple[tuple[int, str], ...]:
    planes: defaultdict[str, int] = defaultdict(int)
    labels = []
    for name in names:
        match = _ARRAY.fullmatch(name)
        channel = match["channel"] if match else "1"
        planes[channel] += 1
        labels.append((int(match["z"]) if match and match["z"] else planes[channel], channel))
    return tuple(labels)


def _plate(name: str, home: Path, files: dict[Path, _Field | ReaderError]) -> ImageIndex:
    good = {path: found for path, found in files.items() if isinstance(found, _Field)}
    bad = {str(path): str(found) for path, found in files.items() if isinstance(found, ReaderError)}
    if not good:
        raise ReaderError("\n".join(bad.values()))
    rows, positions = [], {}
    for path, found in good.items():
        match = _NAME.fullmatch(path.name)
        assert match is not None  # noqa: S101 - files were chosen by it
        well, field = well_name(int(match["row"]), int(match["column"]), path), int(match["field"])
        rows += [(well, field, channel, z, str(path), page) for page, (z, channel) in enumerate(found.images)]
        if found.place is not None:
            positions[well, field] = found.place
    table = pd.DataFrame(rows, columns=["well", "field", "channel", "z", "path", "page"])
    barcodes = {found.barcode for found in good.values()}
    return ImageIndex(
        (barcodes.pop() if len(barcodes) == 1 else "") or name,
        table,
        tuple(sorted(set(table.channel), key=lambda name: (len(name), name))),
        source=f"{home} (flex)",
        pixel_size=only(found.pixel_size for found in good.values()),
        positions=pd.DataFrame.from_dict(positions, orient="index", columns=["x", "y"]).set_axis(
            pd.MultiIndex.from_tuples(positions, names=["well", "field"])
        )
        if positions
        else None,
        bad=bad,
    )
