"""Writers of small files as microscopes' programs have them, each with as much as a reader looks at."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint16]  # (position, time, plane, channel, y, x)


def write_nd2(
    path: Path,
    images: Images,
    names: Sequence[str] = ("",),
    channels: Sequence[str] = ("DAPI",),
    places: Sequence[tuple[float, float]] = ((0.0, 0.0),),
    frames: int | None = None,
    compressed: bool = False,
    lights: Sequence[float] = (405.0, 488.0),
) -> Path:
    """Write an .nd2 of version 3: chunks, and a map of them at the end; `frames` of it if the run was stopped."""
    positions, times, planes, count, height, width = images.shape
    loops: list[tuple[int, int, dict[str, Any]]] = []  # the outermost first
    if times > 1:
        loops.append((1, times, {"uiCount": times, "dStart": 0.0, "dPeriod": 6e5, "dDuration": 6e5 * times}))
    if positions > 1 or names != ("",):
        points = {
            f"i{n:010}": {"dPosX": x, "dPosY": y, "pPosName": name}
            for n, ((x, y), name) in enumerate(zip(places, names, strict=True))
        }
        loops.append((2, positions, {"uiCount": positions, "Points": points}))
    if planes > 1:
        loops.append((4, planes, {"uiCount": planes, "dZStep": 2.5, "dZLow": 0.0, "dZHigh": 2.5 * (planes - 1)}))
    experiment: dict[str, Any] = {}
    for kind, size, parameters in reversed(loops):
        inner = {"ppNextLevelEx": {"i0000000000": experiment}} if experiment else {}
        experiment = {"eType": kind, "uiCount": size, "uLoopPars": parameters, **inner}
    every = [
        images[p, t, z].transpose(1, 2, 0).tobytes()
        for t in range(times)
        for p in range(positions)
        for z in range(planes)
    ]
    taken = every[:frames]
    attributes = {
        "uiWidth": width, "uiWidthBytes": 2 * width * count, "uiHeight": height, "uiComp": count,
        "uiBpcInMemory": 16, "uiBpcSignificant": 16, "uiSequenceCount": len(taken),
        "eCompression": 0 if compressed else 2, "dCompressionParam": 1.0,
    }  # fmt: skip
    planes_of = {
        f"a{n}": {
            "uiCompCount": 1,
            "sDescription": name,
            "uiColor": 255,
            "uiSampleIndex": n,
            "pFluorescentProbe": _probe(lights[n]),
        }
        for n, name in enumerate(channels)
    }
    picture = {
        "sPicturePlanes": {"uiCount": count, "uiCompCount": count, "sPlaneNew": planes_of},
        "dCalibration": 0.65, "bCalibrated": True, "dTimeMSec": 0.0,
    }  # fmt: skip
    chunks = {
        b"ImageAttributesLV!": _variant({"SLxImageAttributes": attributes}),
        b"ImageMetadataSeqLV|0!": _variant({"SLxPictureMetadata": picture}),
    }
    if experiment:
        chunks[b"ImageMetadataLV!"] = _variant({"SLxExperiment": experiment})
    for n, frame in enumerate(taken):
        data = zlib.compress(frame) if compressed else frame
        chunks[f"ImageDataSeq|{n}!".encode()] = struct.pack("<d", 0.0) + data
    chunks[b"CustomData|AcqTimesCache!"] = np.zeros(len(every)).tobytes()
    _write_chunks(path, chunks)
    return path


def _probe(excitation: float) -> dict[str, Any]:
    """Say the wavelengths of a dye: the emission lies 60 nm above."""
    spectra = {"m_ExcitationSpectrum": excitation, "m_EmissionSpectrum": excitation + 60}
    return {
        name: {"uiCount": 1, "pPoint": {"Point0": {"eType": 1, "dWavelength": wavelength, "dTValue": 1.0}}}
        for name, wavelength in spectra.items()
    }


def _write_chunks(path: Path, chunks: Mapping[bytes, bytes]) -> None:
    def chunk(name: bytes, data: bytes, reserved: int) -> bytes:
        return struct.pack("<IIQ", 0x0ABECEDA, reserved, len(data)) + name.ljust(reserved, b"\0") + data

    out = bytearray(chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"), 32))
    listed = b""
    for name, data in chunks.items():
        out += bytes(-len(out) % 4096)
        listed += name + struct.pack("<QQ", len(out), len(data))
        out += chunk(name, data, 4072 if name.startswith(b"ImageDataSeq") else 64)
    where = len(out)
    out += chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", listed + b"ND2 CHUNK MAP SIGNATURE 0000001!", 32)
    out += b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", where)
    path.write_bytes(out)


def _variant(values: Mapping[str, Any]) -> bytes:
    """Encode what Nikon calls a lite variant: type, name and value, and for a level its size."""
    out = b""
    for name, value in values.items():
        text = (name + "\0").encode("utf-16-le")
        kind, data = _value(value)
        head = struct.pack("BB", kind, len(text) // 2) + text
        if kind == 11:
            items, inner = data
            out += head + struct.pack("<IQ", items, len(head) + 12 + len(inner)) + inner + bytes(8 * items)
        else:
            out += head + data
    return out


def _value(value: Any) -> tuple[int, Any]:
    if isinstance(value, Mapping):
        return 11, (len(value), _variant(value))
    if isinstance(value, bool):
        return 1, struct.pack("B", value)
    if isinstance(value, int):
        return 3, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<d", value)
    return 8, (value + "\0").encode("utf-16-le")


def write_lif(path: Path, images: Mapping[str, Images], channels: Sequence[str] = ("Blue",), cut: int = 0) -> Path:
    """Write a .lif: XML, then a block of memory for each image of (time, plane, channel, y, x)."""
    elements, blocks = "", b""
    for number, (name, pixels) in enumerate(images.items()):
        times, planes, count, height, width = pixels.shape
        frame = height * width * 2
        described = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="16" NameOfMeasuredQuantity="" Min="0" '
            f'Max="65535" Unit="" LUTName={quoteattr(lut)} IsLUTInverted="0" BytesInc="{n * frame}" BitInc="0"/>'
            for n, lut in enumerate(channels)
        )
        sizes = [(1, width, 2, 0.5e-6), (2, height, 2 * width, 0.5e-6)]
        sizes += [(3, planes, count * frame, 2e-6)] if planes > 1 else []
        sizes += [(4, times, count * planes * frame, 60.0)] if times > 1 else []
        dimensions = "".join(
            f'<DimensionDescription DimID="{axis}" NumberOfElements="{size}" Origin="0" Length="{step * (size - 1)}" '
            f'Unit="m" BytesInc="{inc}" BitInc="0"/>'
            for axis, size, inc, step in sizes
        )
        inner = (
            f"<Data><Image><ImageDescription><Channels>{described}</Channels><Dimensions>{dimensions}</Dimensions>"
            f'</ImageDescription></Image></Data><Memory Size="{pixels.nbytes}" MemoryBlockID="MemBlock_{number}"/>'
        )
        *folders, last = name.split("/")
        element = f"<Element Name={quoteattr(last)}>{inner}</Element>"
        for folder in reversed(folders):
            element = f"<Element Name={quoteattr(folder)}><Data/><Children>{element}</Children></Element>"
        elements += element
        block = f"MemBlock_{number}"
        data = pixels.tobytes()
        blocks += struct.pack("<II", 0x70, 1 + 8 + 1 + 4 + 2 * len(block)) + struct.pack("<BQ", 0x2A, len(data))
        blocks += struct.pack("<BI", 0x2A, len(block)) + block.encode("utf-16-le") + data
    project = f'<Element Name="Project"><Children>{elements}</Children></Element>'
    xml = f'<LMSDataContainerHeader Version="2">{project}</LMSDataContainerHeader>'
    head = struct.pack("<IIBI", 0x70, 2 * len(xml) + 5, 0x2A, len(xml)) + xml.encode("utf-16-le")
    whole = head + blocks
    path.write_bytes(whole[: len(whole) - cut])
    return path


def write_stk(path: Path, planes: Images, distances: Sequence[float], name: str = "DAPI", cut: int = 0) -> Path:
    """Write a stack of MetaMorph: one header, the planes behind it, and what they are of in the tags UIC1 and UIC2."""
    count, height, width = planes.shape
    pixels = 8 + planes.nbytes
    rows = b"".join(
        struct.pack("<6I", int(distance * 1000), 1000, 2459000, 1000 * n, 0, 0) for n, distance in enumerate(distances)
    )
    fraction = pixels + len(rows)
    unit = fraction + 8
    called = unit + 7
    texts = b"".join(struct.pack("<I", len(text) + 1) + text.encode() + b"\0" for text in ("um", name))
    listed = called + 5 + len(name)
    entries = struct.pack("<8I", 3, 1, 4, fraction, 6, unit, 7, called)
    tags = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)),
        *((277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, height * width * 2)),
        *((33628, 4, 4, listed), (33629, 5, count, pixels)),
    ]
    ifd = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", 0)
    head = struct.pack("<2sHI", b"II", 42, listed + len(entries))
    data = head + planes.tobytes() + rows + struct.pack("<II", 325, 1000) + texts + entries + ifd
    path.write_bytes(data[: len(data) - cut])
    return path


def write_dv(path: Path, images: Images) -> Path:
    """Write a DeltaVision of (plane, channel, y, x): a header of 1024 bytes, then the images, channel by channel."""
    planes, channels, height, width = images.shape
    head = bytearray(1024)
    struct.pack_into("<10i3f", head, 0, width, height, planes * channels, 6, 0, 0, 0, 1, 1, 1, 0.5, 0.5, 2.0)
    struct.pack_into("<h", head, 96, -16224)
    struct.pack_into("<hh", head, 180, 1, 2)  # one time point; planes within channels
    struct.pack_into("<h", head, 196, channels)
    path.write_bytes(bytes(head) + images.transpose(1, 0, 2, 3).tobytes())
    return path
