"""A layer of convolutions and a max-pool that learns from the pixels that won the pool, and from no others."""

from __future__ import annotations

from typing import Any

from hcskit.errors import InputError
from hcskit.models._chunks import at_once
from hcskit.models._sparse import dense, recomputed, sparse, sparse_pays
from hcskit.models.backend import keras, tf

__all__ = ["PooledConvolutions"]

#: Activations of an image above this number (4 MB in float32) are recomputed, not kept, to save memory.
_KEPT = 2**20


@keras.saving.register_keras_serializable(package="hcskit")
class PooledConvolutions(keras.layers.Layer):  # type: ignore[misc]
    """Convolutions (SAME, with bias and ReLU), then a max-pool: the values and gradients of the plain layers.

    Where the pool is large, few pixels win and get a gradient. Then the backward pass is computed from the patches that
    those pixels saw, which is a fraction of the work, and keeps nothing of the size of the image. Where the pool is
    small and the image large, the convolutions are computed again for the backward pass, a part of the batch at a time:
    a little more work, and nothing is kept. A gradient of the images is computed by a second pass, and only in a graph
    that uses it.

    Parameters
    ----------
    filters : int
        Of each convolution.
    kernel_size : int
        Side of the kernels, in pixels; odd.
    pool : int
        Side of the max-pool, in pixels, and its stride. What is left over at the right and bottom is not used.
    convolutions : int
        How many there are.
    **kwargs
        Of every Keras layer: ``name``, ``dtype`` …

    Raises
    ------
    InputError
        If a number is below 1, or the side of the kernels is even.

    Examples
    --------
    >>> layer = PooledConvolutions(16, 5, pool=64)
    >>> layer.compute_output_shape((None, 1024, 1280, 3))
    (None, 16, 20, 16)
    """

    def __init__(self, filters: int, kernel_size: int, pool: int, convolutions: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        given = {"filters": filters, "kernel_size": kernel_size, "pool": pool, "convolutions": convolutions}
        for name, value in given.items():
            if value < 1:
                raise InputError(f"{name} of PooledConvolutions is {value}; expected 1 or more")
        if kernel_size % 2 == 0:
            raise InputError(f"kernel_size of PooledConvolutions is {kernel_size}; expected an odd number")
        self._given = given
        self.filters, self.kernel_size, self.pool, self.convolutions = filters, kernel_size, pool, convolutions

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of each convolution in turn."""
        self.kernels, self.biases = [], []
        channels = input_shape[-1]
        for number in range(1, self.convolutions + 1):
            shape = (self.kernel_size, self.kernel_size, channels, self.filters)
            # Not cast to the type of the computation: gradients are summed in the weights' own.
            self.kernels.append(self.add_weight(shape, "glorot_uniform", name=f"kernel{number}", autocast=False))
            self.biases.append(self.add_weight((self.filters,), "zeros", name=f"bias{number}", autocast=False))
            channels = self.filters
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Convolve and pool images (batch, y, x, channel)."""
        compute = self._compute(inputs.shape[1:])
        weights = ([tf.convert_to_tensor(w) for w in group] for group in (self.kernels, self.biases))
        return compute(inputs, *weights, self.pool)

    def kept(self, image_shape: tuple[int, int, int]) -> int:
        """Return how many numbers of an image (y, x, channel), besides input and output, the backward pass needs.

        Examples
        --------
        >>> layer = PooledConvolutions(16, 5, pool=64)
        >>> layer.kept((1024, 1280, 3))
        0
        """
        return self._activations(image_shape) if self._compute(image_shape) is dense else 0

    def worked_on(self, image_shape: tuple[int, int, int]) -> int:
        """Return how many numbers the passes work on at a time, besides what is kept of images (y, x, channel).

        Examples
        --------
        One image of the finest branch of the published network, and what two of its convolutions put out:

        >>> PooledConvolutions(16, 5, pool=64).worked_on((1024, 1280, 3)) == 2 * 1024 * 1280 * 16
        True
        """
        rows, columns, _ = image_shape
        compute = self._compute(image_shape)
        if compute is dense:
            return 0
        each = 2 * rows * columns * self.filters if compute is sparse else self._activations(image_shape)
        return at_once(rows, columns) * each

    def _compute(self, image_shape: Any) -> Any:
        if sparse_pays(self.kernel_size, self.convolutions, image_shape[-1], self.filters, self.pool):
            return sparse
        return recomputed if None not in image_shape and self._activations(image_shape) > _KEPT else dense

    def _activations(self, image_shape: Any) -> int:
        rows, columns, _ = image_shape
        half_pooled = rows * (columns // self.pool) * self.filters if self.pool > 1 else 0
        activations: int = self.convolutions * rows * columns * self.filters + half_pooled
        return activations

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, y // pool, x // pool, filters)."""
        batch, *size, _ = input_shape
        return (batch, *(side and side // self.pool for side in size), self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, from which the layer can be made again."""
        config: dict[str, Any] = super().get_config()
        return config | self._given
