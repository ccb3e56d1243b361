"""Conformance of a reader: each label gives exactly its own pixels, whatever is missing.

For the readers of hcskit and for yours::

    import pytest
    from hcskit.testing import CASES, check_reader

    @pytest.mark.parametrize("case", CASES)
    def test_conformance(case, tmp_path):
        check_reader(my_reader, write_in_my_layout, tmp_path, case)

``write_in_my_layout(folder, plate)`` writes a `StampedPlate` as the microscope would.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from hcskit.errors import ReaderError
from hcskit.plate import FORMATS, PlateFormat, Well, parse_well
from hcskit.readers import ImageIndex, Reader, file_images, list_files
from hcskit.screen import DIMS

__all__ = ["CASES", "Label", "Numbering", "StampedPlate", "check_reader"]

_SHAPE = (12, 20)


class Label(NamedTuple):
    """What an image is of, as `hcskit.screen.DIMS`."""

    well: str
    field: int
    time: int
    channel: str
    z: int


@dataclass(frozen=True)
class Numbering:
    """How a layout names and numbers what it labels, and what it cannot tell apart.

    Attributes
    ----------
    channels : tuple of str
        The first two channels, as the reader shall name them.
    more_channels : tuple of str
        Further ones, for a case of many channels; by default one, called Tubulin, if the first two are not named.
    field, time, z : int
        The first field, time point and plane.
    without : collection of str
        Out of ``field``, ``time``, ``z``, ``channels`` (there is one), ``plate`` (the plate's name, which is then that
        of the folder) and ``formats`` (plates of other sizes than 96 wells): what the layout does not know. Cases that
        need it are left out.
    metadata : mapping of str to object
        What else was written, by the attributes of `ImageIndex`: ``pixel_size``, ``z_step``, ``exposure``,
        ``excitation`` and ``emission``. The reader shall have these, and no others: nothing is made up.
    position : callable, optional
        From a well and a field to the ``(x, y)`` in micrometre that was written.
    """

    channels: tuple[str, ...] = ("DNA", "Actin")
    more_channels: tuple[str, ...] | None = None
    field: int = 1
    time: int = 1
    z: int = 1
    without: Collection[str] = ()
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    position: Callable[[str, int], tuple[float, float]] | None = None


@dataclass(frozen=True)
class StampedPlate:
    """A plate of small images, each of which says what it is of.

    Attributes
    ----------
    name : str
        The plate's id.
    number : int
        Stamped into each image beside its label.
    format : PlateFormat
        Rows and columns of the plate.
    channels : tuple of str
        Channel names in order.
    images : tuple of Label
        The images that were acquired, in the order in which to write them.
    """

    name: str
    number: int
    format: PlateFormat
    channels: tuple[str, ...]
    images: tuple[Label, ...]

    def pixels(self, label: Label, dtype: npt.DTypeLike = np.uint16) -> npt.NDArray[Any]:
        """Return an image full of its own label; no other image has these pixels, turned or mirrored neither.

        Returns
        -------
        numpy.ndarray
            Shape (12, 20); values below 256.
        """
        well = parse_well(label.well)
        channel = self.channels.index(label.channel)
        code = (101 + self.number, 1 + well.row, 1 + well.column, 1 + label.field, 1 + label.time, 1 + channel)
        image = np.resize(np.array((*code, 1 + label.z), dtype=dtype), _SHAPE[::-1]).T.copy()
        image[0], image[:, -1] = 0, 255
        return image

    def __contains__(self, label: object) -> bool:
        return label in self.images


_Cells = Iterable[tuple[str, int]]


def _grid(rows: Iterable[int], columns: Iterable[int], fields: Iterable[int] = (0, 1)) -> list[tuple[str, int]]:
    return [(Well(row, column).name, field) for row, column in product(rows, columns) for field in fields]


def _corners(format: PlateFormat) -> _Cells:
    rows = sorted({0, *range(25, format.rows, 3), format.rows - 1})
    return _grid(rows, sorted({0, format.columns // 2, format.columns - 1}), (0,))


_FEW = _grid((1, 2, 4), (2, 5))
_GAPS = _grid((1, 2), (1, 2, 3), (0, 1, 2))
# Fields of wells on a plate of 96, but for the formats; a field counts from zero here.
_CELLS: dict[str, _Cells] = {
    "full plate": _grid(range(8), range(12), (0,)),
    "several fields": _FEW,
    "missing first well": [cell for cell in _grid((0, 1), (0, 1, 2)) if cell[0] != "A01"],
    "missing outer rows": _grid(range(2, 6), (1, 2)),
    "missing field in one well": [cell for cell in _FEW if cell != ("C03", 0)],
    "extra fields in one well": [*_FEW, ("C06", 2), ("C06", 3)],
    "gap inside a well": [cell for cell in _GAPS if cell != ("B03", 1)],
    "gap inside a row": [cell for cell in _GAPS if cell[0] != "C03"],
    "gaps in rows of different lengths": [
        cell for cell in _grid((1, 2, 3), (1, 2, 3, 4), (0,)) if cell[0] not in ("B03", "C02", "D04")
    ],
    "only late fields": _grid((1, 2), (1, 2), range(8, 13)),
    "twelve fields": _grid((1,), (1, 2), range(12)),
    "twelve time points": _grid((1,), (1, 2), (0,)),
    "twelve z planes": _grid((1,), (1, 2), (0,)),
    "more channels": _FEW,
    "missing channel": _FEW,
    "unsorted listing": _FEW,
    "Unicode and spaces in paths": _FEW,
    "z": _FEW,
    "time": _FEW,
    "z and time": _FEW,
    "missing planes and time points": _FEW,
    "two plates": _FEW,
    "the same image twice": _FEW,
    "a foreign folder": _FEW,
} | {f"{size} wells": _corners(format) for size, format in FORMATS.items()}

#: The cases that a reader must stand; see `check_reader`.
CASES: tuple[str, ...] = tuple(_CELLS)


def check_reader(
    reader: Reader,
    write: Callable[[Path, StampedPlate], None],
    folder: Path,
    case: str,
    numbering: Numbering | None = None,
) -> None:
    """Write plates in a layout and check that the reader gives each label its own pixels, and no other.

    Parameters
    ----------
    reader : Reader
        The reader.
    write : callable
        Writes a `StampedPlate` into a folder that is there, as the microscope would. It is called twice for the case
        of two plates, with the same folder.
    folder : path-like
        An empty folder.
    case : str
        One of `CASES`.
    numbering : Numbering, optional
        How the layout names and numbers; what it is ``without`` leaves a case out.

    Raises
    ------
    AssertionError
        If the reader does not claim the folder, or a plate, a label or a pixel is another than was written; if it
        claims a folder of another layout, or takes one of two images of one label without a word.
    """
    numbering = numbering or Numbering()
    if case == "a foreign folder":
        _check_foreign(reader, folder)
        return
    export = folder / ("Größe µm 板 1" if case.startswith("Unicode") else "export")
    plates = _plates(case, numbering, export.name)
    if plates is None:
        return
    export.mkdir(parents=True)
    for plate in plates:
        write(export, plate)
    if case == "the same image twice":
        _check_twice(reader, export, write, plates[0])
        return
    files = list_files(export)
    random.Random(0).shuffle(files)  # noqa: S311 - an order, not a secret
    assert reader.claim(export, files) is not None, f"{case}: the reader does not claim the folder"
    found = {index.plate: index for index in reader.index(export, files)}
    assert set(found) == {plate.name for plate in plates}, f"{case}: the plates are {sorted(found)}"
    for plate in plates:
        _check_plate(case, plate, found[plate.name])
        _check_metadata(case, plate, found[plate.name], numbering)


def _plates(case: str, numbering: Numbering, folder: str) -> list[StampedPlate] | None:
    """Return the plates of a case, or None where the layout cannot hold them."""
    cells = list(_CELLS[case])
    size = int(case.split()[0]) if case.endswith(" wells") else 96
    many = 12 if case.startswith("twelve") else 0
    planes = (many or 3) if "z" in case.split() or "planes and" in case else 1
    times = (many or 2) if "time" in case else 1
    more = numbering.more_channels
    if more is None:
        more = ("Tubulin",) if numbering.channels == Numbering.channels else ()
    if case == "more channels" and not more:
        return None
    channels = numbering.channels + (more if case == "more channels" else ())
    if "channels" in numbering.without:
        if case == "missing channel":
            return None
        channels = channels[:1]
    needed = {
        "z": planes > 1,
        "time": times > 1,
        "plate": case == "two plates",
        "formats": size != 96,
    }
    if any(needed.get(name) for name in numbering.without):
        return None
    if "field" in numbering.without:
        cells = [(well, field) for well, field in cells if field == 0]
        if not cells:
            return None
    labels = [
        Label(well, numbering.field + field, numbering.time + time, channel, numbering.z + plane)
        for (well, field), time, channel, plane in product(cells, range(times), channels, range(planes))
        if _acquired(case, well, field, time, channels.index(channel), plane)
    ]
    if case == "unsorted listing":
        random.Random(1).shuffle(labels)  # noqa: S311
    names = ["Plate-1", "Plate-2"] if case == "two plates" else [folder if "plate" in numbering.without else "Plate-1"]
    return [StampedPlate(name, number, FORMATS[size], channels, tuple(labels)) for number, name in enumerate(names)]


def _acquired(case: str, well: str, field: int, time: int, channel: int, plane: int) -> bool:
    if case == "missing channel":
        return not (well == "C03" and channel == 0)
    if case == "missing planes and time points":
        return (well, time) != ("C03", 0) and (field, channel, plane) != (0, 1, 1)
    return True


def _check_plate(case: str, plate: StampedPlate, index: ImageIndex) -> None:
    info = index.info()
    for dim, labels in info.labels.items():
        wanted = {label[DIMS.index(dim)] for label in plate.images}
        assert set(labels) == wanted, f"{case}: {dim} is {labels}, expected {sorted(wanted)}"
    order = tuple(channel for channel in plate.channels if channel in info.channels)
    assert info.channels == order, f"{case}: the channels are in the order {info.channels}, expected {order}"
    assert info.plate_format in (None, plate.format.size), f"{case}: a plate of {info.plate_format} wells"
    image = file_images(index, info).variable(info.dims)
    present = dict(zip(product(*info.labels.values()), image._data.array.present.ravel(), strict=True))  # type: ignore[union-attr]
    first: Mapping[str, Any] = plate.images[0]._asdict()
    for labels, there in present.items():
        label = Label(**{**first, **dict(zip(info.labels, labels, strict=True))})
        assert there == (label in plate), f"{case}: {label} is {'' if there else 'not '}there"
        if there:
            place = {dim: axis.index(value) for (dim, axis), value in zip(info.labels.items(), labels, strict=True)}
            pixels = image.isel(place).to_numpy()
            assert np.array_equal(pixels, plate.pixels(label)), f"{case}: {label} has the pixels {pixels[1:8, 0]}"


def _check_metadata(case: str, plate: StampedPlate, index: ImageIndex, numbering: Numbering) -> None:
    """Compare what was written beside the images with what the index has, and with nothing where it was not written."""
    channels = {label.channel for label in plate.images}
    for name in ("pixel_size", "z_step", "exposure", "excitation", "emission"):
        wanted = numbering.metadata.get(name)
        found = getattr(index, name)
        if isinstance(found, Mapping):
            found = {channel: value for channel, value in found.items() if channel in channels} or None
            wanted = {channel: value for channel, value in (wanted or {}).items() if channel in channels} or None
        if name == "z_step" and len({label.z for label in plate.images}) == 1:
            continue  # the distance of one plane from nothing
        assert _close(found, wanted), f"{case}: {name} is {found}, expected {wanted}"
    _check_positions(case, plate, index.positions, numbering.position)


def _check_positions(
    case: str,
    plate: StampedPlate,
    positions: pd.DataFrame | None,
    written: Callable[[str, int], tuple[float, float]] | None,
) -> None:
    if positions is None or written is None:
        assert positions is None, f"{case}: there are positions, but none was written; if they were, give `position`"
        assert written is None, f"{case}: there are no positions, but they were written"
        return
    for well, field in {(label.well, label.field) for label in plate.images}:
        place = positions.loc[(well, field), ["x", "y"]].to_numpy(dtype=float)
        wanted = written(well, field)
        assert np.allclose(place, wanted), f"{case}: well {well}, field {field} is at {place}, expected {wanted}"


def _close(found: Any, wanted: Any) -> bool:
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return found.keys() == wanted.keys() and all(np.isclose(found[name], wanted[name]) for name in wanted)
    return bool(found == wanted or (found is not None and wanted is not None and np.isclose(found, wanted)))


def _check_foreign(reader: Reader, folder: Path) -> None:
    """Check that a reader does not claim what is not of its layout."""
    for name in ("empty", "overview.tif", "notes.txt", "holiday 001.jpg", "Tile_000_000_000.tif"):
        place = folder / Path(name).stem
        place.mkdir(parents=True)
        if name != "empty":
            (place / name).write_bytes(b"")
        claim = reader.claim(place, list_files(place))
        assert claim is None, f"a foreign folder: the reader claims one that holds {name}: {claim}"


def _check_twice(
    reader: Reader, export: Path, write: Callable[[Path, StampedPlate], None], plate: StampedPlate
) -> None:
    """Check that two different images of one label are not taken for one without a word."""
    again = export / "again"
    again.mkdir()
    write(again, replace(plate, number=1))
    try:
        found = reader.index(export, list_files(export))
    except ReaderError:
        return
    said = any(index.notes or any(index.left_out.values()) for index in found)
    images = sum(len(index.table) for index in found)
    assert said or images == 2 * len(plate.images), (
        "the same image twice: of two images of each label, the reader takes one without a word"
    )
