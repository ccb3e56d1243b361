"""An array of images that are read one at a time, on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import psutil
import xarray as xr
from dask.base import tokenize
from xarray.backends import BackendArray
from xarray.core import indexing

__all__ = ["PlaneArray", "memory_to_spare", "unchunked"]

#: Sources of Dask arrays by name: arrays of the same name are equal.
_chunked: WeakValueDictionary[str, PlaneArray] = WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class PlaneArray(BackendArray):
    """The images of a plate behind one array.

    Attributes
    ----------
    read : callable
        Reads the image (y, x) at a position, one integer for each axis of `present`. Called only where an image is
        present; must be picklable, so that other processes can read too.
    present : numpy.ndarray of bool
        Shape (well, field, [time,] channel, [z]): an image that is not present is zero.
    image_shape : tuple of int
        Rows and columns of one image.
    dtype : numpy.dtype
        Type of the pixels.
    """

    read: Callable[[tuple[int, ...]], npt.NDArray[Any]]
    present: npt.NDArray[np.bool_]
    image_shape: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array."""
        return (*self.present.shape, *self.image_shape)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read_block)

    def variable(self, dims: tuple[str, ...]) -> xr.Variable:
        """Return a variable that reads no pixel yet; one image is its natural chunk."""
        chunks = dict.fromkeys(dims, 1) | dict(zip(dims[-2:], self.image_shape, strict=True))
        return xr.Variable(dims, indexing.LazilyIndexedArray(self), encoding={"preferred_chunks": chunks})

    def chunked(self, dims: tuple[str, ...]) -> xr.Variable:
        """Return `variable` as a Dask array with one block an image."""
        lazy = self.variable(dims)
        name = f"image-{tokenize(self.read, self.present)}"
        _chunked[name] = self
        return lazy.chunk(lazy.encoding["preferred_chunks"], name=name)

    def _read_block(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        axes = [np.arange(size)[index] for size, index in zip(self.present.shape, key, strict=False)]
        rows, columns = (np.arange(size)[index] for size, index in zip(self.image_shape, key[-2:], strict=True))
        block = np.zeros((*(axis.size for axis in axes), *np.shape(rows), *np.shape(columns)), self.dtype)
        for place in np.ndindex(block.shape[: len(axes)]):
            position = tuple(int(np.atleast_1d(axis)[index]) for axis, index in zip(axes, place, strict=True))
            if self.present[position]:
                block[place] = self.read(position)[key[-2]][..., key[-1]]
        return block.reshape([size for axis in (*axes, rows, columns) for size in np.shape(axis)])


def unchunked(image: xr.Variable) -> xr.Variable:
    """Return images without Dask if `PlaneArray.chunked` made them; any others as they are.

    Reading one image of many through Dask takes longer than decompressing it (docs/data_path.md).
    """
    array = _chunked.get(getattr(image.data, "name", "")) if image.chunks else None
    return image if array is None else array.variable(tuple(map(str, image.dims)))


def memory_to_spare() -> int:
    """Return how many bytes this process can still use of the machine's memory, or of its job's limit."""
    from distributed.system import memory_limit  # respects control groups

    process = psutil.Process()
    own: int = process.memory_info().rss
    return max(0, min(psutil.virtual_memory().available, memory_limit() - own))
