"""Whether a plate is like those that a network learned from, by what its negative controls look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from hcskit.results import AS_IN_TRAINING, NOT_THIS_ASSAY
from hcskit.training import LOGARITHMIC, ModelCard, Untreated, light_quantities

__all__ = ["compare_untreated"]

_APPEARANCE = "appearance"
_SLACK = 0.03  # relative; plates of one batch may always differ by so much (standard deviation)


class _Row(NamedTuple):
    """A quantity of a plate, and the range in which it lies on plates of the same batch."""

    quantity: str
    channel: str
    value: float
    expected: float
    low: float
    high: float


def compare_untreated(
    features: Mapping[str, xr.DataArray], light: Mapping[str, xr.DataArray], card: ModelCard
) -> pd.DataFrame | None:
    """Compare the negative controls of plates with those that a network learned from.

    A plate is "shifted" where a quantity lies outside the range in which 99.8 % of plates of the same batch are
    expected (`hcskit.training.Spread.compare`). It is "not this assay" where its untreated cells are also as far from
    those learned from as the nearest phenotype is.

    Parameters
    ----------
    features : mapping
        As `gather_features` returns them.
    light : mapping
        Of each plate that has negative controls, by name: (well, look, channel) of these wells, as
        `hcskit.data.gather_light` returns it.
    card : ModelCard
        Of the network.

    Returns
    -------
    pandas.DataFrame or None
        Index ``plate, quantity, channel``: ``value, expected, low, high, verdict``. None where the card does not say
        what it learned from, or no plate has negative controls.
    """
    parts = [_rows(plate, features[plate], own, card) for plate, own in light.items() if plate in features]
    known = [part for part in parts if part is not None]
    return pd.concat(known) if known else None


def _rows(plate: str, features: xr.DataArray, light: xr.DataArray, card: ModelCard) -> pd.DataFrame | None:
    if card.untreated is None:
        return None
    rows = [_of_light(card.untreated, *own) for own in light_quantities(light)]
    wells = card.untreated.placed(features.sel(well=light["well"].to_numpy()).to_numpy())
    nearest = card.untreated.nearest
    distance, limit = card.untreated.appearance.compare(wells, _SLACK * nearest)
    rows.append(_Row(_APPEARANCE, "", distance / nearest, 0.0, 0.0, limit / nearest))
    table = pd.DataFrame(rows).assign(verdict=_verdict(rows), plate=plate)
    return table.set_index(["plate", "quantity", "channel"])


def _of_light(untreated: Untreated, quantity: str, channel: str, values: npt.NDArray[np.float64]) -> _Row:
    spread, logarithm = untreated.light[quantity][channel], quantity in LOGARITHMIC
    unit = 1.0 if logarithm else float(np.exp(untreated.light["signal"][channel].mean[0]))
    _, limit = spread.compare(values, _SLACK * unit)
    expected = spread.mean[0]
    numbers = np.array([values.mean(), expected, expected - limit, expected + limit])
    return _Row(quantity, channel, *(np.exp(numbers) if logarithm else numbers).tolist())


def _verdict(rows: list[_Row]) -> str:
    off = [row for row in rows if not row.low <= row.value <= row.high]
    if not off:
        return AS_IN_TRAINING
    if any(row.quantity == _APPEARANCE and row.value >= 1 for row in off):
        return NOT_THIS_ASSAY
    return f"shifted: {', '.join(_words(row) for row in off)}"


def _words(row: _Row) -> str:
    """Say what differs, and by how much."""
    if row.quantity == _APPEARANCE:
        return f"untreated cells look different, by {row.value:.0%} of the distance to the nearest phenotype"
    if row.quantity == "background":
        return f"{row.channel} {row.quantity} {row.value - row.expected:+.3g} counts"
    return f"{row.channel} {row.quantity} × {row.value / row.expected:.2g}"
