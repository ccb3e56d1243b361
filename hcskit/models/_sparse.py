"""Convolutions and a max-pool, with the exact gradient computed at the winners of the pool alone.

Only the pixel that won a pool gets a gradient, and that pixel saw a small patch of the image. So the backward pass takes
these patches, runs the convolutions on them again, and differentiates that. A winner belongs to one filter, so of the
last convolution one filter is enough. Nothing as large as the image is kept between the passes.

Everything goes chunk by chunk of the batch: what is in memory at a time does not grow with the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["dense", "sparse", "sparse_pays"]

#: Pixels of the images that are worked on together: small ones are taken by several, as one alone does not fill the cores.
_CHUNK_PIXELS = 512 * 512
# Widest stretch of a row in which the winner is searched for pixel by pixel.
_STRETCH = 8
# Above one, as a multiply-add of a patch takes longer: its convolutions have few pixels in a row, and it must be gathered.
_PATCH_COST = 1.3


def sparse_pays(kernel: int, convolutions: int, channels: int, filters: int, pool: int) -> bool:
    """Whether the gradient is cheaper at the winners than everywhere, for weights that learn and images that do not.

    Multiply-adds, with :math:`k` the kernel's side, :math:`n` convolutions, :math:`c` channels and :math:`f` filters:

    - everywhere: each convolution costs as much for its weights' gradient as forward, and once more for its input's
      gradient, but for the first. A pixel: :math:`2 k^2 (c f + (n - 1) f^2) - k^2 c f`.
    - a winner: convolution :math:`i` is wanted at :math:`s_i^2` pixels, :math:`s_i = 1 + (n - i)(k - 1)`. It is computed
      again, and differentiated as above: :math:`3 k^2 s_i^2 f^2`, or :math:`2 k^2 s_1^2 c f` for the first. The last one
      has one filter and one pixel, :math:`3 k^2 f`.
    - a pixel has :math:`f / p^2` winners, with :math:`p` the pool's side.

    Examples
    --------
    The first three branches of the published network: 27 200 multiply-adds a pixel against 680 000 a winner.

    >>> [sparse_pays(5, 3, 3, 16, pool) for pool in (64, 32, 16)]
    [True, True, False]
    """
    inputs = [channels] + [filters] * (convolutions - 1)
    costs = [kernel**2 * c * filters for c in inputs]
    everywhere = 2 * sum(costs) - costs[0]
    sides = [1 + (convolutions - 1 - i) * (kernel - 1) for i in range(convolutions)]
    costs[-1] //= filters
    winner = sum(3 * s**2 * cost for s, cost in zip(sides, costs, strict=True)) - sides[0] ** 2 * costs[0]
    return _PATCH_COST * winner * filters / pool**2 < everywhere


def dense(x: Any, kernels: Sequence[Any], biases: Sequence[Any], pool: int) -> Any:
    """Convolve (SAME, bias, ReLU) and pool, with the framework's own gradient."""
    x = _convolutions(x, [tf.cast(kernel, x.dtype) for kernel in kernels], [tf.cast(bias, x.dtype) for bias in biases])
    return tf.nn.max_pool2d(x, pool, pool, "VALID") if pool > 1 else x


def sparse(x: Any, kernels: Sequence[Any], biases: Sequence[Any], pool: int) -> Any:
    """Return what :func:`dense` returns, with the same gradient, computed at the winners of the pool.

    Parameters
    ----------
    x : tensor
        Images (batch, y, x, channel).
    kernels, biases : sequence of tensor
        Of each convolution; kernels (k, k, channel, filter) of odd k. They may be of a wider type than the images: the
        convolutions use the images' type, and gradients are summed, and returned, in the weights' own.
    pool : int
        Side of the max-pool, and its stride.

    Returns
    -------
    tensor
        (batch, y // pool, x // pool, filter)
    """
    count = len(kernels)

    @tf.custom_gradient
    def pooled(x: Any, *weights: Any) -> tuple[Any, Callable[..., Any]]:
        cast = [tf.cast(weight, x.dtype) for weight in weights]
        kernels, biases = cast[:count], cast[count:]

        def forward(x: Any) -> Any:
            return _pool(_convolutions(x, kernels, biases), pool)

        y, winner = _each_chunk(forward, (x.dtype, tf.int32), x)

        def gradient(upstream: Any) -> Any:
            alive = tf.where(y > 0, upstream, tf.zeros_like(upstream))

            def per_weight(*chunk: Any) -> Any:
                with tf.GradientTape() as tape:
                    tape.watch(cast)
                    total = _at_winners(_patches(chunk[0], chunk[1], _reach(kernels)), *chunk, kernels, biases)
                return [tf.cast(g, w.dtype) for g, w in zip(tape.gradient(total, cast), weights, strict=True)]

            def per_image(*chunk: Any) -> Any:
                patches = _patches(chunk[0], chunk[1], _reach(kernels))
                with tf.GradientTape() as tape:
                    tape.watch(patches)
                    total = _at_winners(patches, *chunk, kernels, biases)
                return (_put_back(tape.gradient(total, patches), chunk[0], chunk[1], _reach(kernels)),)

            # In a loop of its own: a graph in which nothing before the image learns leaves it out.
            (image,) = _each_chunk(per_image, (x.dtype,), x, winner, alive)
            return image, *_sum_of_chunks(per_weight, weights, x, winner, alive)

        return y, gradient

    return pooled(x, *kernels, *biases)


def _reach(kernels: Sequence[Any]) -> int:
    """How far to each side a pixel sees through the convolutions."""
    return sum(int(kernel.shape[0]) // 2 for kernel in kernels)


def _convolutions(x: Any, kernels: Sequence[Any], biases: Sequence[Any]) -> Any:
    for kernel, bias in zip(kernels, biases, strict=True):
        x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias))
    return x


def _pool(x: Any, pool: int) -> tuple[Any, Any]:
    """Max-pool, and where in its image each maximum is (row · width + column); the first in a pool, if there are several.

    First the maximum of each row of a pool, which gives the winning row; then the search goes on in that row alone.
    """
    stretch = max(size for size in range(1, _STRETCH + 1) if pool % size == 0)
    steps = pool // stretch
    stretches = tf.nn.max_pool2d(x, [1, stretch], [1, stretch], "VALID") if stretch > 1 else x
    rows = tf.nn.max_pool2d(stretches, [1, steps], [1, steps], "VALID") if steps > 1 else stretches
    batch, height, width, filters = tf.unstack(tf.shape(rows))
    tall = height // pool
    rows = tf.reshape(rows[:, : tall * pool], [batch, tall, pool, width, filters])
    row = tf.argmax(rows, 2, tf.int32) + pool * tf.range(tall)[:, None, None]
    column = pool // stretch * tf.range(width)[:, None]
    column = stretch * _first_best(stretches, row, column, steps)
    return tf.reduce_max(rows, 2), row * tf.shape(x)[2] + _first_best(x, row, column, stretch)


def _first_best(x: Any, row: Any, column: Any, count: int) -> Any:
    """Return the column of the greatest of ``count`` pixels of a row, for each (batch, pool, pool, filter)."""
    if count == 1:
        return column + tf.zeros_like(row)
    batch, height, width, filters = tf.unstack(tf.shape(x, tf.int64))
    image, column = tf.range(batch)[:, None, None, None], tf.cast(column, tf.int64)
    pixel = (image * height + tf.cast(row, tf.int64)) * width + column
    where = (pixel[..., None] + tf.range(count, dtype=tf.int64)) * filters + tf.range(filters)[:, None]
    values = tf.gather(tf.reshape(x, [-1]), where)
    return tf.cast(column, tf.int32) + tf.argmax(values, -1, tf.int32)


def _by_filter(x: Any) -> Any:
    """(batch, y, x, filter) to (filter, winner)."""
    return tf.reshape(tf.transpose(x, [3, 0, 1, 2]), [tf.shape(x)[3], -1])


def _padded_pixels(x: Any, winner: Any, reach: int) -> Any:
    """Where the patches (filter, y, x, winner) lie in their images, padded and seen as one row of pixels."""
    batch, height, width = (tf.shape(x)[axis] for axis in range(3))
    image = tf.range(batch)[:, None, None, None] * (height + 2 * reach)
    corner = _by_filter((image + winner // width) * (width + 2 * reach) + winner % width)
    side = tf.range(2 * reach + 1)
    return corner[:, None, None] + (side[:, None] * (width + 2 * reach) + side)[..., None]


def _patches(x: Any, winner: Any, reach: int) -> Any:
    """Cut out what each winner saw: (filter, y, x, winner, channel)."""
    padded = tf.pad(x, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
    return tf.gather(tf.reshape(padded, [-1, x.shape[3]]), _padded_pixels(x, winner, reach))


def _put_back(patches: Any, x: Any, winner: Any, reach: int) -> Any:
    """Add up patches where they overlap, in images of the shape of ``x``."""
    batch, height, width, channels = tf.unstack(tf.shape(x))
    shape = [batch, height + 2 * reach, width + 2 * reach, channels]
    pixels = _padded_pixels(x, winner, reach)
    sums = tf.math.unsorted_segment_sum(patches, pixels, shape[0] * shape[1] * shape[2])
    return tf.reshape(sums, shape)[:, reach : reach + height, reach : reach + width]


def _at_winners(
    patches: Any, x: Any, winner: Any, upstream: Any, kernels: Sequence[Any], biases: Sequence[Any]
) -> Any:
    """Sum over winners of their value times the gradient that came down to them."""
    *kernels, last = kernels
    pixel, reach = _by_filter(winner), _reach([*kernels, last])
    for kernel, bias in zip(kernels, biases, strict=False):
        reach -= kernel.shape[0] // 2
        # With winners as the innermost of three dimensions, rows are long and nothing is computed for padding.
        patches = tf.nn.conv3d(patches, kernel[:, :, None], [1] * 5, "VALID")
        patches = tf.nn.relu(tf.nn.bias_add(patches, bias)) * _inside(pixel, x, reach)  # outside, SAME pads with zeros
    values = tf.reduce_sum(patches @ tf.transpose(last, [3, 0, 1, 2])[..., None], [1, 2, 4]) + biases[-1][:, None]
    return tf.reduce_sum(values * _by_filter(upstream))


def _inside(pixel: Any, x: Any, reach: int) -> Any:
    """One where a pixel around a winner lies in the image, else zero: (filter, y, x, winner, 1)."""
    height, width = tf.shape(x)[1], tf.shape(x)[2]
    around = tf.range(-reach, reach + 1)[:, None]
    row, column = (pixel // width)[:, None] + around, (pixel % width)[:, None] + around
    rows, columns = (row >= 0) & (row < height), (column >= 0) & (column < width)
    return tf.cast((rows[:, :, None] & columns[:, None])[..., None], x.dtype)


def _chunks(x: Any) -> tuple[Any, Any]:
    """How many chunks a batch is cut into, and how many images each has: as many as divide the batch and are not too large."""
    batch, height, width = (tf.shape(x)[axis] for axis in range(3))
    sizes = tf.range(1, 1 + tf.maximum(1, _CHUNK_PIXELS // (height * width)))
    size = tf.reduce_max(tf.where(batch % sizes == 0, sizes, 1))
    return batch // size, size


def _chunk_of(tensors: Sequence[Any], index: Any, size: Any) -> list[Any]:
    starts = [tf.stack([index * size] + [0] * (tensor.shape.rank - 1)) for tensor in tensors]
    sizes = [tf.concat([[size], tf.shape(tensor)[1:]], 0) for tensor in tensors]
    return [
        tf.ensure_shape(tf.slice(*cut), [None, *cut[0].shape[1:]]) for cut in zip(tensors, starts, sizes, strict=True)
    ]


def _each_chunk(function: Callable[..., tuple[Any, ...]], types: Sequence[Any], *tensors: Any) -> list[Any]:
    """Apply a function to one chunk of the batch after the other, and join what it returns."""
    chunks, size = _chunks(tensors[0])
    results = tf.map_fn(
        lambda index: tuple(function(*_chunk_of(tensors, index, size))),
        tf.range(chunks),
        fn_output_signature=tuple(types),
        parallel_iterations=1,
    )
    return [tf.reshape(r, tf.concat([[chunks * size], tf.shape(r)[2:]], 0)) for r in results]


def _sum_of_chunks(function: Callable[..., list[Any]], like: Sequence[Any], *tensors: Any) -> list[Any]:
    """Add up what a function returns for each chunk of the batch."""
    chunks, size = _chunks(tensors[0])

    def add(sums: list[Any], index: Any) -> list[Any]:
        return [s + f for s, f in zip(sums, function(*_chunk_of(tensors, index, size)), strict=True)]

    start = [tf.zeros_like(tensor) for tensor in like]
    return list(tf.foldl(add, tf.range(chunks), start, parallel_iterations=1))
