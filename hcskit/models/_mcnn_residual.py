"""A multi-scale network with residual branches: the published M-CNN adapted to few images.

As in the published network (Godinez et al., Bioinformatics 33:2010, 2017) parallel branches look at the image
max-pooled by 1, 2, 4 …, end on one common grid, and are joined there by a 1×1 convolution; no cell is segmented.
Four things differ. Each branch starts with a 5×5 convolution of stride 2, then residual blocks, so that the
finest scale, which costs most, is never held at full resolution. A branch reaches the grid step by step, learning
between the steps, and not by one max-pool at its end. Residual blocks follow the join, so that the network learns
from all scales together. The head averages over the grid.
"""

from __future__ import annotations

from typing import Any

from hcskit.errors import InputError
from hcskit.models import backend
from hcskit.models._residual import activate, block, convolve, pooled_head
from hcskit.models._scales import choose_scales, residual_scales, scales_that_fit

__all__ = ["mcnn_residual"]

# Filters of a branch's two blocks, in units of those of its first convolution.
_WIDENING = (2, 3)


def mcnn_residual(
    input_shape: tuple[int, int, int],
    n_classes: int,
    *,
    scales: int | None = None,
    features: int = 16,
    join: int = 96,
    blocks: int = 2,
    dropout: float = 0.2,
) -> backend.keras.Model:
    """Build an M-CNN of residual branches.

    Parameters
    ----------
    input_shape : tuple of int
        Rows, columns and channels (y, x, channel) of the images.
    n_classes : int
        Number of phenotypes, two or more.
    scales : int, optional
        Number of branches; by default as many as leave a common grid of at least 8 rows and columns, seven at most.
    features : int
        Filters of each branch's first convolution; its two blocks have two and three times as many.
    join : int
        Filters of the 1×1 convolution that joins the branches, and of the blocks after it.
    blocks : int
        Residual blocks after the join.
    dropout : float
        Fraction of the pooled features dropped in training.

    Returns
    -------
    keras.Model
        Maps (batch, y, x, channel) to class probabilities (batch, n_classes).

    Raises
    ------
    InputError
        If there are fewer than two classes, or the image is too small for the scales.

    Examples
    --------
    >>> model = mcnn_residual((64, 64, 1), 15)
    >>> model.get_layer("scales").output.shape
    (None, 8, 8, 144)
    """
    if n_classes < 2:
        raise InputError(f"an M-CNN tells at least 2 classes apart; n_classes is {n_classes}")
    side = min(input_shape[:2])
    # The coarsest branch halves once more than the published one.
    count = choose_scales(side, scales, residual_scales(side), scales_that_fit(side // 2))
    image = backend.keras.Input(input_shape, name="image")
    branches = [_branch(image, level, count, features) for level in range(count)]
    x = backend.keras.layers.Concatenate(name="scales")(branches) if count > 1 else branches[0]
    x = convolve(activate(x, "scales"), join, 1, "join")
    for number in range(1, blocks + 1):
        x = block(x, join, f"join_block{number}")
    return backend.keras.Model(image, pooled_head(x, n_classes, dropout), name="mcnn_residual")


def _branch(image: Any, level: int, count: int, features: int) -> Any:
    pool, scale, halvings = backend.keras.layers.MaxPooling2D, 2**level, count - 1 - level
    name = f"scale{scale}"
    x = pool(scale, padding="same", name=f"{name}_in")(image) if level else image
    x = convolve(x, features, 5, f"{name}_conv", stride=2)
    for number, widening in enumerate(_WIDENING, start=1):
        x = block(x, features * widening, f"{name}_block{number}", stride=2 if number <= halvings else 1)
    rest = 2 ** max(0, halvings - len(_WIDENING))
    return pool(rest, padding="same", name=f"{name}_out")(x) if rest > 1 else x
