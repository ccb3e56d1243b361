"""The cells of each compound along its concentrations, as images within one budget of bytes."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import xarray as xr

from hcskit.screen import field_table
from hcskit.views import (
    Tile,
    channel_colours,
    concentration_series,
    contrast_limits,
    field_rgb,
    jpeg,
    scale_bar,
)

__all__ = ["image_strips"]

#: Width of the part of a field shown, so that single cells can be seen.
_VIEW_UM = 200.0
_VIEW_PIXELS = 320
# All images together stay within this many bytes, whatever the number of compounds.
_IMAGE_BUDGET = 5_000_000
_BYTES_A_PIXEL = 0.35
_EDGES = (96, 320)


def image_strips(plates: dict[str, xr.Dataset], compounds: list[str]) -> dict[str, dict[str, Any]]:
    """Return the images of each compound, all within one budget of bytes."""
    series = {}
    for compound in compounds:
        plate = _plate_of(plates, compound)
        if plate is not None:
            series[compound] = (plate, concentration_series(plate, compound))
    total = sum(len(tiles) for _, tiles in series.values())
    edge = int(np.clip(np.sqrt(_IMAGE_BUDGET / (max(total, 1) * _BYTES_A_PIXEL)), *_EDGES))
    limits = {id(plate): contrast_limits(plate) for plate, _ in series.values()}
    return {
        compound: _strip(plate, tiles, limits[id(plate)], compound, edge) for compound, (plate, tiles) in series.items()
    }


def _strip(
    plate: xr.Dataset, tiles: list[Tile], limits: dict[str, tuple[float, float]], compound: str, edge: int
) -> dict[str, Any]:
    micrometre = plate.attrs.get("pixel_size_um")
    wanted = _VIEW_PIXELS if micrometre is None else round(_VIEW_UM / micrometre)
    crop = min(wanted, plate.sizes["y"], plate.sizes["x"])
    width = None if micrometre is None else crop * micrometre
    images = []
    for tile in tiles:
        pixels = field_rgb(plate, tile.well, tile.field, limits, crop=crop, edge=edge)
        what = f"{compound} {tile.label}" if tile.role == "treatment" else tile.label
        images.append(
            {
                "source": f"data:image/jpeg;base64,{base64.b64encode(jpeg(pixels)).decode()}",
                "alt": f"Cells with {what}: well {tile.well}, field {tile.field}",
                "label": tile.label,
                "well": tile.well,
                "field": tile.field,
                "control": tile.role != "treatment",
            }
        )
    # The strip stands beside the curve: four to six in a row, whichever leaves the fewest gaps.
    columns = min((4, 5, 6), key=lambda number: -len(tiles) % number)
    bar = None if width is None else {"length": f"{scale_bar(width):g} µm", "share": 100 * scale_bar(width) / width}
    colours = channel_colours(list(limits))
    return {"plate": plate.attrs["plate"], "images": images, "bar": bar, "channels": colours, "columns": columns}


def _plate_of(plates: dict[str, xr.Dataset], compound: str) -> xr.Dataset | None:
    """Return the plate with the most usable fields of a compound."""
    counts = {}
    for name, plate in plates.items():
        if "role" in plate.coords and (plate["compound"] == compound).any():
            fields = field_table(plate)
            counts[name] = int(((fields["compound"] == compound) & (fields["role"] == "treatment")).sum())
    best = max(counts, key=lambda name: counts[name], default=None)
    return None if best is None or counts[best] == 0 else plates[best]
