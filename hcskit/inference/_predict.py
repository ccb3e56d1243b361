"""Inference: the probability of each phenotype in every field, and in every well."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from tqdm import tqdm

from hcskit.assay import control_statistics
from hcskit.data import ImageFolder, PlateSource, Source, cut_tiles, open_field, tile_corners
from hcskit.errors import InputError
from hcskit.models.backend import keras
from hcskit.results import FIELD_PREDICTIONS, PHENOTYPE_CONTROLS, PREDICTIONS, READOUTS, write_table
from hcskit.screen import field_table, treated_fields
from hcskit.training import ModelCard, each_network

__all__ = [
    "Predictions",
    "gather_predictions",
    "phenotype_controls",
    "predict",
    "predict_images",
    "predict_source",
    "predictable_fields",
    "readout_points",
    "write_predictions",
]

_PIXELS = 32 * 256 * 256  # of crops that are predicted at a time
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
        well: how mixed it is) and ``n_fields``. If the model is an ensemble, also the probability that each network
        gives the well, ``network_1`` and so on; `hcskit.response.fit_responses` makes use of them.
    """

    fields: pd.DataFrame
    wells: pd.DataFrame


def predict(
    plates: Mapping[str, xr.Dataset],
    illumination: xr.Dataset,
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
    illumination : xarray.Dataset
        Of the plates: ``flat`` (plate, channel, y, x) and ``dark`` (plate, channel).
    model, card
        As `hcskit.training.load_model` returns them.
    progress : bool
        Show a progress bar over fields.

    Raises
    ------
    InputError
        If a plate does not fit the card: a channel is missing, its pixel size or type is another, or its images are
        smaller than the network's input.
    """
    fields, networks = predictable_fields(plates, card), each_network(model)
    crops = []
    with tqdm(total=len(fields), unit="field", desc="predict", disable=not progress) as bar:
        for name, own in fields.groupby("plate", sort=False):
            source = PlateSource({str(name): plates[str(name)]}, illumination, own, card.channels, card.binning)
            crops += predict_source(source, networks, card, done=bar.update)
    return gather_predictions(fields, crops, card.classes)


def predict_images(folder: ImageFolder, model: keras.Model, card: ModelCard, *, progress: bool = True) -> pd.DataFrame:
    """Read the phenotypes of all images of a folder.

    Parameters
    ----------
    folder : ImageFolder
        The images.
    model, card
        As `hcskit.training.load_model` returns them.
    progress : bool
        Show a progress bar over images.

    Returns
    -------
    pandas.DataFrame
        One row an image: ``file``, relative to the folder, and a column of probability for each phenotype, the mean
        over the image's crops.

    Raises
    ------
    InputError
        If the images lack a channel, have another type of pixel, or are smaller than the network's input.
    """
    source = folder.source(pd.DataFrame({"file": folder.files}), card.channels, card.binning)
    _check_images(str(folder.folder), source.shape, folder.dtype, card)
    with tqdm(total=len(folder.files), unit="image", desc="predict", disable=not progress) as bar:
        crops = predict_source(source, each_network(model), card, done=bar.update)
    table = pd.DataFrame([crop.mean(axis=(0, 1)) for crop in crops], columns=list(card.classes))
    table.insert(0, "file", folder.files)
    return table


def predict_source(
    source: Source,
    networks: keras.Model,
    card: ModelCard,
    *,
    done: Callable[[int], object] = lambda _: None,
    turn: AbstractContextManager[Any] | None = None,
) -> list[npt.NDArray[np.float32]]:
    """Predict every image of a source: probabilities (crop, network, class) of each.

    Parameters
    ----------
    source : Source
        The images.
    networks : keras.Model
        The model, as `hcskit.training.each_network` returns it.
    card : ModelCard
        Its card.
    done : callable
        Takes how many more images are done.
    turn : context manager, optional
        Is entered to compute, not to read: a lock, for threads that share the cores.
    """
    looks = card.recipe.prediction.views * networks.output.shape[1]
    pixels = len(tile_corners(source.shape, card.crop)) * math.prod(card.crop) * looks
    at_once = max(1, _PIXELS // pixels)
    found: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(source.table), at_once):
        rows = range(start, min(start + at_once, len(source.table)))
        crops = np.concatenate([cut_tiles(open_field(source, row, card.normalisation), card.crop) for row in rows])
        with turn or nullcontext():
            found += np.split(networks.predict_on_batch(crops), len(rows))
        done(len(rows))
    return found


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


def gather_predictions(
    fields: pd.DataFrame, crops: Sequence[npt.NDArray[Any]], classes: tuple[str, ...]
) -> Predictions:
    """Average the probabilities of crops to fields, and of fields to wells.

    Parameters
    ----------
    fields : pandas.DataFrame
        One row a field; columns ``plate, well, field``.
    crops : sequence of numpy.ndarray
        Probabilities (crop, network, class) of each field.
    classes : tuple of str
        Names of the classes.
    """
    counts = [len(part) for part in crops]
    rows = np.repeat(np.arange(len(fields)), np.multiply(counts, len(classes)))
    table = fields[["plate", "well", "field"]].iloc[rows].reset_index(drop=True)
    # Phenotypes keep the order of the classes.
    table["phenotype"] = pd.Categorical(np.tile(classes, sum(counts)), classes, ordered=True)
    each = np.concatenate(crops).astype(float).transpose(1, 0, 2).reshape(crops[0].shape[1], -1)
    table["probability"] = each.mean(axis=0)
    networks = {f"network_{number}": own for number, own in enumerate(each, 1)} if len(each) > 1 else {}
    table = table.assign(**networks)
    keys = ["plate", "well", "field", "phenotype"]
    grouped = table.groupby(keys, observed=True)
    by_field = grouped[["probability", *networks]].mean()
    wells = by_field.groupby(["plate", "well", "phenotype"], observed=True)
    spread = table.groupby(["plate", "well", "phenotype"], observed=True)["probability"].std()
    by_well = pd.DataFrame({"probability": wells["probability"].mean(), "sd": spread, "n_fields": wells.size()})
    by_field = by_field[["probability"]].assign(n_crops=grouped.size())
    return Predictions(_plain(by_field), _plain(by_well.join(wells[list(networks)].mean())))


def readout_points(plates: Mapping[str, xr.Dataset], wells: pd.DataFrame, negative_class: str | None) -> pd.DataFrame:
    """Join predictions with treatments: one row a well and readout, ready for a dose-response fit.

    Parameters
    ----------
    plates : mapping
        Plates by name.
    wells : pandas.DataFrame
        `Predictions.wells`.
    negative_class : str or None
        Left out: the probability of being untreated is one minus the others.

    Returns
    -------
    pandas.DataFrame
        ``plate, well, role, compound, concentration, concentration_unit, moa, readout, value, sd, n_fields``, what
        else the plate map has, and what each network of an ensemble reads.
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
    tables = [(FIELD_PREDICTIONS, predictions.fields), (PREDICTIONS, predictions.wells)]
    if all("role" in plate.coords for plate in plates.values()):
        readouts = readout_points(plates, predictions.wells, card.negative_class)
        tables += [(READOUTS, readouts), (PHENOTYPE_CONTROLS, phenotype_controls(readouts, card))]
    return [write_table(folder, table, frame) for table, frame in tables]


def _check(name: str, plate: xr.Dataset, card: ModelCard) -> None:
    lacking = [channel for channel in card.channels if channel not in plate["channel"]]
    if lacking:
        known = ", ".join(map(str, plate["channel"].values))
        raise InputError(f"plate {name} has no channel {', '.join(lacking)}, which the model needs; it has {known}")
    size = (plate.sizes["y"] // card.binning, plate.sizes["x"] // card.binning)
    _check_images(f"plate {name}", size, plate["image"].dtype, card)
    pixel = plate.attrs.get("pixel_size_um")
    if pixel and card.pixel_size_um and abs(pixel / card.pixel_size_um - 1) > _PIXEL_TOLERANCE:
        raise InputError(
            f"plate {name} has pixels of {pixel:g} µm; the model was trained at {card.pixel_size_um:g} µm: train a "
            "model for this magnification"
        )


def _check_images(where: str, size: tuple[int, int], dtype: np.dtype[Any], card: ModelCard) -> None:
    if min(size[0] - card.crop[0], size[1] - card.crop[1]) < 0:
        raise InputError(
            f"{where} has images of {size[0]}×{size[1]} after binning by {card.binning}; the model needs at least "
            f"{card.crop[0]}×{card.crop[1]}"
        )
    if card.dtype is not None and dtype.name != card.dtype:
        raise InputError(
            f"{where} has pixels of type {dtype.name}; the model was trained on {card.dtype}, in which the same light "
            f"is another number: export the images as {card.dtype}, or train a model on images like these"
        )


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Phenotypes as text again, so that files and joins see nothing special."""
    names = list(table.index.names)
    return table.reset_index().astype({"phenotype": str}).set_index(names)
