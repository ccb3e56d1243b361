"""A plate of OME-XML: its wells, the fields of each, and the planes of each field."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import pandas as pd

from hcskit.readers._ome import micrometres
from hcskit.readers._ome_xml import OmeXml
from hcskit.readers.toolkit import number, well_name

__all__ = ["NO_RUN", "PlatePart", "field_numbers", "read_plate"]

#: The number of the acquisition where a field is in none.
NO_RUN = -1
_PLACE = ("run", "well", "sample")  # an acquisition of the plate, a well, and the Index of a WellSample in it


@dataclass(frozen=True)
class PlatePart:
    """A plate as one document describes it.

    Attributes
    ----------
    table, fields : pandas.DataFrame
        One row an image; and one row a field, with its position.
    """

    document: OmeXml
    plate: Element
    images: tuple[Element, ...]
    table: pd.DataFrame
    fields: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def key(self) -> tuple[Path, str]:
        """What the parts of one plate share: some writers say in each TIFF only what it holds."""
        path = self.document.path
        return (path.parent, self.plate.get("Name", "")) if self.document.embedded else (path, self.plate.get("ID", ""))


def read_plate(document: OmeXml, plate: Element, spelled: Callable[[Path], Path]) -> PlatePart:
    """List the images of a plate; `spelled` finds a file whose name is in another case on the disk.

    Raises
    ------
    ReaderError
        If a well is on no plate, a number is none, or a file is elsewhere.
    """
    described = {image.get("ID"): image for image in document.root.iterfind("Image")}
    placed = {one.get("ID") for one in document.root.iterfind("Plate/Well/WellSample/ImageRef")}
    runs = _runs(plate)
    rows: list[tuple[object, ...]] = []
    fields: list[tuple[object, ...]] = []
    images, empty = [], 0
    for well in plate.iterfind("Well"):
        name = well_name(document.count(well, "Row") + 1, document.count(well, "Column") + 1, document.path)
        for rank, sample in enumerate(well.iterfind("WellSample")):
            image = next((described.get(one.get("ID")) for one in sample.iterfind("ImageRef")), None)
            if image is not None:
                place = (runs.get(sample.get("ID"), NO_RUN), name, document.count(sample, "Index", rank))
                channels = document.channels(image)
                planes = [
                    (*place, at.time, channels[at.channel], at.z, str(spelled(at.path)), at.page)
                    for at in document.planes(image)
                ]
                images.append(image)
                fields.append((*place, _position(sample, "X"), -_position(sample, "Y")))
                rows += planes
                empty += not planes
    left_out = {
        "field(s) have no pixels in TIFF files": empty,
        "field(s) refer to an image that the OME-XML does not describe": len(placed - set(described)),
        "image(s) belong to no well": len(set(described) - placed),
    }
    notes = tuple(f"{count} {what}" for what, count in left_out.items() if count)
    table = pd.DataFrame(rows, columns=[*_PLACE, "time", "channel", "z", "path", "page"])
    return PlatePart(document, plate, tuple(images), table, pd.DataFrame(fields, columns=[*_PLACE, "x", "y"]), notes)


def _runs(plate: Element) -> dict[str | None, int]:
    """Return the acquisition of each WellSample by its ID, where acquisitions are runs of the plate."""
    runs = [run.findall("WellSampleRef") for run in plate.iterfind("PlateAcquisition")]
    if max(map(len, runs), default=0) <= 1:
        return {}
    return {sample.get("ID"): number for number, samples in enumerate(runs) for sample in samples}


def _position(sample: Element, axis: str) -> float:
    value, factor = number(sample.get(f"Position{axis}")), micrometres(1, sample.get(f"Position{axis}Unit"))
    return math.nan if value is None or factor is None else float(f"{value * factor:.9g}")


def field_numbers(
    wells: Mapping[str, Iterable[int]], stated: int | None = None
) -> tuple[dict[tuple[str, int], int], list[str]]:
    """Return the field of each ``Index`` of a WellSample.

    Some writers count it in each well (ome-model, IDR). The schema has it count over the plate, with gaps where
    something was not acquired, and Bio-Formats writes it so.

    Parameters
    ----------
    wells : mapping of str to iterable of int
        The indices of a well.
    stated : int, optional
        Fields of a well (``MaximumFieldCount``).

    Returns
    -------
    dict
        Field of each well and index: the index itself, if wells have some in common or none is beyond the fields of a
        well; else its place in the well's block of the count, if each well has one of its own; else its rank in the
        well.
    list of str
        A note, where it is the rank: then nobody knows which fields of a well are missing.

    Examples
    --------
    >>> field_numbers({"A01": [0, 1], "A02": [1]})[0]  # counted in each well
    {('A01', 0): 0, ('A01', 1): 1, ('A02', 1): 1}
    >>> field_numbers({"A01": [0, 1], "A02": [3]})[0]  # counted over the plate, where field 0 of A02 was not acquired
    {('A01', 0): 0, ('A01', 1): 1, ('A02', 3): 1}
    """
    indices = {well: sorted(set(of_well)) for well, of_well in wells.items()}
    every = [number for of_well in indices.values() for number in of_well]
    if len(indices) <= 1 or len(set(every)) < len(every) or max(every) < (stated or 0):
        return {(well, number): number for well, of_well in indices.items() for number in of_well}, []
    for size in filter(None, (stated, max(map(len, indices.values())))):
        blocks = [{number // size for number in of_well} for of_well in indices.values()]
        if all(len(block) == 1 for block in blocks) and len(set.union(*blocks)) == len(blocks):
            return {(well, number): number % size for well, of_well in indices.items() for number in of_well}, []
    ranks = {(well, number): rank for well, of_well in indices.items() for rank, number in enumerate(of_well)}
    return ranks, [
        "fields are counted in each well: the OME-XML numbers them over the plate, without those not acquired"
    ]
