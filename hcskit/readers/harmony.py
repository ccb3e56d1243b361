"""PerkinElmer/Revvity Harmony (Opera Phenix, Operetta, Operetta CLS): ``Index.idx.xml`` (V5), ``Index.xml`` (V6, V7).

The index lies beside the images, in the folder ``Images`` of a measurement. Up to V5 each ``Image`` says everything of
itself; from V6 on what is common to a channel is in ``Maps/Map/Entry``, in whichever map (Bio-Formats, OperettaReader).
An image is taken at ``PositionX``, ``PositionY`` from the middle of its well, in metre, with y upwards.
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
from hcskit.readers._claim import Claim
from hcskit.readers._index import ImageIndex, inside
from hcskit.readers._vendor import (
    distinct,
    field_positions,
    label,
    number,
    on_disk,
    only,
    plane_distance,
    plate_size,
    well_name,
)
from hcskit.readers._xml import read_xml

__all__ = ["claim", "index"]

# In lower case; the first of a folder is read. "flex" has corrected images (BIOP/biop-operetta-tools), and "ref" names
# those of Harmony's own database.
_NAMES = ("index.idx.xml", "index.xml", "index.flex.xml", "index.ref.xml")
_ROOT = b"EvaluationInputData"
_COLUMNS = ["well", "field", "time", "z", "channel", "path", "x", "y", "height"]
_UNITS = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "nm": 1e-9, "s": 1.0, "ms": 1e-3}

_Description = Mapping[str, Element]


def claim(folder: Path, files: Sequence[Path]) -> Claim | None:
    """Claim a folder with an index of Harmony."""
    found = _indexes(files)
    return Claim(f"{found[0].relative_to(folder).as_posix()} is an index of Harmony") if found else None


def index(folder: Path, files: Sequence[Path]) -> list[ImageIndex]:  # noqa: ARG001 - the contract has it
    """Index each measurement below the folder.

    Raises
    ------
    ReaderError
        If an index is not whole, names a file outside its folder, does not say which well an image is of, or has an
        image twice (such as for each delay of a lifetime measurement, which ``FlimID`` counts).
    """
    find = on_disk(files)
    return [_plate(path, files, find) for path in _indexes(files)]


def _indexes(files: Iterable[Path]) -> list[Path]:
    """Find one index for each folder that has any."""
    named = [file for file in files if file.name.lower() in _NAMES and _is_index(file)]
    named.sort(key=lambda file: _NAMES.index(file.name.lower()), reverse=True)
    return sorted({file.parent: file for file in named}.values())


def _is_index(file: Path) -> bool:
    with file.open("rb") as stream:
        return _ROOT in stream.read(4096).replace(b"\0", b"")  # UTF-16 has a zero beside each letter


def _plate(path: Path, files: Sequence[Path], find: Callable[[Path], Path]) -> ImageIndex:
    root = read_xml(path)
    plates = {_say(plate, "PlateID") or _say(plate, "Name") for plate in root.iterfind("Plates/Plate")}
    if len(plates) > 1:
        raise ReaderError(
            f"{path} is of {len(plates)} plates ({', '.join(sorted(plates))}) and does not say which an image is of; "
            "export each by itself"
        )
    images, left_out = _images(path, root, find)
    channels = _channels(path, root, _separate_profiles(path, files))
    names = distinct({key: _text(known, "ChannelName") or f"Channel {key}" for key, known in channels.items()})
    flatfield, uneven = _flatfields(channels, names)
    images = images.assign(channel=images.channel.map(names))
    measurement = path.parent.parent if path.parent.name.lower() == "images" else path.parent
    return ImageIndex(
        "".join(plates) or measurement.name,
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
        flatfield=flatfield,
        notes=(*left_out, *uneven),
    )


def _images(path: Path, root: Element, find: Callable[[Path], Path]) -> tuple[pd.DataFrame, list[str]]:
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
                    str(find(inside(path.parent, name))),
                    *(_quantity(element, "m", "um") for element in (known.get("PositionX"), known.get("PositionY"))),
                    _quantity(height, "m", "um"),
                )
            )
    table = pd.DataFrame(rows, columns=_COLUMNS).astype(dict.fromkeys(["x", "y", "height"], float))
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


def _separate_profiles(path: Path, files: Iterable[Path]) -> list[Element]:
    """Return the entries of ``FFC_Profile/FFC_Profile_Measurement 1.xml``, which lies beside ``Images``."""
    place = path.parent.parent
    found = [
        file
        for file in files
        if file.suffix.lower() == ".xml" and file.parent.parent == place and file.parent.name.lower() == "ffc_profile"
    ]
    return list(read_xml(found[0]).iter("Entry")) if len(found) == 1 else []


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
