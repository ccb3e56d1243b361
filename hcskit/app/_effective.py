"""What is drawn with the curves when it is asked for: another effective concentration, and each network."""

from __future__ import annotations

from typing import Any

import pandas as pd
import panel as pn

from hcskit.actions import as_fitted
from hcskit.app._content import Content
from hcskit.app._selection import Selection
from hcskit.response import effective_concentrations
from hcskit.results import POINTS, READOUTS, RESPONSES
from hcskit.views import format_effective

__all__ = ["effect_controls", "effective_of", "told_of"]


def effect_controls(content: Content, selection: Selection) -> list[pn.viewable.Viewable]:
    """Return the choice of an effective concentration and, of an ensemble, of its networks."""
    effect = pn.widgets.IntInput.from_param(selection.param.effect, label="", width=64, margin=(0, 4))
    controls: list[pn.viewable.Viewable] = [pn.pane.Markdown("also EC", margin=(2, 0, 0, 8)), effect]
    if any(str(name).startswith("network_") for name in content.table(POINTS)):
        networks = pn.widgets.Checkbox.from_param(selection.param.networks, label="each network", align="center")
        controls.append(networks)
    return controls


def effective_of(content: Content, selection: Selection) -> pd.DataFrame | None:
    """Return the effective concentrations that are asked for; None where none is."""
    if not selection.effect:
        return None
    wells = content.table(POINTS)
    if not content.lacking(READOUTS):
        wells = as_fitted(content.table(READOUTS), content.masks, content.table(RESPONSES))
    compounds = [name for name, _ in content.fits(selection)]
    return effective_concentrations(wells, content.table(RESPONSES), compounds, selection.effect / 100)


def told_of(effective: pd.DataFrame | None, key: tuple[str, str], effect: int) -> str:
    """Say where a response has gone the share of its way that is asked for."""
    if effective is None or key not in effective.index:
        return ""
    row: pd.Series[Any] = effective.loc[[key]].iloc[0]
    return f" · EC{effect} {row['note'] or format_effective(row)}"
