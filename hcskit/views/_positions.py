"""What the place of a well adds to its reading, drawn on the plate."""

from __future__ import annotations

from collections.abc import Sequence

import holoviews as hv
import pandas as pd

from hcskit.assay import position_effects
from hcskit.errors import InputError
from hcskit.views._plates import plate_heatmap

__all__ = ["position_map"]

_SIGNIFICANT = 0.01


def position_map(
    points: pd.DataFrame, plate: str, readout: str, alike: Sequence[str] = ("role", "compound", "concentration")
) -> hv.Overlay:
    """Draw how far each well of a plate reads from the mean of its treatment; the title names effects of the place.

    Parameters
    ----------
    points : pandas.DataFrame
        As `hcskit.assay.position_effects` takes them.
    plate, readout : str
        What to draw.
    alike : sequence of str
        Columns whose equal values are one treatment: ``["role"]`` in a primary screen.

    Raises
    ------
    InputError
        If the plate has no such readout.
    """
    own = points[(points["plate"] == plate) & (points["readout"] == readout) & points["value"].notna()]
    if own.empty:
        raise InputError(f"plate {plate} has no wells with the readout {readout}")
    around = own["value"] - own.groupby(list(alike), dropna=False, observed=True)["value"].transform("mean")
    effects = position_effects(own, alike)
    found = effects[effects["p_value"] < _SIGNIFICANT]
    named = [f"{row.effect} {row.where}".strip() + f" (p = {row.p_value:.1g})" for row in found.itertuples()]
    largest = float(around.abs().quantile(0.98)) or 1.0
    return plate_heatmap(
        pd.Series(around.to_numpy(), index=own["well"].to_numpy()),
        title=f"{readout} of {plate}: {', '.join(named) or 'no effect of the place'}",
        label="from the mean of its treatment",
        limits=(-largest, largest),
        cmap="PuOr",
    )
