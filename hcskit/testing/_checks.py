"""The checks: what a reader returns against what was written."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hcskit.errors import ReaderError
from hcskit.readers import ImageIndex, Reader, file_images, list_files
from hcskit.screen import DIMS
from hcskit.testing._cases import plates_of
from hcskit.testing._stamped import Label, Numbering, StampedPlate

__all__ = ["check_reader"]


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
    plates = plates_of(case, numbering, export.name)
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
