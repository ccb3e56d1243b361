"""The fit: recipe and plates in, network and card out; goes on from its last epoch if it was stopped."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from tqdm import tqdm

from hcskit.errors import InputError
from hcskit.models import mcnn
from hcskit.models.backend import keras
from hcskit.training._batches import RandomCrops, tiles
from hcskit.training._card import ModelCard, save_model
from hcskit.training._fields import NEGATIVE, Normalisation, TrainingFields, label_fields, read_fields
from hcskit.training._recipe import OptimiserSection, Recipe
from hcskit.training._split import split_groups
from hcskit.version import __version__

__all__ = ["TrainingResult", "train"]


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
    progress: bool = True,
) -> TrainingResult:
    """Train an M-CNN on the labelled wells of plates.

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
    progress : bool
        Show a progress bar over epochs.

    Raises
    ------
    InputError
        If the plates do not give two classes or a clean split, or the crop is larger than the image.
    """
    keras.utils.set_random_seed(recipe.seed)
    fields = label_fields(plates, recipe.data)
    fields["validation"] = split_groups(fields, recipe.split.by, recipe.split.validation, recipe.seed)
    channels = recipe.data.channels or tuple(next(iter(plates.values()))["channel"].to_numpy().tolist())
    light = read_fields(plates, profiles, fields, channels, recipe.data.binning)
    learn = ~fields["validation"].to_numpy()
    normalisation = Normalisation.measure(light[learn & (fields["label"] == NEGATIVE).to_numpy()])
    classes = (NEGATIVE, *sorted(set(fields["label"]) - {NEGATIVE}))
    data = TrainingFields(normalisation.apply(light), fields["label"].map(classes.index).to_numpy(), classes)
    crop = _crop(recipe, light.shape[1:3])
    card = ModelCard(
        classes=classes,
        negative_class=NEGATIVE,
        channels=channels,
        crop=crop,
        binning=recipe.data.binning,
        pixel_size_um=next(iter(plates.values())).attrs.get("pixel_size_um"),
        normalisation=normalisation,
        recipe=recipe,
        data={str(plate): int(count) for plate, count in fields["plate"].value_counts().items()},
        fingerprint=_fingerprint(fields, light),
        metrics={},
        hcskit_version=__version__,
    )
    model, history = _fit(data, learn, card, Path(out), progress)
    best = history.iloc[history["val_loss"].to_numpy().argmin()]
    card = card.model_copy(update={"metrics": {str(name): float(value) for name, value in best.items()}})
    save_model(out, model, card)
    return TrainingResult(model, card, history, fields)


def _fit(
    data: TrainingFields, learn: npt.NDArray[np.bool_], card: ModelCard, out: Path, progress: bool
) -> tuple[keras.Model, pd.DataFrame]:
    recipe, options = card.recipe, card.recipe.optimiser
    batches = RandomCrops(
        data.select(learn), card.crop, recipe.data.crops_per_field, options.batch, recipe.augmentation, recipe.seed
    )
    model = mcnn((*card.crop, len(card.channels)), len(card.classes), **recipe.model.model_dump())
    model.compile(
        optimizer=_optimiser(options, len(batches)),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=options.label_smoothing),
        metrics=["accuracy"],
        weighted_metrics=[],
        jit_compile=False,
    )
    state = out / f".training-{card.fingerprint[:12]}"
    state.mkdir(parents=True, exist_ok=True)
    journal = _Journal(out / "history.csv", state, batches, options.epochs, progress)
    model.fit(
        batches,
        epochs=options.epochs,
        validation_data=_validation(data.select(~learn), card.crop),
        validation_batch_size=options.batch,
        callbacks=[
            keras.callbacks.BackupAndRestore(str(state / "last"), delete_checkpoint=False),
            journal,
        ],
        verbose=0,
    )
    model.load_weights(state / "best.weights.h5")
    return model, journal.table


class _Journal(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the history as it grows, keeps the best weights, shows progress, and counts epochs for the batches."""

    def __init__(self, path: Path, state: Path, batches: RandomCrops, epochs: int, progress: bool) -> None:
        super().__init__()
        self.path, self.state, self.batches, self.epochs, self.progress = path, state, batches, epochs, progress
        self.table = pd.DataFrame()

    def on_train_begin(self, logs: Any = None) -> None:
        self.bar = tqdm(total=self.epochs, unit="epoch", desc="train", disable=not self.progress)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self.table.empty and epoch > 0 and self.path.exists():
            before = pd.read_csv(self.path)
            self.table = before[before["epoch"] <= epoch]
            self.bar.update(epoch)
        self.batches.epoch = epoch
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seconds = time.perf_counter() - self.started

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        row = {
            "epoch": epoch + 1,
            **(logs or {}),
            "learning_rate": float(self.model.optimizer.learning_rate),
            "seconds": self.seconds,
            "images_per_second": self.batches.size / self.seconds,
        }
        if self.table.empty or row["val_loss"] < self.table["val_loss"].min():
            self.model.save_weights(self.state / "best.weights.h5")
        self.table = pd.concat([self.table, pd.DataFrame([row])], ignore_index=True)
        self.table.to_csv(self.path, index=False)
        self.bar.update()
        shown = {name: f"{row[name]:.3f}" for name in ("loss", "val_loss", "val_accuracy")}
        self.bar.set_postfix(shown | {"images/s": f"{row['images_per_second']:.0f}"})

    def on_train_end(self, logs: Any = None) -> None:
        self.bar.close()


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


def _validation(data: TrainingFields, crop: tuple[int, int]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    cut = [tiles(image, crop) for image in data.images]
    labels = np.repeat(data.labels, [len(part) for part in cut])
    return np.concatenate(cut), np.eye(len(data.classes), dtype=np.float32)[labels]


def _crop(recipe: Recipe, shape: tuple[int, ...]) -> tuple[int, int]:
    if recipe.data.crop is None:
        return (shape[0], shape[1])
    if recipe.data.crop > min(shape):
        raise InputError(
            f"the recipe's crop of {recipe.data.crop} pixels is larger than the image, {shape[0]}×{shape[1]} after "
            f"binning by {recipe.data.binning}; make it smaller, or null for whole fields"
        )
    return (recipe.data.crop, recipe.data.crop)


def _fingerprint(fields: pd.DataFrame, light: npt.NDArray[np.float32]) -> str:
    digest = hashlib.sha256(fields[["plate", "well", "field", "label", "validation"]].to_csv(index=False).encode())
    digest.update(json.dumps(light.shape).encode())
    digest.update(np.ascontiguousarray(light[:, ::16, ::16]).tobytes())
    return digest.hexdigest()
