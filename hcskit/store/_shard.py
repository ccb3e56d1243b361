"""A field's images in one file: a shard of Zarr v3, written and read one image at a time.

Format: chunks, then an index of (offset, length) for each, then its CRC-32C;
https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/. Any Zarr v3 library reads it. Ours never holds
more than one image in memory, and does without zarr's event loop, which takes longer than the compression
(``benchmarks/test_import.py``).
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import google_crc32c
import numpy as np
import numpy.typing as npt
from numcodecs.blosc import Blosc

from hcskit.inputs import open_file

__all__ = ["ShardWriter", "array_metadata", "compressed_size", "read_image_of_shard"]

_CODEC = Blosc(cname="zstd", clevel=1, shuffle=Blosc.BITSHUFFLE)
_CRC = 4
_ABSENT = 2**64 - 1  # offset and length of an image that was not acquired; it reads as zero
_BLOCK = np.dtype("<u8")


@lru_cache
def array_metadata(shape: tuple[int, ...], dtype: np.dtype[Any], dims: tuple[str, ...]) -> bytes:
    """Return the ``zarr.json`` of an array that is one shard, with one chunk an image; zarr itself makes it."""
    import zarr
    from zarr.codecs import BloscCodec, Crc32cCodec
    from zarr.storage import MemoryStore

    kept: dict[str, Any] = {}
    zarr.create_array(
        store=MemoryStore(kept),
        shape=shape,
        shards=shape,
        chunks=(*(1,) * (len(shape) - 2), *shape[-2:]),
        dtype=dtype,
        compressors=[BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle", typesize=dtype.itemsize), Crc32cCodec()],
        dimension_names=dims,
        fill_value=0,
    )
    return bytes(kept["zarr.json"].to_bytes())


class ShardWriter:
    """Writes a shard image by image, as a context manager.

    Parameters
    ----------
    path : path-like
        The shard's file; its folders are made.
    count : int
        How many images it has room for.
    """

    def __init__(self, path: Path, count: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._index = np.full((count, 2), _ABSENT, dtype=_BLOCK)
        self._file = path.open("wb")

    def __enter__(self) -> Self:
        return self

    def add(self, number: int, image: npt.NDArray[Any]) -> None:
        """Write the image (y, x) of this number."""
        chunk = _compressed(image)
        self._index[number] = self._file.tell(), len(chunk) + _CRC
        self._file.write(chunk)
        self._file.write(_checksum(chunk))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._file as file:
            if kind is None:
                index = self._index.tobytes()
                file.write(index + _checksum(index))


def compressed_size(image: npt.NDArray[Any]) -> int:
    """Return the bytes that an image (y, x) takes in a shard."""
    return len(_compressed(image)) + _CRC


def read_image_of_shard(
    path: Path, number: int, count: int, shape: tuple[int, int], dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Read one image (y, x) of a shard that holds `count` of them.

    Raises
    ------
    OSError
        If the file is missing, too short or damaged, or does not have this image.
    """
    with open_file(path) as file:
        size = file.seek(0, 2)
        length = count * 2 * _BLOCK.itemsize
        if size < length + _CRC:
            raise OSError(f"its pixels are cut off after {size} bytes")
        file.seek(size - length - _CRC)
        offset, nbytes = np.frombuffer(_checked(file.read(), "index"), dtype=_BLOCK).reshape(count, 2)[number]
        if offset == nbytes == _ABSENT:
            raise OSError("it has no such image")
        if int(offset) + int(nbytes) > size or nbytes <= _CRC:
            raise OSError("its index is damaged")
        file.seek(int(offset))
        chunk = _checked(file.read(int(nbytes)), "pixels")
    # Blosc's header says how much memory it takes to decode.
    if int.from_bytes(chunk[4:8], "little") != math.prod(shape) * dtype.itemsize:
        raise OSError("its pixels are of another size")
    image = np.frombuffer(_CODEC.decode(chunk), dtype=dtype.newbyteorder("<"))
    return image.reshape(shape).astype(dtype, copy=False)


def _checksum(data: bytes) -> bytes:
    return int(google_crc32c.value(data)).to_bytes(_CRC, "little")


def _checked(data: bytes, what: str) -> bytes:
    if _checksum(data[:-_CRC]) != data[-_CRC:]:
        raise OSError(f"its {what} are damaged" if what == "pixels" else f"its {what} is damaged")
    return data[:-_CRC]


def _compressed(image: npt.NDArray[Any]) -> bytes:
    return bytes(_CODEC.encode(np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("<"))))
