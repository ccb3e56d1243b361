"""Whether readings depend on where their wells are, with a map of each plate on which they do."""

from __future__ import annotations

from typing import Any

import pandas as pd

from hcskit.assay import position_effects
from hcskit.errors import InputError
from hcskit.reporting._figures import Figures
from hcskit.reporting._findings import Findings
from hcskit.reporting._text import count
from hcskit.results import POINTS
from hcskit.views import POSITION_MATTERS, name_effects, position_drawing

__all__ = ["positions"]


def positions(findings: Findings, figures: Figures) -> dict[str, Any] | None:
    """Return what was tested in a sentence, and the plates with an effect; None if no place is known."""
    points = findings.get(POINTS)
    try:
        effects = position_effects(points)
    except InputError:
        return None  # the wells have no names that tell where they are
    strong = effects[effects["p_value"] < POSITION_MATTERS].sort_values("p_value", kind="stable")
    shown = [_plate(findings, str(name), own, figures) for name, own in strong.groupby("plate", sort=True)]
    return {"said": _said(int(effects["p_value"].notna().sum()), len(strong)), "plates": shown}


def _said(tested: int, found: int) -> str:
    if not tested:
        return "No treatment is in several places of a plate, so effects of the place cannot be tested."
    told = f"{found} of {count(tested, 'test')} for edge, row, column and drift {'has' if found == 1 else 'have'}"
    return f"{told} p < {POSITION_MATTERS:g}; by chance one in a hundred has."


def _plate(findings: Findings, name: str, effects: pd.DataFrame, figures: Figures) -> dict[str, Any]:
    """Return the effects of a plate in words, and a map of the readout with the strongest one."""
    readout = str(effects["readout"].iloc[0])
    drawing = position_drawing(findings.get(POINTS), name, readout, images=findings.plates.get(name))
    text = f"How far {readout} of each well of {name} is from the mean of its treatment"
    # One kind for each format of plates: its rows are the ticks of the axis.
    figure = figures.draw(f"positions-{len(drawing.options['yticks'])}", drawing, text)
    named = [(str(other), name_effects(own)) for other, own in effects.groupby("readout", sort=False)]
    return {"name": name, "readout": readout, "figure": figure, "effects": named}
