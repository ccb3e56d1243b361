"""A trained network adapted to the controls of another plate, in a few steps at a low rate."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from hcskit.data._batches import RandomCrops, Tiles
from hcskit.data._fields import TrainingFields, survey
from hcskit.data._labelled import LabelledData
from hcskit.data._sources import KeptSource
from hcskit.data._stand_ins import describe_stand_ins
from hcskit.errors import InputError
from hcskit.models.backend import keras
from hcskit.recipe._recipe import FinetuneSection
from hcskit.training._card import ModelCard, Parent, save_model
from hcskit.training._check import check_learned
from hcskit.training._describe import describe_untreated
from hcskit.training._ensemble import each_reading, finish, read_tiles
from hcskit.training._fused import fuse_normalisation
from hcskit.training._model import TrainedModel, open_model
from hcskit.training._statistics import measure_statistics
from hcskit.version import __version__

__all__ = ["finetune"]


def finetune(
    data: LabelledData, model: TrainedModel, section: FinetuneSection, out: str | Path, *, progress: bool = True
) -> TrainedModel:
    """Adapt a network to labelled images, in this process; `hcskit.finetune` does it anywhere.

    All layers learn, of each network of an ensemble: the strength of a phenotype is read before the last layers, so
    that a head alone could not change it. Nothing is held out of the few wells that there are.

    Parameters
    ----------
    data : LabelledData
        As `hcskit.data.open_data` returns it.
    model : TrainedModel
        What to start from; it is left as it is.
    section : FinetuneSection
        For how long, and at which rate. The data are labelled and varied as the model's own recipe says.
    out : path-like
        Folder for the new model.
    progress : bool
        Show a progress bar over steps.

    Raises
    ------
    InputError
        If the data have a class that the model does not know, or a channel is missing.
    """
    card = model.card
    fields = data.label(card.recipe.data)
    images, fingerprint = _images(data, fields, card)
    recipe = card.recipe.model_copy(update={"finetune": section})
    networks = _adapted(model.network, images, card, section, progress)
    # A temperature is measured on what is held out, and nothing is.
    prediction = recipe.prediction.model_copy(update={"calibrate": False})
    nothing = Tiles(images.select(np.zeros(len(images), bool)), card.crop, recipe.optimiser.batch)
    adapted, _ = finish(networks, prediction, nothing)
    said, truth = read_tiles([adapted], _tiles(images, card))
    own = card.model_copy(
        update={
            "recipe": recipe.model_copy(update={"prediction": prediction}),
            "normalisation": images.normalisation,
            "data": {str(plate): int(count) for plate, count in fields["plate"].value_counts().items()},
            "fingerprint": fingerprint,
            "stand_ins": describe_stand_ins(fields),
            "metrics": check_learned(said[0], truth),
            "hcskit_version": __version__,
            "parent": Parent(
                name=model.folder.resolve().name,
                weights_sha256=card.weights_sha256,
                data=card.data,
                parent=card.parent,
            ),
        }
    )
    untreated = describe_untreated(each_reading(adapted, prediction.views, 1.0), images.source, fields, own)
    save_model(out, adapted, own.model_copy(update={"untreated": untreated}))
    return open_model(Path(out))


def _images(data: LabelledData, fields: pd.DataFrame, card: ModelCard) -> tuple[TrainingFields, str]:
    """Return the labelled images at the brightness of their own negative controls, and what tells them from others."""
    strange = sorted(set(fields["label"]).difference(card.classes))
    if strange:
        raise InputError(
            f"the plate has the class {', '.join(strange)}, and the model knows {', '.join(card.classes)}; train a "
            "model of all classes, or leave it out (data.exclude of the model's recipe)"
        )
    source = KeptSource(data.source(fields, card.channels, card.binning))
    untreated = fields["label"].isin([card.negative_class] if card.negative_class else card.classes)
    normalisation, pixels = survey(source, untreated.to_numpy())
    if not card.recipe.prediction.standardise:
        normalisation = card.normalisation
    labels = fields["label"].map(card.classes.index).to_numpy()
    listed = fields[["plate", "well", "field", "label"]].to_csv(index=False).encode()
    images = TrainingFields(source, np.arange(len(fields)), labels, card.classes, normalisation)
    return images, hashlib.sha256(listed + pixels).hexdigest()


def _adapted(
    model: Any, images: TrainingFields, card: ModelCard, section: FinetuneSection, progress: bool
) -> list[Any]:
    recipe = card.recipe
    keras.utils.set_random_seed(recipe.seed)
    parts = [layer for layer in model.layers if isinstance(layer, keras.Model)] or [model]
    everything = len(np.unique(images.labels)) == len(card.classes)
    batches = RandomCrops(
        *(images, card.crop, recipe.data.crops_per_field, recipe.optimiser.batch, recipe.augmentation, recipe.seed),
        balance=everything,
    )
    networks = []
    with tqdm(total=section.steps * len(parts), unit="step", desc="finetune", disable=not progress) as bar:
        for part in parts:
            network = fuse_normalisation(keras.models.clone_model(part))
            network.set_weights(part.get_weights())
            rate = keras.optimizers.schedules.CosineDecay(section.learning_rate, max(1, section.steps))
            smoothing = recipe.optimiser.label_smoothing
            loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
            network.compile(optimizer=keras.optimizers.Adam(rate), loss=loss)
            network.optimizer.build(network.trainable_variables)
            for step in range(section.steps):
                batches.epoch, number = divmod(step, batches.steps)
                network.train_on_batch(*batches[number])
                bar.update()
            tiles = _tiles(images, card, recipe.seed)
            measure_statistics(network, (tiles[number][0] for number in range(len(tiles))))
            networks.append(keras.Model(network.input, network.output, name=part.name))
    return networks


def _tiles(images: TrainingFields, card: ModelCard, seed: int | None = None) -> Tiles:
    return Tiles(images, card.crop, card.recipe.optimiser.batch, seed=seed)
