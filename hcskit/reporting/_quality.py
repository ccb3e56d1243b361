"""Whether the images and the controls can be trusted."""

from __future__ import annotations

from typing import Any

import pandas as pd
import xarray as xr

from hcskit.reporting._figures import Figures
from hcskit.reporting._findings import Findings
from hcskit.reporting._text import as_table
from hcskit.results import ILLUMINATION, MASKS, PLATE_DRIFT, QUALITY
from hcskit.views import controls_table, field_heatmap, format_interval, format_number, illumination_map

__all__ = ["quality"]


def quality(findings: Findings, figures: Figures) -> dict[str, Any]:
    """Return controls, excluded fields, maps of focus and saturation, and illumination; those that are there."""
    controls, excluded = findings.controls, findings.excluded
    return {
        "controls": None if controls is None else as_table(controls_table(controls).to_dict("records")),
        "drift": _drift(findings.get(PLATE_DRIFT)),
        "maps": _maps(findings, figures),
        "excluded": None if excluded is None else as_table(excluded.to_dict("records")),
        "masked": as_table(findings.get(MASKS).reset_index().to_dict("records")) if findings.has(MASKS) else None,
        "illumination": _illumination(findings.get(ILLUMINATION), figures),
    }


def _drift(table: pd.DataFrame | None) -> Any:
    """Return the plates beside those that the network learned from."""
    if table is None:
        return None
    rows = [
        {
            "plate": row["plate"],
            "what": f"{row['channel']} {row['quantity']}".strip(),
            "on this plate": format_number(row["value"]),
            "on a plate of the same batch": format_interval(row["low"], row["high"]),
            "": "" if row["low"] <= row["value"] <= row["high"] else "outside",
        }
        for _, row in table.reset_index().iterrows()
    ]
    return as_table(rows)


def _maps(findings: Findings, figures: Figures) -> list[dict[str, Any]]:
    measured = findings.get(QUALITY)
    known = set() if measured is None else set(measured.index.get_level_values("plate"))
    maps = []
    for name, plate in findings.plates.items():
        if name in known:
            focus = field_heatmap(measured, plate, "focus_z", label="robust z-score")
            saturation = field_heatmap(measured, plate, "saturation", label="fraction of pixels")
            maps.append(
                {
                    "name": name,
                    "focus": figures.add(focus, f"Focus of each field of {name}"),
                    "saturation": figures.add(saturation, f"Saturated pixels in each field of {name}"),
                }
            )
    return maps


def _illumination(illumination: xr.Dataset | None, figures: Figures) -> list[dict[str, Any]]:
    if illumination is None:
        return []
    flat = illumination["flat"]
    limits = (float(flat.min()), float(flat.max()))
    return [
        {
            "name": f"{plate} · {channel}",
            "figure": figures.add(
                illumination_map(illumination, plate, channel, limits=limits).opts(title=""),
                f"Illumination of {channel} on {plate}",
            ),
        }
        for plate in flat["plate"].to_numpy()
        for channel in flat["channel"].to_numpy()
    ]
