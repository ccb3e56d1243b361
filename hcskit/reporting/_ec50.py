"""The table of effective concentrations, and the recovered beside the true ones."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd

from hcskit.reporting._figures import Figures
from hcskit.reporting._findings import Findings
from hcskit.reporting._summary import ResponseSummary, misses_truth
from hcskit.reporting._text import as_table
from hcskit.response import EFFECTS
from hcskit.results import HITS, RESPONSES, TRUTH
from hcskit.spreadsheet import to_csv
from hcskit.views import CATEGORY_COLOURS, format_ec50, format_interval, format_number, format_range, parity

__all__ = ["ec50"]

#: A table of more rows than this opens with only the readouts that show an effect.
_LONG_TABLE = 24
#: What is shown of the hits; of a run without that table, nothing.
_NO_SCORE = {"hit": False, "hit_score": np.nan, "q_value": np.nan}


def ec50(findings: Findings, figures: Figures) -> dict[str, Any]:
    """Return the rows of the table, the table as CSV, and what compares it with the truth."""
    summary = findings.responses
    assert summary is not None  # noqa: S101 - the section needs the responses
    hits = findings.get(HITS)
    rows = _rows(summary, hits)
    csv = base64.b64encode(str(to_csv(findings.get(RESPONSES))).encode()).decode()
    return {
        "rows": rows,
        "effects": sum(row["category"] in EFFECTS for row in rows),
        "long": len(rows) > _LONG_TABLE,
        "rate": None if hits is None else f"{100 * hits['false_positive_rate'].iloc[0]:.3g}",
        "csv": csv,
        "parity": _parity(summary, findings.get(TRUTH), figures),
    }


def _rows(summary: ResponseSummary, hits: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Return the rows of the table: effects first, the most potent on top."""
    order = {name: index for index, name in enumerate(CATEGORY_COLOURS)}
    table = summary.table.assign(order=summary.table["category"].map(order))
    table = table.assign(**_NO_SCORE) if hits is None else table.join(hits[list(_NO_SCORE)])
    table = table.sort_values(["order", "potency"], kind="stable").reset_index()
    return [
        {
            "compound": row["compound"],
            "readout": row["readout"],
            "colour": summary.colours[row["readout"]],
            "anchor": summary.anchors[row["compound"]],
            "category": row["category"],
            "effect_seen": row["category"] in EFFECTS,
            "category_order": int(row["order"]),
            "ec50": format_ec50(row, interval=False),
            "ec50_order": row["potency"],
            "interval": _interval(row),
            "track": _track(row),
            "true": summary.true.get((row["compound"], row["readout"]), ""),
            "hill": format_number(row["hill_slope"]) if row["category"] in EFFECTS else "–",
            "hill_order": float(np.nan_to_num(row["hill_slope"])),
            "effect": f"{format_number(row['bottom'], 2)} → {format_number(row['top'], 2)}",
            "effect_order": float(np.nan_to_num(abs(row["top"] - row["bottom"]))),
            "r2": format_number(row["r2"]),
            "r2_order": float(np.nan_to_num(row["r2"])),
            "hit": bool(row["hit"] == 1),
            "score": format_number(row["hit_score"], 2),
            "score_order": float(np.nan_to_num(row["hit_score"])),
            "q": format_number(row["q_value"], 2),
            "tested": format_range(row["tested_low"], row["tested_high"], str(row["concentration_unit"])),
            "wells": int(row["n_wells"]),
            "note": row["note"],
        }
        for _, row in table.iterrows()
    ]


def _interval(row: pd.Series[Any]) -> str:
    if row["category"] not in ("active", "partial"):
        return ""
    return format_ec50(row).partition("(")[2].rstrip(")")


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


def _slope(row: pd.Series[Any]) -> str:
    if not np.isfinite(row["hill_slope"]):
        return "–"
    return f"{format_number(row['hill_slope'])} ({format_interval(row['hill_slope_low'], row['hill_slope_high'])})"


def _holds(row: pd.Series[Any]) -> str:
    return "no EC50" if np.isnan(row["fold"]) else "no" if misses_truth(row) else "yes"


def _parity(summary: ResponseSummary, truth: pd.DataFrame | None, figures: Figures) -> dict[str, Any] | None:
    if summary.matched is None or truth is None:
        return None
    slopes = truth.set_index("compound")["hill_slope"].to_dict() if "hill_slope" in truth else {}
    rows = [
        {
            "compound": row["compound"],
            "readout": row["readout"],
            "true": summary.true[row["compound"], row["readout"]],
            "recovered": format_ec50(row),
            "recovered / true": format_number(row["fold"]),
            "true slope": format_number(slopes.get(row["compound"], np.nan)),
            "recovered slope": _slope(row),
            "interval holds the truth": _holds(row),
        }
        for _, row in summary.matched.iterrows()
    ]
    view = parity(summary.matched).opts(title="")
    return {"table": as_table(rows), "figure": figures.add(view, "Recovered against true EC50 of each compound")}
