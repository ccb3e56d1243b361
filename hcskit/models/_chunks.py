"""A function applied to a batch chunk by chunk, so that its temporary memory does not grow with the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hcskit.models.backend import tf

__all__ = ["at_once", "each_chunk", "sum_of_chunks"]

#: Pixels of a chunk: several small images, as one alone would not occupy the cores.
PIXELS = 512 * 512


def each_chunk(function: Callable[..., Sequence[Any]], types: Sequence[Any], *tensors: Any) -> list[Any]:
    """Apply a function to one chunk of the batch after the other, and join what it returns.

    Parameters
    ----------
    function : callable
        From chunks of the tensors to a sequence of tensors with as many rows.
    types : sequence of dtype
        Of what it returns.
    *tensors : tensor
        With one row for each image; the first one are the images (batch, y, x, channel).
    """
    chunks, size = _chunks(tensors[0])
    results = tf.map_fn(
        lambda index: tuple(function(*_cut(tensors, index * size, size))),
        tf.range(chunks),
        fn_output_signature=tuple(types),
        parallel_iterations=1,
    )
    return [tf.reshape(result, tf.concat([[chunks * size], tf.shape(result)[2:]], 0)) for result in results]


def sum_of_chunks(function: Callable[..., Sequence[Any]], like: Sequence[Any], *tensors: Any) -> list[Any]:
    """Add up what a function returns for each chunk of the batch, in tensors of the shapes and types of ``like``."""
    chunks, size = _chunks(tensors[0])

    def add(sums: Sequence[Any], index: Any) -> list[Any]:
        terms = function(*_cut(tensors, index * size, size))
        return [total + tf.cast(term, total.dtype) for total, term in zip(sums, terms, strict=True)]

    start = [tf.zeros_like(tensor) for tensor in like]
    return list(tf.foldl(add, tf.range(chunks), start, parallel_iterations=1))


def at_once(rows: int, columns: int) -> int:
    """Return the largest number of images of the given number of pixels in a chunk."""
    return max(1, PIXELS // (rows * columns))


def _chunks(images: Any) -> tuple[Any, Any]:
    """Return the number of chunks and of images in each: the largest that divides the batch and fits."""
    batch, height, width = (tf.shape(images)[axis] for axis in range(3))
    sizes = tf.range(1, 1 + tf.maximum(1, PIXELS // (height * width)))
    size = tf.reduce_max(tf.where(batch % sizes == 0, sizes, 1))
    return batch // size, size


def _cut(tensors: Sequence[Any], start: Any, size: Any) -> list[Any]:
    chunks = []
    for tensor in tensors:
        begin = tf.stack([start] + [0] * (tensor.shape.rank - 1))
        chunk = tf.slice(tensor, begin, tf.concat([[size], tf.shape(tensor)[1:]], 0))
        # Not by tf.ensure_shape, which GPUs do not have in 16 bits: each chunk would travel to the processor and back.
        chunk.set_shape([None, *tensor.shape[1:]])
        chunks.append(chunk)
    return chunks
