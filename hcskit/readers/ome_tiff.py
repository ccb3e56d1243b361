"""OME-TIFF sets that describe a plate: https://docs.openmicroscopy.org/ome-model/latest/ome-tiff.

The OME-XML is a file of its own (``*.companion.ome``; on the Yokogawa CQ1 ``MeasurementResult.ome.xml``), or stands in
the first ImageDescription of the TIFF files, in each one whole. Files that only point to it (``BinaryOnly``) are looked
up there.

- A well is its ``Row`` and ``Column``, which count from 0; time and z are the numbers of the planes, from 0.
- A field comes from ``WellSample.Index``, which is not always the field itself; see `_ome_plate.field_numbers`.
- A plate of several ``PlateAcquisition`` is several plates, ``<plate>-acquisition-0`` and so on. Where each holds one
  field (older CQ1; see bioformats2raw, CQ1Reader), they are no runs of the plate and are left out of account.
- Positions are from the well's origin, which is its centre by convention. OME does not say which way y goes. It is
  taken to go down: where a vendor's goes up, Bio-Formats turns it over (InCell, ome/bioformats#3486; Operetta).

``page`` is the IFD.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hcskit.errors import ReaderError
from hcskit.readers._ome import channel_order, plate_names
from hcskit.readers._ome_plate import NO_RUN, PlatePart, field_numbers, read_plate
from hcskit.readers._ome_xml import OmeXml, has_plate, is_pointer, length, read_ome_xml, read_text
from hcskit.readers.toolkit import Claim, ImageIndex, inside, on_disk, only, plate_size

__all__ = ["claim", "index"]

_LOOKED_AT = 3  # a set has the whole XML in each of its files


def claim(folder: Path, files: Sequence[Path]) -> Claim | None:  # noqa: ARG001 - every reader has it
    """Claim a folder in which OME-XML describes a plate."""
    documents, tiffs = _candidates(files)
    for file in (*documents, *tiffs[:_LOOKED_AT]):
        text = read_text(file)
        if has_plate(text):
            return Claim(f"the OME-XML in {file.name} describes a plate")
        if is_pointer(text) and not documents:
            return Claim(f"{file.name} belongs to an OME-TIFF set")
    return None


def index(folder: Path, files: Sequence[Path]) -> list[ImageIndex]:  # noqa: ARG001
    """Index the plates, and each acquisition of a plate by itself.

    Raises
    ------
    ReaderError
        If the OME-XML is malformed, names files elsewhere, or gives one image two labels or two images one label.
    """
    plates: dict[tuple[Path, str], list[PlatePart]] = defaultdict(list)
    for part in _parts(files):
        plates[part.key].append(part)
    names = plate_names([parts[0].plate.get("Name") for parts in plates.values()], [path for path, _ in plates])
    return [one for name, parts in zip(names, plates.values(), strict=True) for one in _index_plate(name, parts)]


def _candidates(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files of OME-XML, and the TIFF files that may have some."""
    names = [(file.name.lower(), file) for file in sorted(files)]
    documents = [file for name, file in names if name.endswith((".ome", ".ome.xml"))]
    return documents, [file for name, file in names if name.endswith((".ome.tif", ".ome.tiff"))]


def _parts(files: Sequence[Path]) -> Iterator[PlatePart]:
    """Read the documents; files that one of them names are not opened, and one that names nothing new is a copy."""
    documents, tiffs = _candidates(files)
    spelled = on_disk(files)
    there = set(files)
    named: set[str] = set()
    read: set[Path] = set()
    for file in (*documents, *tiffs):
        text = "" if str(file) in named else read_text(file)
        document = (
            read_ome_xml(file) if has_plate(text) else _pointed_at(file, spelled, there) if is_pointer(text) else None
        )
        if document is None or document.path in read:
            continue
        read.add(document.path)
        parts = [read_plate(document, plate, spelled) for plate in document.root.iterfind("Plate")]
        paths = {path for part in parts for path in part.table.path}
        if not paths or paths - named:
            yield from parts
        named |= paths


def _pointed_at(file: Path, spelled: Callable[[Path], Path], there: Collection[Path]) -> OmeXml:
    """Read the document that a file of pixels says describes it."""
    for pointer in read_ome_xml(file).root.iterfind("BinaryOnly"):
        path = spelled(inside(file.parent, pointer.get("MetadataFile", "")))
        if path in there:
            return read_ome_xml(path)
        raise ReaderError(f"{file} says that {path.name} describes it, but there is no such file; copy it too")
    raise ReaderError(f"{file}: its BinaryOnly is not where OME-XML has it, below the first element; export again")


def _index_plate(name: str, parts: Sequence[PlatePart]) -> list[ImageIndex]:
    document, plate = parts[0].document, parts[0].plate
    table = pd.concat([part.table for part in parts]).drop_duplicates()
    _check_pages(table, document.path)
    fields = pd.concat([part.fields for part in parts])
    runs = sorted(set(fields.run)) or [NO_RUN]
    counts = [document.count(run, "MaximumFieldCount", 0) for run in plate.iterfind("PlateAcquisition")]
    shared = {
        **_constants(parts),
        "source": f"{document.path} (OME-TIFF)",
        "plate_format": plate_size(plate.get("Rows"), plate.get("Columns"), table.well),
        "notes": tuple(note for part in parts for note in part.notes),
    }
    plates = []
    for run in runs:
        images, places = table[table.run == run], fields[fields.run == run]
        numbers, counted = field_numbers(places.groupby("well")["sample"].agg(list).to_dict(), max(counts, default=0))
        images, places = (
            one.assign(field=[numbers[key] for key in zip(one.well, one["sample"], strict=True)])
            for one in (images, places)
        )
        positions = places.dropna(subset=["x", "y"]).groupby(["well", "field"])[["x", "y"]].first()
        plates.append(
            ImageIndex(
                name if len(runs) == 1 or run == NO_RUN else f"{name}-acquisition-{run}",
                images,
                positions=None if positions.empty else positions,
                **{**shared, "notes": (*shared["notes"], *counted)},
            )
        )
    return plates


def _check_pages(table: pd.DataFrame, source: Path) -> None:
    """Check that no IFD is two images: then one of the labels is wrong."""
    twice = table[table.duplicated(["path", "page"], keep=False)].sort_values(["path", "page"])
    if not twice.empty:
        one, other = twice.iloc[0], twice.iloc[1]
        raise ReaderError(
            f"{source}: IFD {one.page} of {one.path} is said to be two images, of well {one.well} (index "
            f"{one['sample']}, channel {one.channel}) and of well {other.well} (index {other['sample']}, channel "
            f"{other.channel}); expected a TiffData for each image that names its IFD"
        )


def _constants(parts: Iterable[PlatePart]) -> dict[str, Any]:
    """Return what is the same for all images of a plate, and of a channel."""
    images = [(part.document, image) for part in parts for image in part.images]
    pixels = [one for _, image in images for one in image.iterfind("Pixels")]
    found: dict[str, dict[str, set[float]]] = {
        what: defaultdict(set) for what in ("exposure", "excitation", "emission")
    }
    for document, image in images:
        for what, channel, value in document.lights(image):
            found[what][channel].add(value)
    return {
        "channels": channel_order(document.channels(image) for document, image in images),
        "pixel_size": only(length(one, f"PhysicalSize{axis}", "µm") for one in pixels for axis in "XY"),
        "z_step": only(length(one, "PhysicalSizeZ", "µm") for one in pixels if one.get("SizeZ") != "1"),
        **{
            what: {channel: values.pop() for channel, values in of_channel.items() if len(values) == 1}
            for what, of_channel in found.items()
        },
    }
