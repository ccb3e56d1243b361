"""Parts shared by the residual networks: convolution, pre-activation block, pooled head."""

from __future__ import annotations

from typing import Any

from hcskit.models import backend

__all__ = ["MOMENTUM", "activate", "block", "convolve", "pooled_head"]

#: Of batch normalisation. Keras' default of 0.99 looks back over 100 steps: more than an epoch of a small data set.
MOMENTUM = 0.95


def convolve(x: Any, filters: int, kernel: int, name: str, *, stride: int = 1) -> Any:
    """Convolve without bias (a normalisation follows), weights drawn as in He et al., ICCV 2015."""
    return backend.keras.layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)


def activate(x: Any, name: str) -> Any:
    """Normalise, then rectify."""
    layers = backend.keras.layers
    return layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x))


def block(x: Any, filters: int, name: str, *, stride: int = 1) -> Any:
    """Add two 3×3 convolutions to the input, each after its activation (He et al., ECCV 2016).

    Where the block halves the grid or widens, the shortcut averages 2×2 and mixes the channels (He et al., CVPR 2019,
    "ResNet-D"), so that no pixel is skipped.
    """
    layers = backend.keras.layers
    active = activate(x, f"{name}_1")
    past = x
    if stride > 1 or x.shape[-1] != filters:
        past = layers.AveragePooling2D(stride, padding="same", name=f"{name}_pool")(active) if stride > 1 else active
        past = convolve(past, filters, 1, f"{name}_past")
    x = convolve(active, filters, 3, f"{name}_conv1", stride=stride)
    x = convolve(activate(x, f"{name}_2"), filters, 3, f"{name}_conv2")
    return layers.Add(name=f"{name}_add")([past, x])


def pooled_head(x: Any, n_classes: int, dropout: float) -> Any:
    """Average over the grid, and give the probability of each class."""
    layers = backend.keras.layers
    x = layers.GlobalAveragePooling2D(name="pool")(activate(x, "last"))
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    # Probabilities stay in float32 where the rest is computed in lower precision.
    return layers.Dense(n_classes, activation="softmax", dtype="float32", name="phenotype")(x)
