"""Inference: the probability of each phenotype in every field, and in every well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from tqdm import tqdm

from hcskit.errors import InputError
from hcskit.models.backend import keras
from hcskit.preprocess import control_statistics
from hcskit.screen import field_table, treated_fields
from hcskit.training import ModelCard, read_fields, tiles

__all__ = ["Predictions", "phenotype_controls", "predict", "readout_points"]

_PIXEL_TOLERANCE = 0.05  # relative; objectives of one nominal magnification differ by a few per cent


@dataclass(frozen=True)
class Predictions:
    """Probabilities of the phenotypes.

    Attributes
    ----------
    fields : pandas.DataFrame
        Index ``plate, well, field, phenotype``: ``probability`` (mean over the field's crops) and ``n_crops``.
    wells : pandas.DataFrame
        Index ``plate, well, phenotype``: ``probability`` (mean over the well's fields), ``sd`` (over all crops of the
        well: how mixed it is) and ``n_fields``.
    """

    fields: pd.DataFrame
    wells: pd.DataFrame


def predict(
    plates: Mapping[str, xr.Dataset],
    profiles: xr.Dataset,
    model: keras.Model,
    card: ModelCard,
    *,
    progress: bool = True,
) -> Predictions:
    """Read the phenotypes of every usable field.

    A field is cut into the fewest crops of the size the network was trained on; its probability is their mean.

    Parameters
    ----------
    plates : mapping
        Plates by name.
    profiles : xarray.Dataset
        Illumination of the plates: ``flat`` (plate, channel, y, x) and ``dark`` (plate, channel).
    model, card
        As `hcskit.training.load_model` returns them.
    progress : bool
        Show a progress bar over fields.

    Raises
    ------
    InputError
        If a plate does not fit the card: a channel is missing, its pixel size is another, or its images are smaller
        than the network's input.
    """
    for name, plate in plates.items():
        _check(name, plate, card)
    fields = pd.concat([field_table(plate) for plate in plates.values()], ignore_index=True)
    crops = []
    for number in tqdm(range(len(fields)), unit="field", desc="predict", disable=not progress):
        light = read_fields(plates, profiles, fields.iloc[[number]], card.channels, card.binning)
        crops.append(model.predict_on_batch(tiles(card.normalisation.apply(light)[0], card.crop)))
    return _aggregate(fields, np.stack(crops), card.classes)


def readout_points(plates: Mapping[str, xr.Dataset], wells: pd.DataFrame, negative_class: str) -> pd.DataFrame:
    """Join predictions with treatments: one row a well and readout, ready for a dose-response fit.

    Parameters
    ----------
    plates : mapping
        Plates by name.
    wells : pandas.DataFrame
        `Predictions.wells`.
    negative_class : str
        Left out: the probability of being untreated is one minus the others.

    Returns
    -------
    pandas.DataFrame
        ``plate, well, role, compound, concentration, concentration_unit, moa, readout, value, sd, n_fields`` and what
        else the plate map has.
    """
    treatments = treated_fields(plates)
    treatments = treatments.drop(columns="field").drop_duplicates(["plate", "well"])
    values = wells.reset_index().rename(columns={"phenotype": "readout", "probability": "value"})
    return treatments.merge(values[values["readout"] != negative_class], on=["plate", "well"])


def phenotype_controls(points: pd.DataFrame, card: ModelCard) -> pd.DataFrame:
    """Compare the controls in each phenotype's probability; a phenotype's positive controls are those of its class.

    Parameters
    ----------
    points : pandas.DataFrame
        As `readout_points` returns it.
    card : ModelCard
        Of the model the probabilities are from.

    Returns
    -------
    pandas.DataFrame
        As `hcskit.preprocess.control_statistics` returns it.
    """
    own = points[card.recipe.data.classes].astype(str) == points["readout"]
    return control_statistics(points[(points["role"] != "positive_control") | own])


def _check(name: str, plate: xr.Dataset, card: ModelCard) -> None:
    size = (plate.sizes["y"] // card.binning, plate.sizes["x"] // card.binning)
    if min(size[0] - card.crop[0], size[1] - card.crop[1]) < 0:
        raise InputError(
            f"plate {name} has images of {size[0]}×{size[1]} after binning by {card.binning}; the model needs at least "
            f"{card.crop[0]}×{card.crop[1]}"
        )
    pixel = plate.attrs.get("pixel_size_um")
    if pixel and card.pixel_size_um and abs(pixel / card.pixel_size_um - 1) > _PIXEL_TOLERANCE:
        raise InputError(
            f"plate {name} has pixels of {pixel:g} µm; the model was trained at {card.pixel_size_um:g} µm: train a "
            "model for this magnification"
        )


def _aggregate(fields: pd.DataFrame, crops: npt.NDArray[Any], classes: tuple[str, ...]) -> Predictions:
    """Average crops (field, crop, class) to fields, and fields to wells."""
    count = crops.shape[1]
    index = pd.MultiIndex.from_product([range(len(fields)), range(count), classes], names=["row", "crop", "phenotype"])
    table = pd.DataFrame({"probability": crops.astype(float).ravel()}, index=index).reset_index()
    table = table.join(fields[["plate", "well", "field"]], on="row")
    # Phenotypes keep the order of the classes.
    table["phenotype"] = pd.Categorical(table["phenotype"], classes, ordered=True)
    keys = ["plate", "well", "field", "phenotype"]
    grouped = table.groupby(keys, observed=True)["probability"]
    by_field = pd.DataFrame({"probability": grouped.mean(), "n_crops": grouped.size()})
    wells = by_field["probability"].groupby(["plate", "well", "phenotype"], observed=True).agg(["mean", "size"])
    spread = table.groupby(["plate", "well", "phenotype"], observed=True)["probability"].std()
    by_well = pd.DataFrame({"probability": wells["mean"], "sd": spread, "n_fields": wells["size"]})
    return Predictions(_plain(by_field), _plain(by_well))


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Phenotypes as text again, so that files and joins see nothing special."""
    names = list(table.index.names)
    return table.reset_index().astype({"phenotype": str}).set_index(names)
