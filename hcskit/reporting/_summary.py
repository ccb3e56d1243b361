"""The summary of the responses for several sections, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hcskit.response import EFFECTS, lead_readouts, match_truth
from hcskit.units import convert
from hcskit.views import category_colours, format_concentration

__all__ = ["ResponseSummary", "misses_truth", "summarise"]


@dataclass(frozen=True)
class ResponseSummary:
    """The responses of a run.

    Attributes
    ----------
    table : pandas.DataFrame
        The responses (index ``compound, readout``), with ``potency``: the EC50 in mol/L (or g/L), to sort by across
        units.
    leads : pandas.DataFrame
        The row of each compound's lead readout, the most potent first; ``compound`` and ``readout`` are columns.
    matched : pandas.DataFrame or None
        Recovered beside true EC50s, as `hcskit.response.match_truth` returns them; None if none is known.
    true : dict
        The true EC50s as text, in the unit of the response, by compound and readout.
    colours : dict
        Colour of each readout.
    anchors : dict
        Id of each compound in the page: made of a number, as a compound may be called anything.
    """

    table: pd.DataFrame
    leads: pd.DataFrame
    matched: pd.DataFrame | None
    true: dict[tuple[str, str], str]
    colours: dict[str, str]
    anchors: dict[str, str]


def summarise(responses: pd.DataFrame, truth: pd.DataFrame | None) -> ResponseSummary:
    """Compute the summary of the responses for the sections of a report."""
    table = responses.assign(potency=[_potency(row) for _, row in responses.iterrows()])
    leads = table.loc[list(lead_readouts(responses).items())].reset_index().sort_values("potency", kind="stable")
    matched = None if truth is None else match_truth(responses, truth)
    compounds = dict.fromkeys(responses.index.get_level_values("compound"))
    return ResponseSummary(
        table=table,
        leads=leads,
        matched=matched,
        true={} if matched is None else _true_ec50s(matched),
        colours=category_colours([str(name) for name in responses.index.get_level_values("readout")]),
        anchors={str(name): f"compound-{number}" for number, name in enumerate(compounds, 1)},
    )


def misses_truth(row: pd.Series[Any]) -> bool:
    """Whether the interval of a row of `ResponseSummary.matched` does not hold the true EC50."""
    return not row["ec50_low"] <= row["true_ec50"] <= row["ec50_high"]


def _potency(row: pd.Series[Any]) -> float:
    """Return the EC50 in the base of its unit; readouts without one come last."""
    if row["category"] not in EFFECTS:
        return 1e300
    unit = str(row["concentration_unit"])
    base = {"M": "M", "L": "g/L"}.get(unit[-1], unit)
    beyond = row["tested_high"] if np.isinf(row["ec50_high"]) else row["tested_low"]
    value = row["ec50"] if np.isfinite(row["ec50"]) else beyond
    return float(convert(float(value), unit, base))


def _true_ec50s(matched: pd.DataFrame) -> dict[tuple[str, str], str]:
    return {
        (row["compound"], row["readout"]): format_concentration(row["true_ec50"], str(row["concentration_unit"]))
        for _, row in matched.iterrows()
    }
