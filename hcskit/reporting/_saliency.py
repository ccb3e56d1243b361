"""What the network looks at: some fields, and which of their parts speak for each phenotype."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from PIL import Image

from hcskit.reporting._figures import Figures
from hcskit.reporting._findings import Findings
from hcskit.results import SALIENCY_MAPS
from hcskit.views import contrast_limits, field_rgb, format_number, jpeg, overlay_saliency

__all__ = ["looks"]

_EDGE = 320


def looks(findings: Findings, _: Figures) -> list[dict[str, Any]]:
    """Return, for each phenotype, its fields as they are and with what speaks for it."""
    table = findings.get(SALIENCY_MAPS)
    shown = []
    for phenotype, rows in table.groupby("phenotype", sort=False):
        limit = float(np.nanquantile(rows["strength"].abs(), 0.99))
        fields = rows.groupby(["plate", "well", "field"], sort=False)
        images = [
            _pair(findings.plates[str(plate)], str(well), int(field), own, limit)
            for (plate, well, field), own in fields
            if str(plate) in findings.plates
        ]
        shown.append({"name": phenotype, "images": images})
    return shown


def _pair(plate: xr.Dataset, well: str, field: int, rows: pd.DataFrame, limit: float) -> dict[str, Any]:
    values = rows.set_index(["row", "column"])["strength"].to_xarray().to_numpy()
    limits = contrast_limits(plate)
    saliency = xr.DataArray(values, {"well": well, "field": field}, ("y", "x"))
    plain = field_rgb(plate, well, field, limits, edge=_EDGE)
    drawn = Image.fromarray(overlay_saliency(plate, saliency, limit=limit, limits=limits))
    over = np.asarray(drawn.resize(plain.shape[1::-1], Image.Resampling.LANCZOS))
    told = plate.sel(well=well)
    what = " ".join(str(told[name].item()) for name in ("compound", "role") if name in told.coords).strip()
    return {
        "label": what.replace("_", " "),
        "well": well,
        "strength": format_number(float(values.mean())),
        "pixels": [f"data:image/jpeg;base64,{base64.b64encode(jpeg(one)).decode()}" for one in (plain, over)],
    }
