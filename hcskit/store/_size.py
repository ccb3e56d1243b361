"""How much room plates will take, before they are written."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from hcskit.store._layout import pyramid_depth
from hcskit.store._shard import compressed_size

__all__ = ["stored_bytes"]

_SAMPLED = 4  # images of a plate that are read and compressed


def stored_bytes(plates: Iterable[xr.Dataset]) -> int:
    """Estimate the bytes that plates take in a screen, from how far some of their images can be compressed.

    Parameters
    ----------
    plates : iterable of xarray.Dataset
        As `hcskit.screen.make_plate` makes them; normally lazy. A few images of each are read.

    Raises
    ------
    ReaderError
        If such an image cannot be read.
    """
    return sum(_bytes_of(plate) for plate in plates)


def _bytes_of(plate: xr.Dataset) -> int:
    image = plate["image"].variable
    axes = image.dims[:-2]
    places = np.argwhere(plate["present"].transpose(*axes).to_numpy())
    if not len(places):
        return 0
    some = places[np.linspace(0, len(places) - 1, min(_SAMPLED, len(places))).astype(int)]
    sizes = [compressed_size(image.isel(dict(zip(axes, place, strict=True))).to_numpy()) for place in some]
    # Each level of the pyramid has a quarter of the pixels of the one before.
    levels = sum(4.0**-level for level in range(pyramid_depth((image.shape[-2], image.shape[-1]))))
    return round(float(np.mean(sizes)) * len(places) * levels)
