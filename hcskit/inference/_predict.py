"""Predictions: the probability of each phenotype in every field, and in every well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from hcskit.data import ImageFolder, LabelledData, ScreenData
from hcskit.errors import InputError
from hcskit.inference._readouts import phenotype_controls, readouts
from hcskit.results import (
    DISTANCES,
    FIELD_PREDICTIONS,
    PHENOTYPE_CONTROLS,
    PLATE_DRIFT,
    PREDICTIONS,
    READOUTS,
    SALIENCY_MAPS,
    STRENGTHS,
    remove_table,
    write_table,
)
from hcskit.screen import field_table
from hcskit.training import ModelCard

__all__ = [
    "Predictions",
    "gather_predictions",
    "predictable_fields",
    "write_predictions",
]

_PIXEL_TOLERANCE = 0.05  # relative; objectives of one nominal magnification differ by a few per cent


@dataclass(frozen=True)
class Predictions:
    """Probabilities of the phenotypes, and their strengths.

    Attributes
    ----------
    fields : pandas.DataFrame
        Index ``plate, well, field, phenotype``: ``probability`` (mean over the field's crops) and ``n_crops``.
    wells : pandas.DataFrame
        Index ``plate, well, phenotype``: ``probability`` (mean over the well's fields), ``sd`` (over all crops of the
        well: how mixed it is) and ``n_fields``. If the model is an ensemble, also the probability that each network
        gives the well, ``network_1`` and so on; `hcskit.response.fit_responses` makes use of them.
    features : mapping
        What they were read from: as `gather_features` returns it.
    unevenness : mapping
        By how much the crops of a well differ in that: as `gather_unevenness` returns it.
    strengths : pandas.DataFrame or None
        As `gather_strengths` returns it; None without controls.
    distances : pandas.DataFrame or None
        As `gather_distances` returns it; None without negative controls.
    light : mapping
        What the light of the negative controls is like, of each plate that has some: as `hcskit.data.gather_light`
        returns it.
    drift : pandas.DataFrame or None
        How the plates compare with those that the network learned from: as `compare_untreated` returns it.
    maps : pandas.DataFrame or None
        Which parts of some fields of one plate speak for each phenotype; empty where nothing can be told. None where
        they were not looked at, since nothing has changed.
    """

    fields: pd.DataFrame
    wells: pd.DataFrame
    features: Mapping[str, xr.DataArray] = field(default_factory=dict)
    unevenness: Mapping[str, xr.DataArray] = field(default_factory=dict)
    strengths: pd.DataFrame | None = None
    distances: pd.DataFrame | None = None
    light: Mapping[str, xr.DataArray] = field(default_factory=dict)
    drift: pd.DataFrame | None = None
    maps: pd.DataFrame | None = None

    @property
    def verdicts(self) -> dict[str, str]:
        """What is said of each plate that could be compared: as in training, shifted, or not this assay."""
        if self.drift is None:
            return {}
        return {str(plate): str(said) for plate, said in self.drift["verdict"].groupby("plate").first().items()}


def predictable_fields(data: LabelledData, card: ModelCard) -> pd.DataFrame:
    """List what a network can be applied to: ``plate, well, field`` and further columns, one row per image.

    For a screen, these are the usable fields; in a folder, each image is a well of its own, named after its ``file``.

    Raises
    ------
    InputError
        If the data do not fit the card: a channel is missing, the size or type of a pixel is another, or images are
        smaller than the network's input; or if there is no usable field.
    """
    if isinstance(data, ImageFolder):
        table = pd.DataFrame({"plate": data.folder.name, "well": data.files, "field": 1, "file": data.files})
        shape = data.source(table.iloc[:1], card.channels, card.binning).shape
        _check_images(str(data.folder), shape, data.dtype, card)
        return table
    if not isinstance(data, ScreenData):
        raise InputError(f"a network is applied to a screen or a folder of images; found {type(data).__name__}")
    for name, plate in data.plates.items():
        _check(name, plate, card)
    fields = pd.concat([field_table(plate) for plate in data.plates.values()], ignore_index=True)
    if fields.empty:
        raise InputError(f"no field of {', '.join(data.plates)} can be used; look at what the quality step excluded")
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


def write_predictions(
    folder: str | Path,
    plates: Mapping[str, xr.Dataset],
    predictions: Predictions,
    card: ModelCard,
    made_from: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write predictions as the result tables of a screen, from where `hcskit.open_screen` joins them.

    Parameters
    ----------
    folder : path-like
        Folder of the screen.
    plates : mapping
        Plates by name. With a plate map, the readouts and the controls' statistics are written as well.
    predictions : Predictions
        What to write.
    card : ModelCard
        Of the model they are from.
    made_from : mapping of str to str, optional
        As `hcskit.results.write_table` takes it.

    Returns
    -------
    list of Path
        The tables.
    """
    tables = [(FIELD_PREDICTIONS, predictions.fields), (PREDICTIONS, predictions.wells)]
    optional = [
        (STRENGTHS, predictions.strengths),
        (DISTANCES, predictions.distances),
        (PLATE_DRIFT, predictions.drift),
    ]
    if predictions.maps is not None:  # else those that are there are of what is there
        optional.append((SALIENCY_MAPS, predictions.maps if len(predictions.maps) else None))
    for table, frame in optional:
        if frame is not None:
            tables.append((table, frame))
        else:  # those of another model
            remove_table(folder, table)
    if all("role" in plate.coords for plate in plates.values()):
        told = readouts(plates, predictions.wells, predictions.strengths, predictions.distances, card)
        tables += [(READOUTS, told), (PHENOTYPE_CONTROLS, phenotype_controls(told, card))]
    return [write_table(folder, table, frame, _own(made_from, frame)) for table, frame in tables]


def _own(made_from: Mapping[str, str] | None, frame: pd.DataFrame) -> Mapping[str, str] | None:
    """Return what those plates are made from that a table has."""
    if made_from is None or "plate" not in frame.index.names:
        return made_from
    plates = frame.index.unique("plate")
    return {plate: key for plate, key in made_from.items() if plate in plates}


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
    """Turn phenotypes back into text, so that files and joins need no categories."""
    names = list(table.index.names)
    return table.reset_index().astype({"phenotype": str}).set_index(names)
