"""A look at the controls that a network learned from, for its card."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from hcskit.data._fields import NEGATIVE, Normalisation, cut_tiles, open_field
from hcskit.data._light import gather_light, measure_light, standard_of
from hcskit.data._sources import Source
from hcskit.training._card import ModelCard
from hcskit.training._metric import Metric, gather_unevenness
from hcskit.training._spread import Spread
from hcskit.training._untreated import ENOUGH_WELLS, Untreated, light_quantities

__all__ = ["describe_untreated"]

_PLATES, _WELLS = 8, 16  # of a class; more would only take time
_MOST_FEATURES = 1024  # of a network, for which crops are compared: 8 MB for their covariance


def describe_untreated(reading: Any, source: Source, fields: pd.DataFrame, card: ModelCard) -> Untreated | None:
    """Look at the controls that a network learned from.

    Parameters
    ----------
    reading : keras.Model
        As `each_reading` returns it.
    source : Source
        Their images, one for each row of `fields`.
    fields : pandas.DataFrame
        ``plate, well, label``; numbered from 0.
    card : ModelCard
        Of the network.

    Returns
    -------
    Untreated or None
        None if there are no negative controls, or nothing else.
    """
    if NEGATIVE not in card.classes:
        return None
    chosen = _some_wells(fields)
    untreated = chosen[chosen["label"] == NEGATIVE]
    light = {
        plate: gather_light(own, [measure_light(source, row) for row in own.index], source.channels)
        for plate, own in untreated.groupby("plate")
    }
    standards = {
        plate: standard_of(own)
        for plate, own in light.items()
        if card.recipe.prediction.standardise and own.sizes["well"] >= ENOUGH_WELLS
    }
    said = [
        _features(reading, source, row, standards.get(plate, card.normalisation), card)
        for row, plate in zip(chosen.index.tolist(), chosen["plate"], strict=True)
    ]
    metric, means = _metric(chosen, said), np.stack([crops.mean(axis=0) for crops in said])
    points = pd.DataFrame(means.reshape(len(means), -1) if metric is None else metric.whitened(means))
    table = points.groupby([chosen[name].to_numpy() for name in ("label", "plate", "well")]).mean()
    wells, others = table.loc[[NEGATIVE]], table.drop(NEGATIVE).groupby(level=0).mean().round(6)
    spreads: dict[str, dict[str, Spread]] = {}
    plates = np.concatenate([np.full(own.sizes["well"], plate) for plate, own in light.items()])
    for quantity, channel, values in light_quantities(xr.concat(light.values(), "well")):
        spreads.setdefault(quantity, {})[channel] = Spread.of(values, plates)
    return Untreated(
        light=spreads,
        appearance=Spread.of(wells.to_numpy(), wells.index.get_level_values(1).to_numpy(str)),
        phenotypes={str(name): tuple(row.tolist()) for name, row in zip(others.index, others.to_numpy(), strict=True)},
        metric=metric,
    )


def _metric(fields: pd.DataFrame, crops: list[npt.NDArray[np.float64]]) -> Metric | None:
    """Return by what the crops of one well differ, unless its covariance would take more memory than the training."""
    if crops[0].shape[-1] > _MOST_FEATURES:
        return None
    return Metric.of(np.mean([own.to_numpy() for own in gather_unevenness(fields, crops).values()], axis=0))


def _some_wells(fields: pd.DataFrame) -> pd.DataFrame:
    """Choose wells of each class on some plates."""
    plates = fields["plate"].unique()
    some = set(plates[np.unique(np.linspace(0, len(plates) - 1, _PLATES).round().astype(int))])
    wells = fields.loc[fields["plate"].isin(some), ["plate", "label", "well"]].drop_duplicates()
    kept = wells[wells.groupby(["plate", "label"]).cumcount() < _WELLS]
    return fields[pd.MultiIndex.from_frame(fields[["plate", "well"]]).isin(kept.set_index(["plate", "well"]).index)]


def _features(
    reading: Any, source: Source, row: int, standard: Normalisation, card: ModelCard
) -> npt.NDArray[np.float64]:
    """Return the features of the crops of a field, (crop, network, feature)."""
    crops = cut_tiles(open_field(source, row, standard), card.crop)
    return np.asarray(reading.predict_on_batch(crops), float)[..., len(card.classes) :]
