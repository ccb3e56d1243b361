"""The heart of the report: the table of EC50s, and for each compound its curve beside its cells."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hcskit.reporting._data import ReportData
from hcskit.reporting._figures import Figures
from hcskit.response import EFFECTS, lead_readouts, match_truth
from hcskit.screen import field_table
from hcskit.units import convert
from hcskit.views import (
    CATEGORY_COLOURS,
    Tile,
    category_colours,
    channel_colours,
    concentration_series,
    contrast_limits,
    dose_response,
    field_rgb,
    format_concentration,
    format_ec50,
    format_interval,
    format_number,
    format_unit,
    jpeg,
    scale_bar,
)

__all__ = ["compound_cards", "ec50_rows", "potency"]

#: Width of the part of a field shown, so that single cells can be seen.
_VIEW_UM = 200.0
_VIEW_PIXELS = 320
# All images together stay within this many bytes, whatever the number of compounds.
_IMAGE_BUDGET = 5_000_000
_BYTES_A_PIXEL = 0.35
_EDGES = (96, 320)


def ec50_rows(data: ReportData) -> list[dict[str, Any]]:
    """Return the rows of the EC50 table: effects first, the most potent on top."""
    assert data.responses is not None  # noqa: S101 (the caller looked)
    colours = _readout_colours(data.responses)
    order = {name: index for index, name in enumerate(CATEGORY_COLOURS)}
    table = data.responses.assign(
        order=data.responses["category"].map(order), potency=[potency(row) for _, row in data.responses.iterrows()]
    ).sort_values(["order", "potency"], kind="stable")
    true = _true_ec50s(data)
    return [
        {
            "compound": row["compound"],
            "readout": row["readout"],
            "colour": colours[row["readout"]],
            "anchor": _anchor(data.responses, row["compound"]),
            "category": row["category"],
            "effect_seen": row["category"] in EFFECTS,
            "category_order": int(row["order"]),
            "ec50": format_ec50(row, interval=False),
            "ec50_order": row["potency"],
            "interval": _interval(row),
            "track": _track(row),
            "true": true.get((row["compound"], row["readout"]), ""),
            "hill": format_number(row["hill_slope"]) if row["category"] in EFFECTS else "–",
            "hill_order": float(np.nan_to_num(row["hill_slope"])),
            "effect": f"{format_number(row['bottom'], 2)} → {format_number(row['top'], 2)}",
            "effect_order": float(np.nan_to_num(abs(row["top"] - row["bottom"]))),
            "r2": format_number(row["r2"]),
            "r2_order": float(np.nan_to_num(row["r2"])),
            "tested": f"{format_interval(row['tested_low'], row['tested_high'])} "
            f"{format_unit(str(row['concentration_unit']))}",
            "wells": int(row["n_wells"]),
            "note": row["note"],
        }
        for _, row in table.reset_index().iterrows()
    ]


def compound_cards(data: ReportData, plates: dict[str, xr.Dataset], figures: Figures) -> list[dict[str, Any]]:
    """Return one card a compound: its curves, its readouts in words, and its cells along the concentrations."""
    responses = data.responses
    assert responses is not None  # noqa: S101 (the caller looked)
    colours = _readout_colours(responses)
    leads = lead_readouts(responses)
    strips = _strips(plates, [str(name) for name in leads.index])
    order = list(CATEGORY_COLOURS)
    true = _true_ec50s(data)
    cards = []
    for compound, lead in leads.items():
        rows = responses[responses.index.get_level_values("compound") == compound].droplevel("compound")
        cards.append(
            {
                "name": compound,
                "anchor": _anchor(responses, str(compound)),
                "moa": _mechanism(plates, str(compound)),
                "category": rows.loc[lead, "category"],
                "order": (order.index(rows.loc[lead, "category"]), potency(rows.loc[lead])),
                "ec50": format_ec50(rows.loc[lead], interval=True),
                "figure": _figure(data, str(compound), figures),
                "true": next((text for (name, _), text in true.items() if name == compound), ""),
                "readouts": [
                    {
                        "name": readout,
                        "colour": colours[str(readout)],
                        "category": row["category"],
                        "ec50": format_ec50(row) if row["category"] in EFFECTS else "no effect",
                        "note": row["note"],
                    }
                    for readout, row in _effects_first(rows).iterrows()
                ],
                "strip": strips.get(str(compound)),
            }
        )
    return sorted(cards, key=lambda card: card["order"])


def _effects_first(rows: pd.DataFrame) -> pd.DataFrame:
    seen = rows["category"].isin(EFFECTS)
    return pd.concat([rows[seen], rows[~seen]])


def _figure(data: ReportData, compound: str, figures: Figures) -> dict[str, Any] | None:
    """Return the curves of a compound; None if none of its wells has a value."""
    assert data.responses is not None  # noqa: S101 (the caller looked)
    assert data.points is not None  # noqa: S101
    assert data.curves is not None  # noqa: S101
    if not (data.points["compound"] == compound).any():
        return None
    view = dose_response(data.responses, data.points, data.curves, compound, truth=data.truth)
    label = f"Response to {compound} by concentration"
    return figures.add(view.opts(title="", show_legend=False), label, stretch=True)


def _strips(plates: dict[str, xr.Dataset], compounds: list[str]) -> dict[str, dict[str, Any]]:
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


def _mechanism(plates: dict[str, xr.Dataset], compound: str) -> str:
    for plate in plates.values():
        if "moa" in plate.coords:
            given = plate["moa"].to_series()[(plate["compound"] == compound).to_numpy()]
            known = [moa for moa in given if isinstance(moa, str) and moa]
            if known:
                return known[0]
    return ""


def _readout_colours(responses: pd.DataFrame) -> dict[str, str]:
    return category_colours([str(name) for name in responses.index.get_level_values("readout")])


def _anchor(responses: pd.DataFrame, compound: str) -> str:
    """Return an id made of a number: a compound may be called anything."""
    names = list(dict.fromkeys(responses.index.get_level_values("compound")))
    return f"compound-{names.index(compound) + 1}"


def potency(row: pd.Series[Any]) -> float:
    """Return the EC50 in mol/L (or g/L), to sort by across units; readouts without one come last."""
    if row["category"] not in EFFECTS:
        return 1e300
    unit = str(row["concentration_unit"])
    base = {"M": "M", "L": "g/L"}.get(unit[-1], unit)
    beyond = row["tested_high"] if np.isinf(row["ec50_high"]) else row["tested_low"]
    value = row["ec50"] if np.isfinite(row["ec50"]) else beyond
    return float(convert(float(value), unit, base))


def _interval(row: pd.Series[Any]) -> str:
    if row["category"] not in ("active", "partial"):
        return ""
    return format_interval(row["ec50_low"], row["ec50_high"])


def _track(row: pd.Series[Any]) -> dict[str, float] | None:
    """Return where EC50 and interval lie on the tested range, in percent of its logarithm."""
    low, high = float(row["tested_low"]), float(row["tested_high"])
    if row["category"] not in ("active", "partial") or not 0 < low < high:
        return None

    def place(value: float) -> float:
        with np.errstate(divide="ignore"):
            return float(np.clip(100 * np.log(value / low) / np.log(high / low), 0, 100))

    left, right = place(row["ec50_low"]), place(row["ec50_high"])
    return {"left": left, "width": max(right - left, 1.0), "centre": place(row["ec50"])}


def _true_ec50s(data: ReportData) -> dict[tuple[str, str], str]:
    """Return the known EC50s by compound and readout, written in the unit of the response."""
    if data.truth is None or data.responses is None:
        return {}
    matched = match_truth(data.responses, data.truth)
    return {
        (row["compound"], row["readout"]): format_concentration(row["true_ec50"], str(row["concentration_unit"]))
        for _, row in matched.iterrows()
    }
