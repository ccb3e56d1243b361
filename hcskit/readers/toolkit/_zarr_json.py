"""The metadata files of Zarr: ``.zattrs`` and ``.zarray`` (format 2) and ``zarr.json`` (format 3).

An array whose pixels need more than a plain decompressor is refused here, before the zarr library sees it: numcodecs
has codecs that run code (pickle), and plug-ins bring others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hcskit.errors import ReaderError
from hcskit.inputs import read_json
from hcskit.readers.toolkit._header import check_size

__all__ = ["ZARR_ATTRIBUTES", "ZarrArray", "is_zarr_empty", "read_zarr_array", "read_zarr_attributes"]

#: Files that hold a group's attributes, the newest format first.
ZARR_ATTRIBUTES = ("zarr.json", ".zattrs")
_COMPRESSORS = {"blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"}
_CHECKSUMS = {"adler32", "crc32", "crc32c", "fletcher32"}
_LAYOUTS = {"bytes", "sharding_indexed", "shuffle", "transpose"}
_CODECS = _COMPRESSORS | _CHECKSUMS | _LAYOUTS
_PIXELS = re.compile(r"[<>|]u[1248]|uint(8|16|32|64)|[<>]f4|float32")


@dataclass(frozen=True, slots=True)
class ZarrArray:
    """The form of an array that is safe to open.

    Attributes
    ----------
    shape : tuple of int
        Its size along each axis, two or more.
    dtype : numpy.dtype
        Type of the pixels, in the machine's byte order.
    format : int
        Zarr format, 2 or 3.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    format: int


def read_zarr_attributes(folder: Path, key: str = "ome") -> dict[str, Any] | None:
    """Return what a group says in terms of OME-Zarr, which 0.5 has under ``ome``; None if it is not there.

    Another program's own terms are under another key; a group that has none is empty.
    """
    for name in ZARR_ATTRIBUTES:
        found = _read_json(folder / name)
        if found is not None:
            attributes = found.get("attributes", {}) if name == "zarr.json" else found
            inner = attributes.get(key, attributes if key == "ome" else {}) if isinstance(attributes, dict) else None
            if not isinstance(inner, dict):
                raise ReaderError(f"{folder / name} has no table of attributes; expected the metadata of an OME-Zarr")
            return inner
    return None


def read_zarr_array(folder: Path) -> ZarrArray | None:
    """Return the form of an array; None if it is not there.

    Raises
    ------
    ReaderError
        If it is no image of unsigned integers or of float32, or needs a codec that is not plain.
    """
    found = _read_json(path := folder / "zarr.json")
    if found is not None:
        return _check(path, 3, found, found.get("data_type"), [found.get("codecs")])
    found = _read_json(path := folder / ".zarray")
    if found is not None:
        return _check(path, 2, found, found.get("dtype"), [found.get("compressor"), found.get("filters")])
    return None


def is_zarr_empty(folder: Path) -> bool:
    """Tell whether nothing lies beside an array's metadata: no chunk of it was written or copied."""
    return all(entry.name == "zarr.json" or entry.name.startswith(".") for entry in folder.iterdir())


def _check(path: Path, version: int, found: dict[str, Any], pixels: Any, codecs: Any) -> ZarrArray:
    shape = found.get("shape")
    if not isinstance(shape, list) or len(shape) < 2 or not all(type(size) is int and size >= 0 for size in shape):
        raise ReaderError(f"{path} is not of an image: its shape is {shape!r}; expected sizes of two axes or more")
    if not isinstance(pixels, str) or not _PIXELS.fullmatch(pixels):
        raise ReaderError(
            f"{path} holds pixels of type {pixels!r}; expected unsigned integers, such as uint16, or float32"
        )
    unknown = sorted(set(_names(codecs)) - _CODECS)
    if unknown:
        raise ReaderError(
            f"{path} asks for the codec {', '.join(unknown)}, which hcskit does not run on data from elsewhere; write "
            f"the plate again with one of {', '.join(sorted(_COMPRESSORS))}"
        )
    for chunk in (shape[-2:], *_chunks(found)):
        check_size(path, chunk)
    return ZarrArray(tuple(shape), np.dtype(pixels).newbyteorder("="), version)


def _chunks(found: Any) -> Iterator[list[int]]:
    """Yield the sizes of an array's chunks, and of those inside a shard."""
    if isinstance(found, dict):
        for name, value in found.items():
            if name in ("chunks", "chunk_shape") and isinstance(value, list):
                yield [size for size in value if isinstance(size, int)]
            yield from _chunks(value)
    elif isinstance(found, list):
        for value in found:
            yield from _chunks(value)


def _names(codecs: Any) -> Iterator[str]:
    """Yield the names of codecs, of those inside a shard too; something else by its text, which no codec has."""
    if isinstance(codecs, list):
        for codec in codecs:
            yield from _names(codec)
    elif isinstance(codecs, dict):
        yield str(codecs.get("id") or codecs.get("name")).removeprefix("numcodecs.")
        inner = codecs.get("configuration")
        if isinstance(inner, dict):
            yield from _names([inner.get("codecs"), inner.get("index_codecs")])
    elif codecs is not None:
        yield str(codecs)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ReaderError(f"{path} is not readable Zarr metadata: {error}; is the copy complete?") from error
    if not isinstance(found, dict):
        raise ReaderError(f"{path} is not Zarr metadata: it holds a {type(found).__name__}, expected a table")
    return found
