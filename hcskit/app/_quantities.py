"""What a plate can show, by its name: the values of wells, their label, and the ends of their scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from hcskit.app._content import Content
from hcskit.app._selection import Selection, known
from hcskit.results import POINTS, QUALITY, READOUTS
from hcskit.units import convert
from hcskit.views import base_unit, response_label

__all__ = ["chosen_quantity", "label_of", "limits_of", "values_of"]

#: What a measure is called, by its column.
_LABELS = {
    "concentration": "log10 of the concentration in M or g/L",
    "focus_z": "focus (robust z-score; only low is bad)",
    "saturation": "saturated pixels (fraction)",
    "mean": "mean brightness (counts)",
}


def chosen_quantity(content: Content, selection: Selection) -> str:
    """Return the name of the quantity that is looked at: the chosen one, or else the readout; there must be one."""
    wanted = [selection.quantity, selection.readout, *(readout for _, readout in content.fits(selection))]
    return next(iter(known(wanted, content.quantities)), content.quantities[0])


def values_of(content: Content, quantity: str) -> pd.Series[Any]:
    """Return a quantity of each well, index plate and well."""
    if quantity in content.readouts:
        table = content.table(POINTS) if content.lacking(READOUTS) else content.table(READOUTS)
        rows = table[table["readout"] == quantity]
        values: pd.Series[Any] = rows.drop_duplicates(["plate", "well"]).set_index(["plate", "well"])["value"]
        return values
    if quantity == "concentration":
        plates = {name: _log_concentration(plate) for name, plate in content.plates.items()}
        logs: pd.Series[Any] = pd.concat(plates, names=["plate"])
        return logs
    return content.table(QUALITY)[quantity].groupby(level=["plate", "well"]).mean()


def _log_concentration(plate: Any) -> pd.Series[Any]:
    wells = plate[["concentration", "concentration_unit"]].to_dataframe()
    known_units = {str(unit) for unit in wells["concentration_unit"].dropna() if unit}
    factors = {unit: convert(1.0, unit, base_unit(unit)) for unit in known_units}
    values = wells["concentration"] * wells["concentration_unit"].map(factors).astype(float)
    positive: pd.Series[Any] = values.where(values > 0)
    return pd.Series(np.log10(positive.to_numpy(float)), index=positive.index).rename_axis("well")


def label_of(content: Content, quantity: str) -> str:
    """Say what a quantity is, with its unit."""
    if quantity in _LABELS:
        return _LABELS[quantity]
    return response_label(content.table(POINTS), [quantity]) if quantity in content.readouts else quantity


def limits_of(content: Content, quantity: str, values: pd.Series[Any]) -> tuple[float, float]:
    """Return the ends of the colour scale, the same for all plates."""
    if content.is_probability(quantity):
        return 0.0, 1.0
    low, high = (0.0, 1.0) if values.notna().sum() == 0 else (float(values.min()), float(values.max()))
    return (low, high) if low < high else (low - 0.5, high + 0.5)
