"""What the place of a well adds to its reading, drawn on the plate."""

from __future__ import annotations

from collections.abc import Sequence

import holoviews as hv
import pandas as pd
import xarray as xr

from hcskit.assay import position_effects
from hcskit.errors import InputError
from hcskit.views._drawing import Drawing
from hcskit.views._plates import plate_drawing

__all__ = ["POSITION_MATTERS", "name_effects", "position_drawing", "position_map"]

#: p-value below which an effect of the place is named.
POSITION_MATTERS = 0.01
_ALIKE = ("role", "compound", "concentration")


def position_map(points: pd.DataFrame, plate: str, readout: str, alike: Sequence[str] = _ALIKE) -> hv.Overlay:
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
    drawing = position_drawing(points, plate, readout, alike)
    own = points[(points["plate"] == plate) & (points["readout"] == readout)]
    named = name_effects(position_effects(own, alike))
    return drawing.view(title=f"{readout} of {plate}: {named or 'no effect of the place'}")


def position_drawing(
    points: pd.DataFrame,
    plate: str,
    readout: str,
    alike: Sequence[str] = _ALIKE,
    *,
    images: xr.Dataset | None = None,
) -> Drawing:
    """Return what `position_map` draws; `images`, the plate, adds its treatments and marks of the controls."""
    own = points[(points["plate"] == plate) & (points["readout"] == readout) & points["value"].notna()]
    if own.empty:
        raise InputError(f"plate {plate} has no wells with the readout {readout}")
    around = own["value"] - own.groupby(list(alike), dropna=False, observed=True)["value"].transform("mean")
    largest = float(around.abs().quantile(0.98)) or 1.0
    return plate_drawing(
        pd.Series(around.to_numpy(), index=own["well"].to_numpy()),
        plate=images,
        label="from the mean of its treatment",
        limits=(-largest, largest),
        cmap="PuOr",
    )


def name_effects(effects: pd.DataFrame) -> str:
    """Name the significant rows of `hcskit.assay.position_effects`, each with its p-value; empty where none is."""
    found = effects[effects["p_value"] < POSITION_MATTERS]
    return ", ".join(f"{row.effect} {row.where}".strip() + f" (p = {row.p_value:.1g})" for row in found.itertuples())
