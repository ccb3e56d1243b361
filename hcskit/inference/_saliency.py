"""Which parts of an image speak for a phenotype: the strength, told for each place that it is an average over."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hcskit.data import tile_corners
from hcskit.errors import InputError
from hcskit.models import backend
from hcskit.training import ModelCard

__all__ = ["join_maps", "saliency_network"]

_RIDGE = 0.05  # as of the strength


def saliency_network(model: Any, card: ModelCard) -> Any:
    """Return a `keras.Model` of what each place of an image adds to the strength of each phenotype.

    The strength is linear in the features, and these are averages over a grid: for a place with the features ``a`` the
    strength adds up from ``(a - n) · r``, with the mean ``n`` of the negative controls and the reader ``r`` of the
    phenotype (docs/readouts.md). It is a class activation map (Zhou et al., arXiv:1512.04150, 2016) of the strength,
    and exact: the mean over the grid is the strength between the controls that were learned from, read along the line
    between them (`positions` without the unevenness of the wells).

    Parameters
    ----------
    model : keras.Model
        As `hcskit.training.TrainedModel.network` has it. Of an ensemble, the mean over its networks; where it averages
        over flips and turns, the image as it is.
    card : ModelCard
        Its card.

    Returns
    -------
    keras.Model
        Maps images (batch, y, x, channel) to (batch, row, column, phenotype), dimensionless; the phenotypes are those
        of ``card.untreated.phenotypes``, in order.

    Raises
    ------
    InputError
        If the card does not say what the controls look like, or the network has no average over a grid.
    """
    if card.untreated is None:
        raise InputError("the model's card does not say what its controls look like; train it again, with a vehicle")
    keras, ops = backend.keras, backend.keras.ops
    networks = [layer for layer in model.layers if isinstance(layer, keras.Model)] or [model]
    begin, *ends = card.untreated.ends(len(networks))
    image = keras.Input(model.inputs[0].shape[1:], name="image")
    maps = []
    for network, own, lines in zip(networks, begin, np.moveaxis(np.array(ends) - begin, 1, 0), strict=True):
        pools = [layer for layer in network.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)]
        if not pools:
            raise InputError(f"the network {network.name} has no average over a grid; use one with a pooled head")
        grid = keras.Model(network.inputs[0], pools[-1].input)(image)
        maps.append(ops.matmul(ops.cast(grid, "float32") - own.astype(np.float32), _readers(lines).T))
    return keras.Model(image, ops.mean(ops.stack(maps), axis=0))


def join_maps(maps: npt.NDArray[Any], crop: tuple[int, int], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Lay the maps (crop, row, column, …) of an image's crops side by side, at the size that they stand for: (y, x, …).

    Where crops overlap, their mean.
    """
    total = np.zeros((*shape, *maps.shape[3:]), np.float32)
    count = np.zeros((*shape, *(1 for _ in maps.shape[3:])), np.float32)
    rows, columns = (np.arange(edge) * size // edge for edge, size in zip(crop, maps.shape[1:3], strict=True))
    for (y, x), own in zip(tile_corners(shape, crop), maps, strict=True):
        total[y : y + crop[0], x : x + crop[1]] += own[np.ix_(rows, columns)]
        count[y : y + crop[0], x : x + crop[1]] += 1
    return np.asarray(total / count, np.float32)


def _readers(lines: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return what features are multiplied by to read each phenotype (phenotype, feature); see `positions`."""
    gram = lines @ lines.T
    ridge = _RIDGE * np.trace(gram) / len(lines)
    readers = np.linalg.solve(gram + ridge * np.eye(len(lines)), lines)
    return np.asarray(readers / (lines * readers).sum(axis=1, keepdims=True), np.float32)
