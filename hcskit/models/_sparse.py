"""Convolutions and a max-pool, with an exact gradient that keeps nothing as large as the image.

Only the pixel that won a pool gets a gradient, and that pixel saw a small patch of the image. So the backward pass
takes these patches, convolves them again, and differentiates that. A winner belongs to one filter, so of the last
convolution one filter is enough. Where winners are many, everything is computed again, a part of the batch at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hcskit.models._chunks import each_chunk, sum_of_chunks
from hcskit.models.backend import tf

__all__ = ["dense", "recomputed", "sparse", "sparse_pays"]

# Widest stretch of a row in which the winner is searched for pixel by pixel.
_STRETCH = 8
#: How much longer a multiply-add takes in the patches, which are gathered and masked as well (docs/performance.md).
_PATCH_COST = 2


def sparse_pays(kernel: int, convolutions: int, channels: int, filters: int, pool: int) -> bool:
    """Whether the gradient is cheaper at the winners than everywhere, for weights that learn and images that do not.

    Multiply-adds, with :math:`k` the kernel's side, :math:`n` convolutions, :math:`c` channels and :math:`f` filters:

    - everywhere, a pixel: each convolution costs as much for its weights' gradient as forward, and once more for its
      input's gradient, but for the first: :math:`k^2 c f + 2 (n - 1) k^2 f^2`.
    - a winner: convolution :math:`i` is wanted at :math:`s_i^2` pixels, :math:`s_i = 1 + (n - i)(k - 1)`. It is
      computed again, and differentiated as above: :math:`3 k^2 s_i^2 f^2`, of the first :math:`2 k^2 s_1^2 c f`. The
      last one has one filter and one pixel, :math:`3 k^2 f`.
    - a pixel has :math:`f / p^2` winners, with :math:`p` the pool's side.

    Examples
    --------
    The three finest branches of the published network: 26,800 multiply-adds a pixel against 676,000 a winner.

    >>> [sparse_pays(5, 3, 3, 16, pool) for pool in (64, 32, 16)]
    [True, True, False]

    A pool of one is won by every pixel.

    >>> sparse_pays(5, 3, 3, 64, 1)
    False
    """
    costs = [kernel**2 * inputs * filters for inputs in [channels] + [filters] * (convolutions - 1)]
    everywhere = 2 * sum(costs) - costs[0]
    costs[-1] //= filters
    sides = [1 + (convolutions - number) * (kernel - 1) for number in range(1, convolutions + 1)]
    winner = sum(3 * side**2 * cost for side, cost in zip(sides, costs, strict=True)) - sides[0] ** 2 * costs[0]
    return _PATCH_COST * winner * filters / pool**2 < everywhere


def dense(x: Any, kernels: Sequence[Any], biases: Sequence[Any], pool: int) -> Any:
    """Convolve (SAME, bias, ReLU) and pool, with the framework's own gradient."""
    x = _convolutions(x, [tf.cast(kernel, x.dtype) for kernel in kernels], [tf.cast(bias, x.dtype) for bias in biases])
    # Along rows, then columns: the same winners, and in bfloat16 TensorFlow 2.21 compiles a wrong gradient for pools of
    # 256 pixels or more (docs/performance.md).
    for window in ([1, pool], [pool, 1]) if pool > 1 else ():
        x = tf.nn.max_pool2d(x, window, window, "VALID")
    return x


def sparse(x: Any, kernels: Sequence[Any], biases: Sequence[Any], pool: int) -> Any:
    """Return what :func:`dense` returns, with the same gradient, computed at the winners of the pool.

    Parameters
    ----------
    x : tensor
        Images (batch, y, x, channel).
    kernels, biases : sequence of tensor
        Of each convolution; kernels (k, k, channel, filter) of odd k. They may be of a wider type than the images: the
        convolutions use the images' type, and gradients are summed over the batch, and returned, in the weights' own.
    pool : int
        Side of the max-pool, and its stride.

    Returns
    -------
    tensor
        (batch, y // pool, x // pool, filter)
    """
    reach = _reach(kernels)

    def forward(x: Any, kernels: Sequence[Any], biases: Sequence[Any]) -> Any:
        return _pool(_convolutions(x, kernels, biases), pool)

    def total(x: Any, winner: Any, upstream: Any, kernels: Sequence[Any], biases: Sequence[Any]) -> Any:
        return _at_winners(_patches(x, winner, reach), x, winner, upstream, kernels, biases)

    return _by_chunks(forward, [tf.int32], total, x, kernels, biases)


def recomputed(x: Any, kernels: Sequence[Any], biases: Sequence[Any], pool: int) -> Any:
    """Return what :func:`dense` returns, with the same gradient, for which it is computed again: nothing is kept."""

    def forward(x: Any, kernels: Sequence[Any], biases: Sequence[Any]) -> Any:
        return (dense(x, kernels, biases, pool),)

    def total(x: Any, upstream: Any, kernels: Sequence[Any], biases: Sequence[Any]) -> Any:
        return tf.reduce_sum(dense(x, kernels, biases, pool) * upstream)

    return _by_chunks(forward, [], total, x, kernels, biases)


def _by_chunks(
    forward: Callable[..., Any],
    types: Sequence[Any],
    total: Callable[..., Any],
    x: Any,
    kernels: Sequence[Any],
    biases: Sequence[Any],
) -> Any:
    """Compute pooled images, and their gradient, one chunk of the batch after the other.

    Parameters
    ----------
    forward : callable
        From images, kernels and biases to the pooled images, and what else the gradient needs, of these ``types``.
    total : callable
        From images, that, the gradient that came down, kernels and biases to a number: the sum of the pooled images
        times the gradient that came down, the gradient of which is the one that is wanted.
    """
    count = len(kernels)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def pooled(x: Any, *weights: Any) -> tuple[Any, Callable[..., Any]]:
        cast = [tf.cast(weight, x.dtype) for weight in weights]
        y, *kept = each_chunk(lambda x: forward(x, cast[:count], cast[count:]), [x.dtype, *types], x)

        def derive(chunk: Sequence[Any], of: Sequence[Any]) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(of)
                value = total(*chunk, cast[:count], cast[count:])
            return tape.gradient(value, of)

        def gradient(upstream: Any) -> Any:
            chunks = x, *kept, tf.where(y > 0, upstream, tf.zeros_like(upstream))  # a ReLU passes nothing on at zero
            # In a separate loop, which a graph omits if nothing before the images learns.
            (images,) = each_chunk(lambda *chunk: derive(chunk, chunk[:1]), [x.dtype], *chunks)
            return images, *sum_of_chunks(lambda *chunk: derive(chunk, cast), weights, *chunks)

        return y, gradient

    return pooled(x, *kernels, *biases)


def _reach(kernels: Sequence[Any]) -> int:
    """How far to each side a pixel sees through the convolutions."""
    return sum(int(kernel.shape[0]) // 2 for kernel in kernels)


def _convolutions(x: Any, kernels: Sequence[Any], biases: Sequence[Any]) -> Any:
    for kernel, bias in zip(kernels, biases, strict=True):
        x = tf.nn.relu(_add_bias(tf.nn.conv2d(x, kernel, 1, "SAME"), bias))
    return x


def _pool(x: Any, pool: int) -> tuple[Any, Any]:
    """Max-pool, and the position of each maximum in its image: row · width + column, the first if there are several.

    First the maximum of each row of a pool gives the winning row; then only that row is searched.
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
    """Return the indices of the patches (filter, y, x, winner) in their images, padded and flattened."""
    batch, height, width = (tf.shape(x)[axis] for axis in range(3))
    image = tf.range(batch)[:, None, None, None] * (height + 2 * reach)
    corner = _by_filter((image + winner // width) * (width + 2 * reach) + winner % width)
    side = tf.range(2 * reach + 1)
    return corner[:, None, None] + (side[:, None] * (width + 2 * reach) + side)[..., None]


def _patches(x: Any, winner: Any, reach: int) -> Any:
    """Cut out what each winner saw: (filter, y, x, winner, channel)."""
    padded = tf.pad(x, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
    return tf.gather(tf.reshape(padded, [-1, x.shape[3]]), _padded_pixels(x, winner, reach))


def _at_winners(patches: Any, x: Any, winner: Any, upstream: Any, kernels: Sequence[Any], biases: Sequence[Any]) -> Any:
    """Sum over winners of their value times the gradient that came down to them."""
    *kernels, last = kernels
    pixel, reach = _by_filter(winner), _reach([*kernels, last])
    for kernel, bias in zip(kernels, biases, strict=False):
        reach -= kernel.shape[0] // 2
        # With winners as the innermost of three dimensions, rows are long and nothing is computed for padding.
        patches = tf.nn.conv3d(patches, kernel[:, :, None], [1] * 5, "VALID")
        # Outside, SAME pads with zeros; before the ReLU, so that the gradient needs only its output.
        patches = tf.nn.relu(_add_bias(patches, bias) * _inside(pixel, x, reach))
    values = tf.reduce_sum(patches @ tf.transpose(last, [3, 0, 1, 2])[..., None], [1, 2, 4])
    upstream = _by_filter(upstream)
    of_bias = tf.linalg.matvec(upstream, tf.ones_like(upstream[0]))
    return tf.reduce_sum(values * upstream) + tf.reduce_sum(biases[-1] * of_bias)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _add_bias(x: Any, bias: Any) -> tuple[Any, Callable[..., Any]]:
    """Add a bias, the gradient of which is a matrix product: in 16 bits these are summed in 32, other sums are not."""

    def gradient(upstream: Any) -> tuple[Any, Any]:
        rows = tf.reshape(upstream, [-1, x.shape[-1]])
        return upstream, tf.linalg.matvec(rows, tf.ones_like(rows[:, 0]), transpose_a=True)

    return tf.nn.bias_add(x, bias), gradient


def _inside(pixel: Any, x: Any, reach: int) -> Any:
    """One where a pixel around a winner lies in the image, else zero: (filter, y, x, winner, 1)."""
    height, width = tf.shape(x)[1], tf.shape(x)[2]
    around = tf.range(-reach, reach + 1)[:, None]
    row, column = (pixel // width)[:, None] + around, (pixel % width)[:, None] + around
    rows, columns = (row >= 0) & (row < height), (column >= 0) & (column < width)
    return tf.cast((rows[:, :, None] & columns[:, None])[..., None], x.dtype)
