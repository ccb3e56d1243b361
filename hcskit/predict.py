"""Inference: the probability of each phenotype in every field, and in every well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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
from hcskit.store import write_result
from hcskit.training import ModelCard, PlateSource, cut_tiles, open_field

__all__ = [
    "Predictions",
    "field_crops",
    "gather_predictions",
    "phenotype_controls",
    "predict",
    "predictable_fields",
    "readout_points",
    "write_predictions",
]

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
    fields = predictable_fields(plates, card)
    crops = [
        model.predict_on_batch(field_crops(plates, profiles, fields.iloc[[number]], card))
        for number in tqdm(range(len(fields)), unit="field", desc="predict", disable=not progress)
    ]
    return gather_predictions(fields, crops, card.classes)


def predictable_fields(plates: Mapping[str, xr.Dataset], card: ModelCard) -> pd.DataFrame:
    """List the usable fields of plates, as `hcskit.screen.field_table`.

    Raises
    ------
    InputError
        If a plate does not fit the card, see `predict`; or there is no such field.
    """
    for name, plate in plates.items():
        _check(name, plate, card)
    fields = pd.concat([field_table(plate) for plate in plates.values()], ignore_index=True)
    if fields.empty:
        raise InputError(f"no field of {', '.join(plates)} can be used; look at what the quality step excluded")
    return fields


def field_crops(
    plates: Mapping[str, xr.Dataset], profiles: xr.Dataset, field: pd.DataFrame, card: ModelCard
) -> npt.NDArray[np.float32]:
    """Read a field, given as a table of one row, as the network takes it: crops (crop, y, x, channel)."""
    name = field["plate"].iloc[0]
    source = PlateSource({name: plates[name]}, profiles, field, card.channels, card.binning)
    return cut_tiles(open_field(source, 0, card.normalisation), card.crop)


def gather_predictions(
    fields: pd.DataFrame, crops: Sequence[npt.NDArray[Any]], classes: tuple[str, ...]
) -> Predictions:
    """Average the probabilities of crops to fields, and of fields to wells.

    Parameters
    ----------
    fields : pandas.DataFrame
        One row a field; columns ``plate, well, field``.
    crops : sequence of numpy.ndarray
        Probabilities (crop, class) of each field.
    classes : tuple of str
        Names of the classes.
    """
    rows = np.repeat(np.arange(len(fields)), [part.size for part in crops])
    table = fields[["plate", "well", "field"]].iloc[rows].reset_index(drop=True)
    # Phenotypes keep the order of the classes.
    names = np.tile(classes, sum(map(len, crops)))
    table["phenotype"] = pd.Categorical(names, classes, ordered=True)
    table["probability"] = np.concatenate(crops).astype(float).ravel()
    keys = ["plate", "well", "field", "phenotype"]
    grouped = table.groupby(keys, observed=True)["probability"]
    by_field = pd.DataFrame({"probability": grouped.mean(), "n_crops": grouped.size()})
    wells = by_field["probability"].groupby(["plate", "well", "phenotype"], observed=True).agg(["mean", "size"])
    spread = table.groupby(["plate", "well", "phenotype"], observed=True)["probability"].std()
    by_well = pd.DataFrame({"probability": wells["mean"], "sd": spread, "n_fields": wells["size"]})
    return Predictions(_plain(by_field), _plain(by_well))


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


def write_predictions(
    folder: str | Path, plates: Mapping[str, xr.Dataset], predictions: Predictions, card: ModelCard
) -> list[Path]:
    """Write predictions as the result tables of a screen, from where `hcskit.open_screen` joins them.

    Parameters
    ----------
    folder : path-like
        Folder of the screen.
    plates : mapping
        Plates by name. With a plate map, the readouts and the controls' statistics are written as well.
    predictions : Predictions
        As `predict` returns them.
    card : ModelCard
        Of the model they are from.

    Returns
    -------
    list of Path
        The tables.
    """
    tables = {"field_predictions": predictions.fields, "predictions": predictions.wells}
    if all("role" in plate.coords for plate in plates.values()):
        tables["readouts"] = readout_points(plates, predictions.wells, card.negative_class)
        tables["phenotype_controls"] = phenotype_controls(tables["readouts"], card)
    return [write_result(folder, name, table) for name, table in tables.items()]


def _check(name: str, plate: xr.Dataset, card: ModelCard) -> None:
    lacking = [channel for channel in card.channels if channel not in plate["channel"]]
    if lacking:
        known = ", ".join(map(str, plate["channel"].values))
        raise InputError(f"plate {name} has no channel {', '.join(lacking)}, which the model needs; it has {known}")
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


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Phenotypes as text again, so that files and joins see nothing special."""
    names = list(table.index.names)
    return table.reset_index().astype({"phenotype": str}).set_index(names)
