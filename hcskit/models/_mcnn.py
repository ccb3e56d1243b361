"""The multi-scale convolutional network (M-CNN) of Godinez et al., Bioinformatics 33:2010, 2017.

The image is looked at in several scales at once: each branch max-pools it by 1, 2, 4 …, runs three 5×5 convolutions,
and max-pools the rest of the way down to one common grid, where the branches are joined. No cell is segmented.
"""

from __future__ import annotations

from typing import Any, Literal

from hcskit.errors import InputError
from hcskit.models._pooled import PooledConvolutions
from hcskit.models._residual import MOMENTUM
from hcskit.models._scales import choose_scales, scales_that_fit
from hcskit.models.backend import keras

__all__ = ["mcnn"]

layers = keras.layers

#: Filters of the published branches, finest scale first (Godinez et al. 2017).
_FILTERS = (16, 16, 16, 32, 32, 32, 64)
_KERNEL = 5
_CONVOLUTIONS = 3


def mcnn(
    input_shape: tuple[int, int, int],
    n_classes: int,
    *,
    head: Literal["flatten", "pool"] = "flatten",
    scales: int | None = None,
    features: int = 1024,
    hidden: int = 512,
    batch_norm: bool = False,
    dropout: float = 0.0,
) -> keras.Model:
    """Build an M-CNN.

    Parameters
    ----------
    input_shape : tuple of int
        Rows, columns and channels (y, x, channel) of the images.
    n_classes : int
        Number of phenotypes, two or more.
    head : {"flatten", "pool"}
        ``"flatten"`` is the published head: 1×1 convolution, max-pool 2, flatten, dense. ``"pool"`` averages over the
        grid in place of flattening, so that the number of parameters does not depend on the size of the image.
    scales : int, optional
        Number of branches; by default as many as fit, seven at most: the coarsest grid has at least 4 rows and columns.
    features : int
        Filters of the 1×1 convolution that joins the branches.
    hidden : int
        Units of the dense layer.
    batch_norm : bool
        Normalise after each convolution (not in the publication; helps with few images).
    dropout : float
        Fraction of hidden units dropped in training.

    Returns
    -------
    keras.Model
        Maps (batch, y, x, channel) to class probabilities (batch, n_classes).

    Raises
    ------
    InputError
        If the image is too small for the scales, or an argument is out of range.

    Examples
    --------
    >>> mcnn((1024, 1280, 3), 13).count_params()
    42577261
    """
    if n_classes < 2:
        raise InputError(f"an M-CNN tells at least 2 classes apart; n_classes is {n_classes}")
    if head not in ("flatten", "pool"):
        raise InputError(f"head is {head!r}; expected 'flatten' or 'pool'")
    side = min(input_shape[:2])
    room = scales_that_fit(side)
    count = choose_scales(side, scales, room, room)
    image = keras.Input(input_shape, name="image")
    # Each from the one before: a maximum of maxima is the maximum of the whole region.
    pooled = [image]
    for level in range(1, count):
        pooled.append(layers.MaxPooling2D(2, name=f"scale{2**level}_in")(pooled[-1]))
    branches = [_branch(x, level, count, batch_norm) for level, x in enumerate(pooled)]
    x = layers.Concatenate(name="scales")(branches) if count > 1 else branches[0]
    x = _convolve(x, features, 1, batch_norm, "join")
    if head == "flatten":
        x = layers.Flatten(name="flatten")(layers.MaxPooling2D(2, name="join_pool")(x))
    else:
        x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(hidden, activation="relu", name="hidden")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    # Probabilities stay in float32 where the rest is computed in lower precision.
    probability = layers.Dense(n_classes, activation="softmax", dtype="float32", name="phenotype")(x)
    return keras.Model(image, probability, name="mcnn")


def _branch(x: Any, level: int, count: int, batch_norm: bool) -> Any:
    before, after = 2**level, 2 ** (count - 1 - level)
    if not batch_norm:
        return PooledConvolutions(_FILTERS[level], _KERNEL, after, _CONVOLUTIONS, name=f"scale{before}")(x)
    # Batch normalisation takes its moments over all pixels, so that all of them get a gradient.
    for number in range(_CONVOLUTIONS):
        x = _convolve(x, _FILTERS[level], _KERNEL, batch_norm, f"scale{before}_conv{number + 1}")
    # Along rows, then columns: of a large pool TensorFlow 2.21 has a wrong gradient in bfloat16 (docs/performance.md).
    for window, along in (((1, after), "rows"), ((after, 1), "columns")) if after > 1 else ():
        x = layers.MaxPooling2D(window, name=f"scale{before}_out_{along}")(x)
    return x


def _convolve(x: Any, filters: int, kernel: int, batch_norm: bool, name: str) -> Any:
    x = layers.Conv2D(filters, kernel, padding="same", use_bias=not batch_norm, name=name)(x)
    if batch_norm:
        x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
