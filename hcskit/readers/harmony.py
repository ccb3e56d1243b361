"""PerkinElmer/Revvity Harmony (Opera Phenix, Operetta, Operetta CLS): ``Index.idx.xml`` (V5), ``Index.xml`` (V6, V7).

The index lies beside the images, in the folder ``Images`` of a measurement. Up to V5 each ``Image`` says everything of
itself; from V6 on what is common to a channel is in ``Maps/Map/Entry``, in whichever map (Bio-Formats, OperettaReader).
An image is taken at ``PositionX``, ``PositionY`` from the middle of its well, in metre, with y upwards.

Columbus exports the same as ``ImageIndex.ColumbusIDX.xml``, where one file can hold several images: ``BufferNo``, from
zero, says which (Bio-Formats, ColumbusReader).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import pandas as pd

from hcskit.errors import ReaderError
from hcskit.flatfield import Flatfield
from hcskit.readers import _acapella
from hcskit.readers._harmony_files import CORRECTED, find_indexes, image_finder, image_folder, profiles_beside
from hcskit.readers.toolkit import (
    Claim,
    ImageIndex,
    distinct,
    field_positions,
    field_times,
    inside,
    label,
    number,
    only,
    plane_distance,
    plate_size,
    read_xml,
    seconds_of,
    strayed_fields,
    well_name,
)

__all__ = ["claim", "index"]

_COLUMNS = ["well", "field", "time", "z", "channel", "path", "page", "x", "y", "height", "acquired"]
_UNITS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "nm": 1e-9, "s": 1.0, "ms": 1e-3}

_Description = Mapping[str, Element]


def claim(folder: Path, files: Sequence[Path]) -> Claim | None:
    """Claim a folder with an index of Harmony."""
    found = find_indexes(files)
    return Claim(f"{next(iter(found)).relative_to(folder).as_posix()} is an index of Harmony") if found else None


def index(folder: Path, files: Sequence[Path]) -> list[ImageIndex]:  # noqa: ARG001 - the contract has it
    """Index each measurement below the folder.

    Raises
    ------
    ReaderError
        If an index is not whole, names a file outside its folder, does not say which well an image is of, or has an
        image twice (such as for each delay of a lifetime measurement, which ``FlimID`` counts).
    """
    find = image_finder(files)
    return [_plate(path, others, files, find) for path, others in find_indexes(files).items()]


def _plate(
    path: Path, others: Iterable[Path], files: Sequence[Path], find: Callable[[Sequence[Path]], list[Path]]
) -> ImageIndex:
    root = read_xml(path)
    images, left_out = _images(path, root, find)
    separate = profiles_beside(path, files)
    channels = _channels(path, root, [] if separate is None else read_xml(separate).iter("Entry"))
    names = distinct({key: _text(known, "ChannelName") or f"Channel {key}" for key, known in channels.items()})
    flatfield, uneven = _flatfields({} if path.name.lower() == CORRECTED else channels, names)
    images = images.assign(channel=images.channel.map(names))
    return ImageIndex(
        _plate_name(path, root),
        images,
        tuple(names.values()),
        source=f"{path.parent} (harmony)",
        pixel_size=only(_quantity(known.get("ImageResolutionX"), "m", "um") for known in channels.values()),
        z_step=plane_distance(images),
        plate_format=plate_size(
            _say(root, "Plates/Plate/PlateRows"), _say(root, "Plates/Plate/PlateColumns"), images.well
        ),
        exposure=_each(channels, names, "ExposureTime", "s"),
        excitation=_each(channels, names, "MainExcitationWavelength", "nm"),
        emission=_each(channels, names, "MainEmissionWavelength", "nm"),
        positions=field_positions(images),
        acquired=field_times(images),
        flatfield=flatfield,
        notes=(
            *left_out,
            *uneven,
            *strayed_fields(images),
            *(f"{other} left out, as {path.name} is the index of the same measurement" for other in others),
        ),
    )


def _plate_name(path: Path, root: Element) -> str:
    plates = {_say(plate, "PlateID") or _say(plate, "Name") for plate in root.iterfind("Plates/Plate")}
    if len(plates) > 1:
        raise ReaderError(
            f"{path} is of {len(plates)} plates ({', '.join(sorted(plates))}) and does not say which an image is of; "
            "export each by itself"
        )
    measurement = path.parent.parent if path.parent.name.lower() in ("images", "index") else path.parent
    return "".join(plates) or measurement.name


def _images(path: Path, root: Element, find: Callable[[Sequence[Path]], list[Path]]) -> tuple[pd.DataFrame, list[str]]:
    """Return the table of the images, with the number of their channel, and what was left out."""
    rows, left_out = [], Counter[str]()
    for image in root.iterfind("Images/Image"):
        state, name = _say(image, "State"), _say(image, "URL")
        if state.lower() not in ("", "ok"):
            left_out[f"in the state {state}"] += 1
        elif not name:
            left_out["without a file"] += 1
        else:
            known = {child.tag: child for child in image}
            height = known.get("PositionZ", known.get("AbsPositionZ"))
            rows.append(
                (
                    well_name(_label(path, image, "Row"), _label(path, image, "Col"), path),
                    *(_label(path, image, tag, "1") for tag in ("FieldID", "TimepointID", "PlaneID", "ChannelID")),
                    inside(image_folder(path), name),
                    label(known["URL"].get("BufferNo", "0"), "BufferNo", name, path),
                    *(_quantity(element, "m", "um") for element in (known.get("PositionX"), known.get("PositionY"))),
                    _quantity(height, "m", "um"),
                    seconds_of(_say(image, "AbsTime")),
                )
            )
    table = pd.DataFrame(rows, columns=_COLUMNS).astype(dict.fromkeys(["x", "y", "height", "acquired"], float))
    table["path"] = [str(file) for file in find(table.path.to_list())]
    return table, [f"{count} image(s) {why} left out" for why, count in sorted(left_out.items())]


def _channels(path: Path, root: Element, profiles: Iterable[Element]) -> dict[int, _Description]:
    """Describe each channel of which there are images: by the index's maps, else by its first image."""
    entries: dict[str, dict[str, Element]] = {}
    for entry in (*profiles, *root.iterfind("Maps/Map/Entry")):
        described = entries.setdefault(entry.get("ChannelID", ""), {})
        described.update({child.tag: child for child in entry})
    found: dict[int, _Description] = {}
    for image in root.iterfind("Images/Image"):
        key = _label(path, image, "ChannelID", "1")
        if key not in found:
            found[key] = {child.tag: child for child in image} | entries.get(str(key), {})
    return dict(sorted(found.items()))


def _flatfields(
    channels: Mapping[int, _Description], names: Mapping[int, str]
) -> tuple[dict[str, Flatfield], list[str]]:
    found, notes = {}, []
    for key, known in channels.items():
        width, height = number(_text(known, "ImageSizeX")), number(_text(known, "ImageSizeY"))
        shape = None if width is None or height is None else (width, height)
        try:
            text = _text(known, "FlatfieldProfile")
            profile = _acapella.profile(text, shape) if text else None
        except ValueError as error:
            notes.append(f"the flat-field profile of channel {names[key]} left out: {error}")
        else:
            if profile is not None:
                found[names[key]] = profile
    return found, notes


def _each(channels: Mapping[int, _Description], names: Mapping[int, str], tag: str, unit: str) -> dict[str, float]:
    """Return a quantity of each channel that has it; zero (the emission of transmitted light) is none."""
    values = {names[key]: _quantity(known.get(tag), unit, unit) for key, known in channels.items()}
    return {name: value for name, value in values.items() if value}


def _quantity(element: Element | None, default: str, wanted: str) -> float | None:
    """Return a quantity in the wanted unit; without an attribute ``Unit`` it is in the default one."""
    value = None if element is None else number(element.text)
    if element is None or value is None:
        return None
    factor = _UNITS.get(element.get("Unit") or default)
    return None if factor is None else float(f"{value * factor / _UNITS[wanted]:.9g}")


def _label(path: Path, image: Element, tag: str, default: str = "") -> int:
    return label(_say(image, tag) or default, tag, _say(image, "URL"), path)


def _text(known: _Description, tag: str) -> str:
    element = known.get(tag)
    return "" if element is None else (element.text or "").strip()


def _say(parent: Element, tag: str) -> str:
    return parent.findtext(tag, "").strip()
