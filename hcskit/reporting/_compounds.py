"""For each compound its curves beside its cells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import xarray as xr

from hcskit.reporting._figures import Figures
from hcskit.reporting._findings import Findings
from hcskit.reporting._strips import image_strips
from hcskit.reporting._summary import ResponseSummary
from hcskit.response import EFFECTS
from hcskit.results import CURVES, NOTES, POINTS, TRUTH
from hcskit.views import CATEGORY_COLOURS, PALETTE, format_ec50, response_drawing

__all__ = ["compounds"]

#: Up to as many compounds, those without an effect are shown like the others.
_FEW = 24
_SIZE = {"width": 460, "height": 320}


def compounds(findings: Findings, figures: Figures) -> dict[str, Any]:
    """Return one card a compound: its curves, its readouts in words, and its cells along the concentrations."""
    summary = findings.responses
    assert summary is not None  # noqa: S101 - the section needs the responses
    order = list(CATEGORY_COLOURS)
    leads = {str(row["compound"]): row for _, row in summary.leads.iterrows()}
    few = len(leads) <= _FEW
    shown = [name for name in summary.anchors if few or leads[name]["category"] in EFFECTS]
    strips = image_strips(findings, {name: str(leads[name]["readout"]) for name in shown})
    mechanisms, notes = _mechanisms(findings.plates), findings.get(NOTES)
    cards: list[dict[str, Any]] = [
        {
            "name": name,
            "anchor": anchor,
            "moa": mechanisms.get(name, ""),
            "noted": "" if notes is None or name not in notes.index else _noted(notes.loc[name]),
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
    folded = [] if few else [card for card in cards if card["name"] not in strips and card["ec50"] == "–"]
    names = {card["name"] for card in folded}
    for card in cards:
        card["folded"] = card["name"] in names
    return {
        "cards": [card for card in cards if card["name"] not in names],
        "folded": folded,
        "truth": summary.matched is not None,
    }


def _noted(row: pd.Series[Any]) -> str:
    """Write what was noted of a compound, by whom and when."""
    told = ": ".join(filter(None, ("flagged" if row["flag"] else "", row["note"])))
    return f"{told} ({row['who']}, {row['when'][:10]})"


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
    colours = {
        (compound, name): place % len(PALETTE)
        for place, name in enumerate(summary.colours)
        if (compound, name) in summary.table.index
    }
    own = points[(points["compound"] == compound) | (points["role"] != "treatment")]
    drawing = response_drawing(
        summary.table, own, findings.get(CURVES), colours, truth=findings.get(TRUTH), networks=False
    )
    label = f"Response to {compound} by concentration: {drawing.ylabel}"
    return figures.draw("curves", replace(drawing, options={**drawing.options, **_SIZE}), label, stretch=True)


def _mechanisms(plates: dict[str, xr.Dataset]) -> dict[str, str]:
    """Return the mechanism of each compound, as the plate maps have it."""
    found: dict[str, str] = {}
    for plate in plates.values():
        if {"moa", "compound"} <= set(plate.coords):
            pairs = zip(plate["compound"].to_numpy(), plate["moa"].to_numpy(), strict=True)
            found = {str(name): moa for name, moa in pairs if isinstance(moa, str) and moa} | found
    return found
