"""A small residual network (He et al., CVPR and ECCV 2016), for crops of single cells."""

from __future__ import annotations

from hcskit.errors import InputError
from hcskit.models import backend
from hcskit.models._residual import block, convolve, pooled_head

__all__ = ["resnet"]

# Blocks of each stage; the first stage, at half the resolution, costs most and has one.
_BLOCKS = (1, 2, 2)
_SMALLEST = 8


def resnet(
    input_shape: tuple[int | None, int | None, int],
    n_classes: int,
    *,
    features: int = 24,
    dropout: float = 0.2,
) -> backend.keras.Model:
    """Build a residual network of three stages, on a half, a quarter and an eighth of the resolution.

    A 5×5 convolution with stride 2; one block of `features` filters, two of twice and two of four times as many, each
    stage after the first on half the grid; the average over the grid; one dense layer. Blocks are pre-activated
    (He et al., ECCV 2016).

    Parameters
    ----------
    input_shape : tuple of int or None
        Rows, columns and channels (y, x, channel) of the images; None where rows or columns are left open.
    n_classes : int
        Number of phenotypes, two or more.
    features : int
        Filters of the first stage.
    dropout : float
        Fraction of the pooled features dropped in training.

    Returns
    -------
    keras.Model
        Maps (batch, y, x, channel) to class probabilities (batch, n_classes).

    Raises
    ------
    InputError
        If there are fewer than two classes, or an image is smaller than 8 pixels.

    Examples
    --------
    >>> resnet((64, 64, 1), 15).count_params()
    383655
    """
    if n_classes < 2:
        raise InputError(f"a network tells at least 2 classes apart; n_classes is {n_classes}")
    smallest = min((side for side in input_shape[:2] if side is not None), default=_SMALLEST)
    if smallest < _SMALLEST:
        raise InputError(
            f"an image {smallest} pixels wide or high leaves a residual network nothing after three halvings; "
            f"it needs {_SMALLEST} pixels"
        )
    image = backend.keras.Input(input_shape, name="image")
    x = convolve(image, features, 5, "stem", stride=2)
    for stage, blocks in enumerate(_BLOCKS, start=1):
        for number in range(1, blocks + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            x = block(x, features * 2 ** (stage - 1), f"stage{stage}_block{number}", stride=stride)
    return backend.keras.Model(image, pooled_head(x, n_classes, dropout), name="resnet")
