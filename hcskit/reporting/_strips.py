"""The cells of each compound along its concentrations, as images within one budget of bytes."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hcskit.reporting._findings import Findings
from hcskit.results import PREDICTIONS, STRENGTHS
from hcskit.screen import field_table
from hcskit.views import (
    Tile,
    channel_colours,
    concentration_series,
    contrast_limits,
    field_rgb,
    format_number,
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
_COLUMNS = (4, 5, 6)


def image_strips(findings: Findings, readouts: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return the images of some compounds, all within one budget of bytes; under each what was read of its well."""
    fields = {name: field_table(plate) for name, plate in findings.plates.items() if "role" in plate.coords}
    series = {}
    for compound in readouts:
        name = _plate_of(fields, compound)
        if name is not None:
            tiles = concentration_series(findings.plates[name], compound)
            series[compound] = (name, _filled(tiles, fields[name]))
    total = sum(len(tiles) for _, tiles in series.values())
    edge = int(np.clip(np.sqrt(_IMAGE_BUDGET / (max(total, 1) * _BYTES_A_PIXEL)), *_EDGES))
    limits = {name: contrast_limits(findings.plates[name]) for name in {name for name, _ in series.values()}}
    return {
        compound: _strip(findings, name, tiles, limits[name], compound, readouts[compound], edge)
        for compound, (name, tiles) in series.items()
    }


def _filled(tiles: list[Tile], fields: pd.DataFrame) -> list[Tile]:
    """Add controls, so that the last row is full: a positive one at the end, then negative ones at the start."""
    gap = -len(tiles) % _columns(len(tiles))
    shown = {tile.well for tile in tiles}
    controls = fields[~fields["well"].isin(shown)].drop_duplicates("well")
    positive, negative = (
        [
            Tile(str(row["well"]), int(row["field"]), role.replace("_", " "), role)
            for _, row in controls[controls["role"] == role].iterrows()
        ]
        for role in ("positive_control", "negative_control")
    )
    last = positive[: min(gap, 1)]
    return [*negative[: gap - len(last)], *tiles, *last]


def _columns(number: int) -> int:
    """Return four to six images in a row, whichever leaves the fewest gaps: the strip stands beside the curve."""
    return min(_COLUMNS, key=lambda columns: -number % columns)


def _strip(
    findings: Findings,
    name: str,
    tiles: list[Tile],
    limits: dict[str, tuple[float, float]],
    compound: str,
    readout: str,
    edge: int,
) -> dict[str, Any]:
    plate = findings.plates[name]
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
                "place": _place(plate, tile),
                "read": _read(findings, name, tile.well, readout),
                "control": tile.role != "treatment",
            }
        )
    bar = None if width is None else {"length": f"{scale_bar(width):g} µm", "share": 100 * scale_bar(width) / width}
    return {
        "plate": name,
        "images": images,
        "bar": bar,
        "channels": channel_colours(list(limits)),
        "columns": _columns(len(tiles)),
    }


def _place(plate: xr.Dataset, tile: Tile) -> str:
    """Say which well, field and replicate an image shows."""
    place = f"{tile.well}, field {tile.field}"
    replicate = plate["replicate"].sel(well=tile.well).item() if "replicate" in plate.coords else ""
    return f"{place}, replicate {replicate}" if tile.role == "treatment" and str(replicate) else place


def _read(findings: Findings, plate: str, well: str, readout: str) -> str:
    """Say what was read of a well: the probability of a phenotype, and its strength."""
    told = []
    for part, column, word in ((PREDICTIONS, "probability", "probability"), (STRENGTHS, "strength", "strength")):
        table = findings.get(part)
        if table is not None and (plate, well, readout) in table.index:
            told.append(f"{word} {format_number(float(table.loc[(plate, well, readout), column]), 2)}")
    return " · ".join(told)


def _plate_of(fields: dict[str, pd.DataFrame], compound: str) -> str | None:
    """Return the plate with the most usable fields of a compound."""
    counts = {
        name: int(((table["compound"] == compound) & (table["role"] == "treatment")).sum())
        for name, table in fields.items()
    }
    best = max(counts, key=lambda name: counts[name], default=None)
    return None if best is None or counts[best] == 0 else best
