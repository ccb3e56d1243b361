"""Whether the images and the controls can be trusted."""

from __future__ import annotations

from typing import Any

import pandas as pd
import xarray as xr

from hcskit.reporting._figures import Figures
from hcskit.reporting._findings import Findings
from hcskit.reporting._text import as_table
from hcskit.results import ILLUMINATION, IMAGE_CONTROLS, MASKS, PHENOTYPE_CONTROLS, PLATE_DRIFT, QUALITY, Table
from hcskit.views import controls_table, field_drawing, format_interval, format_number, illumination_map

__all__ = ["quality"]

#: What is told of a plain image statistic.
_PLAIN = ["plate", "readout", "SSMD", "negative controls", "positive controls"]
#: Illumination of more plates than this is that of the first: it belongs to the microscope, and a map takes its time.
_MOST_ILLUMINATED = 4
#: Of more plates than these, what is as in training is not listed: seven lines and more of each plate.
_MOST_COMPARED = 4


def quality(findings: Findings, figures: Figures) -> dict[str, Any]:
    """Return controls, excluded fields, maps of focus and saturation, and illumination; those that are there."""
    excluded = findings.excluded
    return {
        "controls": _controls(findings, PHENOTYPE_CONTROLS),
        "statistics": _controls(findings, IMAGE_CONTROLS),
        "drift": _drift(findings.get(PLATE_DRIFT)),
        "maps": _maps(findings, figures),
        "excluded": None if excluded is None else as_table(excluded.to_dict("records")),
        "masked": as_table(findings.get(MASKS).reset_index().to_dict("records")) if findings.has(MASKS) else None,
        "illumination": _illumination(findings.get(ILLUMINATION), figures),
    }


def _drift(table: pd.DataFrame | None) -> Any:
    """Return the plates beside those that the network learned from; of many plates, what is unlike them."""
    if table is None:
        return None
    table = table.reset_index()
    table["outside"] = ~table["value"].between(table["low"], table["high"])
    many = table["plate"].nunique() > _MOST_COMPARED
    rows = [
        {
            "plate": row["plate"],
            "what": f"{row['channel']} {row['quantity']}".strip(),
            "on this plate": format_number(row["value"]),
            "on a plate of the same batch": format_interval(row["low"], row["high"]),
            "": "outside" if row["outside"] else "",
        }
        for _, row in table.iterrows()
        if row["outside"] or not many
    ]
    return as_table(rows) | {"left_out": len(table) - len(rows)}


def _controls(findings: Findings, part: Table) -> dict[str, Any] | None:
    """Return how the controls separate; a plain image statistic is no assay, and is not judged as one."""
    controls = findings.get(part)
    if controls is None:
        return None
    table = controls_table(controls)
    return as_table((table if part is PHENOTYPE_CONTROLS else table[_PLAIN]).to_dict("records"))


def _maps(findings: Findings, figures: Figures) -> list[dict[str, Any]]:
    measured = findings.get(QUALITY)
    known = set() if measured is None else set(measured.index.get_level_values("plate"))
    maps = []
    for name, plate in findings.plates.items():
        if name in known:
            focus = field_drawing(measured, plate, "focus_z", label="robust z-score")
            saturation = field_drawing(measured, plate, "saturation", label="fraction of pixels")
            kind = f"{plate.attrs['plate_format']}"
            maps.append(
                {
                    "name": name,
                    "focus": figures.draw(f"focus-{kind}", focus, f"Focus of each field of {name}"),
                    "saturation": figures.draw(
                        f"saturation-{kind}", saturation, f"Saturated pixels in each field of {name}"
                    ),
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
        for plate in flat["plate"].to_numpy()[:_MOST_ILLUMINATED]
        for channel in flat["channel"].to_numpy()
    ]
