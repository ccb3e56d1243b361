"""For each compound its curves beside its cells."""

from __future__ import annotations

from typing import Any

import pandas as pd
import xarray as xr

from hcskit.reporting._figures import Figures
from hcskit.reporting._findings import Findings
from hcskit.reporting._strips import image_strips
from hcskit.reporting._summary import ResponseSummary
from hcskit.response import EFFECTS
from hcskit.results import CURVES, POINTS, TRUTH
from hcskit.views import CATEGORY_COLOURS, dose_response, format_ec50

__all__ = ["compounds"]


def compounds(findings: Findings, figures: Figures) -> dict[str, Any]:
    """Return one card a compound: its curves, its readouts in words, and its cells along the concentrations."""
    summary = findings.responses
    assert summary is not None  # noqa: S101 - the section needs the responses
    strips = image_strips(findings.plates, list(summary.anchors))
    order = list(CATEGORY_COLOURS)
    leads = {str(row["compound"]): row for _, row in summary.leads.iterrows()}
    cards: list[dict[str, Any]] = [
        {
            "name": name,
            "anchor": anchor,
            "moa": _mechanism(findings.plates, name),
            "category": leads[name]["category"],
            "order": (order.index(leads[name]["category"]), leads[name]["potency"]),
            "ec50": format_ec50(leads[name], interval=True),
            "figure": _figure(findings, name, figures),
            "true": next((text for (compound, _), text in summary.true.items() if compound == name), ""),
            "readouts": _readouts(summary, name),
            "strip": strips.get(name),
        }
        for name, anchor in summary.anchors.items()
    ]
    cards.sort(key=lambda card: card["order"])
    return {"cards": cards, "truth": summary.matched is not None}


def _readouts(summary: ResponseSummary, compound: str) -> list[dict[str, Any]]:
    """Return a compound's readouts in words, those with an effect first."""
    rows = summary.table.xs(compound, level="compound")
    seen = rows["category"].isin(EFFECTS)
    return [
        {
            "name": readout,
            "colour": summary.colours[str(readout)],
            "category": row["category"],
            "ec50": format_ec50(row) if row["category"] in EFFECTS else "no effect",
            "note": row["note"],
        }
        for readout, row in pd.concat([rows[seen], rows[~seen]]).iterrows()
    ]


def _figure(findings: Findings, compound: str, figures: Figures) -> dict[str, Any] | None:
    """Return the curves of a compound; None if none of its wells has a value."""
    summary, points = findings.responses, findings.get(POINTS)
    assert summary is not None  # noqa: S101
    if not (points["compound"] == compound).any():
        return None
    view = dose_response(summary.table, points, findings.get(CURVES), compound, truth=findings.get(TRUTH))
    label = f"Response to {compound} by concentration"
    return figures.add(view.opts(title="", show_legend=False), label, stretch=True)


def _mechanism(plates: dict[str, xr.Dataset], compound: str) -> str:
    for plate in plates.values():
        if "moa" in plate.coords:
            given = plate["moa"].to_series()[(plate["compound"] == compound).to_numpy()]
            known = [moa for moa in given if isinstance(moa, str) and moa]
            if known:
                return known[0]
    return ""
