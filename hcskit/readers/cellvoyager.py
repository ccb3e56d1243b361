"""Yokogawa CellVoyager (CV7000, CV8000): ``MeasurementData.mlf``, one record an image.

Beside it lie ``MeasurementDetail.mrf`` (plate and pixels), a ``.mes`` (what the channels are) and a ``.wpi`` (the
plate). A record has ``X`` and ``Y`` from the middle of the well in µm, y upwards, as fmi-faim/faim-ipa stitches them.

Which action of the protocol took an image is no label. Where two took one channel at the same place (a single plane
and a stack), each is a channel of its own, as in Bio-Formats: ``DAPI L01A01`` and ``DAPI L01A02``, by the time line
and action in the files' names. A projection (``ZImageProcessing``) whose planes are there too is left out; where only
projections were kept, each kind is a channel of its own, such as ``DAPI Maximum``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import pandas as pd

from hcskit.readers.toolkit import (
    Claim,
    ImageIndex,
    distinct,
    field_positions,
    field_times,
    inside,
    label,
    number,
    on_disk,
    only,
    plane_distance,
    plate_size,
    read_xml,
    seconds_of,
    strayed_fields,
    well_name,
    without_projections,
)

__all__ = ["claim", "index"]

_RECORDS = "measurementdata.mlf"
_LABELS = {"FieldIndex": "field", "TimePoint": "time", "ZIndex": "z", "Ch": "ch"}
_ORDER = {"TimelineIndex": "timeline", "ActionIndex": "action"}
_PLACES = {"X": "x", "Y": "y", "Z": "height"}
_COLUMNS = ["well", *_LABELS.values(), *_ORDER.values(), *_PLACES.values(), "processing", "path", "acquired"]
_BAND = re.compile(r"BP(\d+(?:\.\d+)?)/")


def claim(folder: Path, files: Sequence[Path]) -> Claim | None:
    """Claim a folder with the records of a measurement."""
    found = _indexes(files)
    return Claim(f"{found[0].relative_to(folder).as_posix()} has the records of a CellVoyager") if found else None


def index(folder: Path, files: Sequence[Path]) -> list[ImageIndex]:  # noqa: ARG001 - the contract has it
    """Index each measurement below the folder.

    Raises
    ------
    ReaderError
        If the records or what lies beside them is not whole, or a record names a file outside its folder, does not say
        which well its image is of, or is there twice.
    """
    find = _image_finder(files)
    return [_plate(path, files, find) for path in _indexes(files)]


def _indexes(files: Iterable[Path]) -> list[Path]:
    return sorted(file for file in files if file.name.lower() == _RECORDS)


def _image_finder(files: Sequence[Path]) -> Callable[[Path], Path]:
    """Find images that were compressed to PNG later: the records go on to say ``.tif`` (fractal-uzh-converters)."""
    find, there = on_disk(files), set(files)

    def find_image(named: Path) -> Path:
        found, compressed = find(named), find(named.with_suffix(".png"))
        return compressed if compressed in there and found not in there else found

    return find_image


def _plate(path: Path, files: Sequence[Path], find: Callable[[Path], Path]) -> ImageIndex:
    detail = _beside(path, files, ".mrf")
    setting = _beside(path, files, ".mes", detail.get("MeasurementSettingFileName", ""))
    sample = next(detail.iter("MeasurementSamplePlate"), Element("absent"))
    plate = _beside(path, files, ".wpi", sample.get("WellPlateFileName", ""))
    optics = {channel.get("Ch", ""): channel for channel in setting.iterfind("ChannelList/Channel")}
    records, left_out = _records(path, find)
    planes, projections = _without_projections(records, optics)
    images, repeated = _with_channels(planes, optics)
    ordered = images.sort_values(["ch", "channel"]).drop_duplicates("channel")
    channels = dict(zip(ordered.channel, ordered.ch, strict=True))
    pixels = {channel.get("Ch"): channel for channel in detail.iter("MeasurementChannel")}
    absent = (
        [] if pixels else ["the size of a pixel is not known, as MeasurementDetail.mrf is not there or has no channel"]
    )
    return ImageIndex(
        sample.get("Name") or plate.get("Name") or path.parent.name,
        images,
        tuple(channels),
        source=f"{path.parent} (cellvoyager)",
        pixel_size=only(
            number(pixels[str(ch)].get("HorizontalPixelDimension")) for ch in channels.values() if str(ch) in pixels
        ),
        z_step=plane_distance(images),
        plate_format=plate_size(
            detail.get("RowCount") or plate.get("Rows"), detail.get("ColumnCount") or plate.get("Columns"), images.well
        ),
        exposure=_each(channels, optics, lambda channel: (number(channel.get("ExposureTime")) or 0) / 1000),  # from ms
        excitation=_each(channels, optics, lambda channel: _wavelength(channel, setting)),
        emission=_each(channels, optics, _band),
        positions=field_positions(images),
        acquired=field_times(images),
        left_out={"projection(s) of planes that are there": projections},
        notes=(*left_out, *repeated, *strayed_fields(images), *absent),
    )


def _beside(path: Path, files: Iterable[Path], suffix: str, name: str = "") -> Element:
    """Read the one file of a kind beside the records, or of several the one of this name; none is as if empty."""
    found = [file for file in files if file.parent == path.parent and file.suffix.lower() == suffix]
    found = [file for file in found if file.name.lower() == name.lower()] or found
    return read_xml(found[0]) if len(found) == 1 else Element("absent")


def _records(path: Path, find: Callable[[Path], Path]) -> tuple[pd.DataFrame, list[str]]:
    """Return the table of the images, with the number of their channel, and what was left out."""
    rows, left_out = [], Counter[str]()
    for record in read_xml(path).iter("MeasurementRecord"):
        name, kind = (record.text or "").strip(), record.get("Type", "IMG")
        if kind != "IMG" or not name:
            left_out[f"of type {kind}" if kind != "IMG" else "without a file"] += 1
            continue
        row, column, *labels = (
            label(record.get(tag, default), tag, name, path)
            for tag, default in [("Row", ""), ("Column", ""), *((tag, "1") for tag in (*_LABELS, *_ORDER))]
        )
        places = [number(record.get(tag)) for tag in _PLACES]
        processing, file = record.get("ZImageProcessing", ""), find(inside(path.parent, name))
        acquired = seconds_of(record.get("Time", ""))
        rows.append((well_name(row, column, path), *labels, *places, processing, str(file), acquired))
    table = pd.DataFrame(rows, columns=_COLUMNS).astype(dict.fromkeys([*_PLACES.values(), "acquired"], float))
    # A measurement that was stopped may say its last images twice.
    table = table.drop_duplicates([name for name in _COLUMNS if name != "acquired"], ignore_index=True)
    return table, [f"{count} record(s) {why} left out" for why, count in sorted(left_out.items())]


def _without_projections(records: pd.DataFrame, optics: Mapping[str, Element]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out projections of planes that are there too; a projection has a channel number of its own."""
    light = {
        ch: f"{optics[ch].get('Target')} {optics[ch].get('Acquisition')}" if ch in optics else ch
        for ch in map(str, set(records.ch))
    }
    place = records[["well", "field", "time"]].assign(light=records.ch.astype(str).map(light), path=records.path)
    projected = records.processing != ""
    kept, left_out = without_projections(place, projected, ["well", "field", "time", "light"])
    return records.loc[kept.index], left_out


def _with_channels(images: pd.DataFrame, optics: Mapping[str, Element]) -> tuple[pd.DataFrame, list[str]]:
    """Name the channel of each image: see the module."""
    known = {ch: optics.get(str(ch), Element("absent")) for ch in sorted(set(images.ch))}
    names = distinct({ch: channel.get("Target") or f"Ch{ch}" for ch, channel in known.items()}, "Ch{}")
    where = ["well", *_LABELS.values(), "processing"]
    once = images.drop_duplicates([*where, *_ORDER.values()])
    repeated = set(once.ch[once.duplicated(where)])
    channel = [
        names[ch]
        + (f" {processing}" if processing else "")
        + (f" L{timeline:02d}A{action:02d}" if ch in repeated else "")
        for ch, processing, timeline, action in zip(
            images.ch, images.processing, images.timeline, images.action, strict=True
        )
    ]
    notes = [f"channel {names[ch]} was taken by several actions, each a channel of its own" for ch in sorted(repeated)]
    return images.assign(channel=channel), notes


def _each(
    channels: Mapping[str, int], optics: Mapping[str, Element], read: Callable[[Element], float | None]
) -> dict[str, float]:
    values = {name: read(optics[str(ch)]) for name, ch in channels.items() if str(ch) in optics}
    return {name: value for name, value in values.items() if value}


def _wavelength(channel: Element, setting: Element) -> float | None:
    """Return the wavelength of a channel's light, if it has one."""
    sources = {source.get("Name"): source.get("WaveLength") for source in setting.iter("LightSource")}
    return only(number(sources.get((name.text or "").strip())) for name in channel.iter("LightSourceName"))


def _band(channel: Element) -> float | None:
    """Return the middle of a channel's emission filter, such as 445 nm of ``BP445/45``."""
    match = _BAND.match(channel.get("Acquisition", ""))
    return float(match[1]) if match else None
