"""What a plate can show, by its name: the values of wells, their label, and the ends of their scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hcskit.app._content import Content
from hcskit.app._selection import Selection, known
from hcskit.response import residuals
from hcskit.results import CURVES, POINTS, QUALITY, READOUTS
from hcskit.units import convert
from hcskit.views import base_unit, response_label

__all__ = [
    "chosen_quantity",
    "colours_of",
    "label_of",
    "limits_of",
    "look_of",
    "quantities",
    "unit_of",
    "values_of",
]

#: What a measure is called, by its column.
_LABELS = {
    "concentration": "concentration",
    "focus_z": "focus (robust z-score; only low is bad)",
    "saturation": "saturated pixels (fraction)",
    "mean": "mean brightness (counts)",
}


def chosen_quantity(content: Content, selection: Selection) -> str:
    """Return the name of the quantity that is looked at: the chosen one, or else the readout; there must be one."""
    wanted = [selection.quantity, selection.readout, *(readout for _, readout in content.fits(selection))]
    there = quantities(content)
    return next(iter(known(wanted, there)), there[0])


def quantities(content: Content) -> list[str]:
    """Return what a plate can show."""
    mapped = any("concentration_unit" in plate.coords for plate in content.plates.values())
    there = [name for name in content.quantities if name != "concentration" or mapped]
    return [*there, *residual_names(content)]


def residual_names(content: Content) -> dict[str, str]:
    """Return the readout of each residual by its name."""
    if content.lacking(POINTS, CURVES):
        return {}
    return {f"residual of {readout}": readout for readout in content.readouts}


def values_of(content: Content, quantity: str) -> pd.Series[Any]:
    """Return a quantity of each well, index plate and well."""
    if quantity in content.readouts:
        table = content.table(POINTS) if content.lacking(READOUTS) else content.table(READOUTS)
        rows = table[table["readout"] == quantity]
        values: pd.Series[Any] = rows.drop_duplicates(["plate", "well"]).set_index(["plate", "well"])["value"]
        return values
    if quantity in residual_names(content):
        points = content.table(POINTS)
        own = points[points["readout"] == residual_names(content)[quantity]]
        left: pd.Series[Any] = residuals(own, content.table(CURVES))
        return left.set_axis(pd.MultiIndex.from_frame(own[["plate", "well"]]))
    if quantity == "concentration":
        return _log_concentrations(content)
    return content.table(QUALITY)[quantity].groupby(level=["plate", "well"]).mean()


def _log_concentrations(content: Content) -> pd.Series[Any]:
    """Return the logarithms of the concentrations that have the unit of the scale; others have none on it."""
    wells = content.treatments
    units = {str(unit) for unit in wells["concentration_unit"].dropna() if unit}
    scale = unit_of(content, "concentration")
    factors = {unit: convert(1.0, unit, scale) for unit in units if base_unit(unit) == scale}
    values: pd.Series[Any] = wells["concentration"].astype(float) * wells["concentration_unit"].map(factors).astype(
        float
    )
    logs: pd.Series[Any] = np.log10(values.where(values > 0))
    return logs


def unit_of(content: Content, quantity: str) -> str:
    """Return the unit of amounts whose logarithm a quantity is: that of most wells; empty of any other quantity."""
    if quantity != "concentration":
        return ""
    units = content.treatments["concentration_unit"].dropna().astype(str)
    bases = units[units != ""].map(base_unit)
    return str(bases.mode().iloc[0]) if len(bases) else "M"


def colours_of(content: Content, quantity: str) -> str:
    """Return the colour map of a quantity: of a residual one with white in the middle."""
    return "PuOr" if quantity in residual_names(content) else "viridis"


def look_of(content: Content, quantity: str, values: pd.Series[Any]) -> dict[str, Any]:
    """Return how plates show a quantity: its label, the ends and colours of its scale, and its unit."""
    return {
        "label": label_of(content, quantity),
        "limits": limits_of(content, quantity, values),
        "unit": unit_of(content, quantity),
        "cmap": colours_of(content, quantity),
    }


def label_of(content: Content, quantity: str) -> str:
    """Say what a quantity is, with its unit."""
    if quantity in _LABELS:
        return _LABELS[quantity]
    if quantity in residual_names(content):
        return f"{residual_names(content)[quantity]}: from the fitted curve"
    return response_label(content.table(POINTS), [quantity]) if quantity in content.readouts else quantity


def limits_of(content: Content, quantity: str, values: pd.Series[Any]) -> tuple[float, float]:
    """Return the ends of the colour scale, the same for all plates."""
    if content.is_probability(quantity):
        return 0.0, 1.0
    if quantity in residual_names(content):
        most = float(values.abs().quantile(0.98)) if values.notna().any() else 0.0
        return (-most, most) if most else (-1.0, 1.0)
    low, high = (0.0, 1.0) if values.notna().sum() == 0 else (float(values.min()), float(values.max()))
    return (low, high) if low < high else (low - 0.5, high + 0.5)
