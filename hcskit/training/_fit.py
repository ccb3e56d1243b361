"""The fit: recipe and plates in, network and card out; goes on from its last epoch if it was stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from hcskit.errors import InputError
from hcskit.models import mcnn
from hcskit.models.backend import keras
from hcskit.training._card import ModelCard, save_model
from hcskit.training._fields import NEGATIVE, TrainingFields, label_fields, survey
from hcskit.training._journal import Journal
from hcskit.training._recipe import OptimiserSection, Recipe
from hcskit.training._sources import KeptSource, PlateSource
from hcskit.training._split import split_folds, split_groups
from hcskit.training.batches import RandomCrops, Tiles, own_errors
from hcskit.training.parallel import KeepTogether, data_parallel, over_ranks, ranks
from hcskit.version import __version__

__all__ = ["TrainingResult", "network_and_batches", "train"]


@dataclass(frozen=True)
class TrainingResult:
    """A trained network.

    Attributes
    ----------
    model : keras.Model
        With the weights of the epoch that had the lowest validation loss.
    card : ModelCard
        What it expects and where it comes from.
    history : pandas.DataFrame
        One row an epoch: ``epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds, images_per_second``.
    fields : pandas.DataFrame
        What it learned from: ``plate, well, field, label, validation``.
    """

    model: keras.Model
    card: ModelCard
    history: pd.DataFrame
    fields: pd.DataFrame


def train(
    plates: Mapping[str, xr.Dataset],
    profiles: xr.Dataset,
    recipe: Recipe,
    out: str | Path,
    *,
    fold: tuple[int, int] | None = None,
    memory: int | None = None,
    progress: bool = True,
) -> TrainingResult:
    """Train an M-CNN on the labelled wells of plates.

    Started as one of several ranks, it learns from its share of each batch. Rank 0 writes the files; all return
    the same network.

    Parameters
    ----------
    plates : mapping of str to xarray.Dataset
        Plates by name.
    profiles : xarray.Dataset
        Illumination of the plates: ``flat`` (plate, channel, y, x) and ``dark`` (plate, channel).
    recipe : Recipe
        Everything else.
    out : path-like
        Folder for ``model.keras``, ``card.json``, ``recipe.yaml`` and ``history.csv``. If a training of the same recipe
        and data was stopped there, it goes on after its last whole epoch.
    fold : tuple of int, optional
        Number of a fold of `split_folds`, and how many there are: its fields are kept out altogether, neither learned
        from nor validated on.
    memory : int, optional
        Bytes of images to keep in memory; the others are read again in each epoch. By default, the ranks of a host
        share a quarter of what it can spare. The result does not depend on it.
    progress : bool
        Show a progress bar over epochs.

    Raises
    ------
    InputError
        If the plates do not give two classes or a clean split, or the crop is larger than the image.
    """
    data, fields, card = _prepare(plates, profiles, recipe, fold, memory)
    model, history = _fit(data, ~fields["validation"].to_numpy(), card, Path(out), progress)
    best = history.iloc[history["val_loss"].to_numpy().argmin()]
    card = card.model_copy(update={"metrics": {str(name): float(value) for name, value in best.items()}})
    if ranks().rank == 0:
        save_model(out, model, card)
    return TrainingResult(model, card, history, fields)


def network_and_batches(
    plates: Mapping[str, xr.Dataset], profiles: xr.Dataset, recipe: Recipe
) -> tuple[keras.Model, RandomCrops]:
    """Return the network that `train` fits, compiled, and the batches it fits it to; see there."""
    data, fields, card = _prepare(plates, profiles, recipe)
    return _network(data.select(~fields["validation"].to_numpy()), card)


def _prepare(
    plates: Mapping[str, xr.Dataset],
    profiles: xr.Dataset,
    recipe: Recipe,
    fold: tuple[int, int] | None = None,
    memory: int | None = None,
) -> tuple[TrainingFields, pd.DataFrame, ModelCard]:
    ranks()  # they meet now: how long each takes to read its images may differ
    keras.utils.set_random_seed(recipe.seed)
    fields = label_fields(plates, recipe.data)
    if fold is not None:
        held_out = split_folds(fields, recipe.split.by, fold[1], recipe.seed) == fold[0]
        fields = fields[~held_out].reset_index(drop=True)
    fields["validation"] = split_groups(fields, recipe.split.by, recipe.split.validation, recipe.seed)
    channels = recipe.data.channels or tuple(next(iter(plates.values()))["channel"].to_numpy().tolist())
    source = KeptSource(PlateSource(plates, profiles, fields, channels, recipe.data.binning), memory)
    learn = ~fields["validation"].to_numpy()
    normalisation, pixels = survey(source, learn & (fields["label"] == NEGATIVE).to_numpy())
    classes = (NEGATIVE, *sorted(set(fields["label"]) - {NEGATIVE}))
    labels = fields["label"].map(classes.index).to_numpy()
    data = TrainingFields(source, np.arange(len(fields)), labels, classes, normalisation)
    crop = _crop(recipe, source.shape)
    card = ModelCard(
        classes=classes,
        negative_class=NEGATIVE,
        channels=channels,
        crop=crop,
        binning=recipe.data.binning,
        pixel_size_um=source.pixel_size_um,
        normalisation=normalisation,
        recipe=recipe,
        data={str(plate): int(count) for plate, count in fields["plate"].value_counts().items()},
        fingerprint=_fingerprint(fields, source.shape, pixels),
        metrics={},
        hcskit_version=__version__,
    )
    return data, fields, card


def _fit(
    data: TrainingFields, learn: npt.NDArray[np.bool_], card: ModelCard, out: Path, progress: bool
) -> tuple[keras.Model, pd.DataFrame]:
    options = card.recipe.optimiser
    model, batches = _network(data.select(learn), card)
    rank, size, _ = ranks()
    validation = Tiles(data.select(~learn), card.crop, options.batch, rank=rank, ranks=size)
    journal = Journal(out / "history.csv", out / f".training-{_digest(card)}", batches, options.epochs, progress)
    with own_errors(batches, validation):
        model.fit(
            batches,
            initial_epoch=journal.resume(model),
            epochs=options.epochs,
            shuffle=False,  # the batches are; their order is the same on all ranks, and after a restart
            validation_data=validation,
            callbacks=[KeepTogether(batches.own_size, validation.size), journal],
            verbose=0,
        )
    journal.load_best(model)
    return model, journal.table


def _network(data: TrainingFields, card: ModelCard) -> tuple[keras.Model, RandomCrops]:
    recipe, options, (rank, size, _) = card.recipe, card.recipe.optimiser, ranks()
    crops = (card.crop, recipe.data.crops_per_field, options.batch, recipe.augmentation, recipe.seed)
    batches = RandomCrops(data, *crops, rank=rank, ranks=size, balance=recipe.data.balance)
    model = over_ranks(mcnn((*card.crop, len(card.channels)), len(card.classes), **recipe.model.model_dump()))
    model.compile(
        optimizer=data_parallel(_optimiser(options, len(batches)), compression=recipe.parallel.compression),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=options.label_smoothing),
        metrics=["accuracy"],
        weighted_metrics=[],
        jit_compile=False,
    )
    return model, batches


def _optimiser(options: OptimiserSection, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    warmup = round(options.warmup_epochs * steps_per_epoch)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=options.learning_rate / max(warmup, 1),
        decay_steps=max(1, options.epochs * steps_per_epoch - warmup),
        warmup_target=options.learning_rate,
        warmup_steps=max(warmup, 1),
    )
    optimiser = keras.optimizers.AdamW(rate, weight_decay=options.weight_decay)
    # Biases and normalisation are not weights: decaying them pulls the network off its calibration.
    optimiser.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimiser


def _crop(recipe: Recipe, shape: tuple[int, ...]) -> tuple[int, int]:
    if recipe.data.crop is None:
        return (shape[0], shape[1])
    if recipe.data.crop > min(shape):
        raise InputError(
            f"the recipe's crop of {recipe.data.crop} pixels is larger than the image, {shape[0]}×{shape[1]} after "
            f"binning by {recipe.data.binning}; make it smaller, or null for whole fields"
        )
    return (recipe.data.crop, recipe.data.crop)


def _fingerprint(fields: pd.DataFrame, shape: tuple[int, int], pixels: bytes) -> str:
    digest = hashlib.sha256(fields[["plate", "well", "field", "label", "validation"]].to_csv(index=False).encode())
    digest.update(json.dumps(shape).encode())
    digest.update(pixels)
    return digest.hexdigest()


def _digest(card: ModelCard) -> str:
    """Tell this recipe on these data from others; how ranks talk to one another makes no difference."""
    recipe = card.recipe.model_dump_json(exclude={"parallel"})
    return hashlib.sha256(f"{card.fingerprint} {recipe}".encode()).hexdigest()[:12]
