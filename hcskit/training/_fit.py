"""The fit: recipe and images in, network and card out; a fit that was stopped resumes after its last epoch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from hcskit.data._batches import RandomCrops, Tiles, own_errors
from hcskit.data._fields import NEGATIVE, TrainingFields, survey, tile_corners
from hcskit.data._labelled import LabelledData
from hcskit.data._learnable import crop_of
from hcskit.data._sources import KeptSource
from hcskit.data._split import split_folds, split_groups
from hcskit.data._stand_ins import describe_stand_ins
from hcskit.models.backend import keras, tf
from hcskit.parallel import KeepTogether, data_parallel, decided, device, over_ranks, ranks
from hcskit.recipe import last_steps, learning_rates, stages
from hcskit.recipe._recipe import Recipe
from hcskit.schedules import Rates
from hcskit.training._card import ModelCard, save_model
from hcskit.training._check import check_learned
from hcskit.training._checkpoints import EventLog, Journal
from hcskit.training._describe import describe_untreated
from hcskit.training._ensemble import each_reading, finish, read_tiles
from hcskit.training._fused import fuse_normalisation
from hcskit.training._parts import weigh_parts
from hcskit.training._statistics import measure_statistics
from hcskit.version import __version__

__all__ = ["TrainingResult", "fit", "network_and_batches"]

_ENOUGH = 1024  # images to measure statistics on; Wu & Johnson, arXiv:2105.07576, find no more to be gained


@dataclass(frozen=True)
class TrainingResult:
    """A trained network.

    Attributes
    ----------
    model : keras.Model
        With the weights that the recipe says, of the epoch with the lowest validation loss, say; not compiled.
    card : ModelCard
        What it expects and where it comes from.
    history : pandas.DataFrame
        One row an epoch: ``epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds, images_per_second``;
        NaN where nothing is held out.
    fields : pandas.DataFrame
        What it learned from: ``plate, well, field, label, validation``.
    """

    model: keras.Model
    card: ModelCard
    history: pd.DataFrame
    fields: pd.DataFrame


def fit(
    data: LabelledData,
    recipe: Recipe,
    out: str | Path,
    *,
    fold: tuple[int, int] | None = None,
    memory: int | None = None,
    progress: bool = True,
) -> TrainingResult:
    """Fit a network to labelled images, in this process; `hcskit.train` does it anywhere.

    Started as one of several ranks, it learns from its share of each batch. Rank 0 writes the files; all return
    the same network.

    Parameters
    ----------
    data : LabelledData
        As `hcskit.data.open_data` returns it.
    recipe : Recipe
        Everything else.
    out : path-like
        Folder for ``model.keras``, ``card.json``, ``recipe.yaml`` and ``history.csv``. If a training of the same recipe
        and data was stopped there, it resumes after its last whole epoch.
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
        If the data do not give two classes or a clean split, or the crop is larger than the image.
    """
    images, fields, card = _prepare(data, recipe, fold, memory)
    learn = ~fields["validation"].to_numpy()
    networks, history, epoch = _run_epochs(images, learn, card, Path(out), progress)
    held_out = Tiles(images.select(~learn), card.crop, recipe.optimiser.batch)
    model, seen = finish(networks, recipe.prediction, held_out)
    found = {f"held_out_{name}": value for name, value in seen.items()}
    said, truth = read_tiles([model], _some_learned(images.select(learn), card))
    found |= check_learned(said[0], truth)
    row = {str(name): float(value) for name, value in history.iloc[epoch - 1].dropna().items()}
    card = card.model_copy(update={"metrics": row | found})
    if ranks().rank == 0:
        reading = each_reading(model, recipe.prediction.views, seen.get("temperature", 1.0))
        card = card.model_copy(update={"untreated": describe_untreated(reading, images.source, fields, card)})
        save_model(out, model, card)
    return TrainingResult(model, card, history, fields)


def network_and_batches(
    data: LabelledData,
    recipe: Recipe,
    *,
    rates: Callable[[Recipe, int], Rates] = learning_rates,
) -> tuple[keras.Model, RandomCrops]:
    """Return the network that `fit` trains, compiled, and the batches it fits it to; see there.

    Learning rates other than the recipe's come from a function of the recipe and the number of crops in an epoch.
    """
    images, fields, card = _prepare(data, recipe)
    return _network(images.select(~fields["validation"].to_numpy()), card, rates)


def _prepare(
    data: LabelledData,
    recipe: Recipe,
    fold: tuple[int, int] | None = None,
    memory: int | None = None,
) -> tuple[TrainingFields, pd.DataFrame, ModelCard]:
    ranks()  # they meet now: how long each takes to read its images may differ
    recipe = decided(recipe)
    if recipe.run.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(recipe.seed)
    fields = data.label(recipe.data)
    if fold is not None:
        held_out = split_folds(fields, recipe.split.by, fold[1], recipe.seed) == fold[0]
        fields = fields[~held_out].reset_index(drop=True)
    fields["validation"] = split_groups(fields, recipe.split.by, recipe.split.validation, recipe.seed)
    channels = recipe.data.channels or data.channels
    source = KeptSource(data.source(fields, channels, recipe.data.binning), memory)
    crop = crop_of(recipe, source.shape)
    labels = set(fields["label"])
    negative = [NEGATIVE] if NEGATIVE in labels else []
    classes = (*negative, *sorted(labels.difference(negative)))
    untreated = fields["label"].isin(negative or labels) & ~fields["validation"]
    normalisation, pixels = survey(source, untreated.to_numpy())
    numbers = fields["label"].map(classes.index).to_numpy()
    images = TrainingFields(source, np.arange(len(fields)), numbers, classes, normalisation)
    card = ModelCard(
        classes=classes,
        negative_class=NEGATIVE if negative else None,
        channels=channels,
        crop=crop,
        binning=recipe.data.binning,
        pixel_size_um=source.pixel_size_um,
        normalisation=normalisation,
        recipe=recipe,
        data={str(plate): int(count) for plate, count in fields["plate"].value_counts().items()},
        dtype=np.dtype(data.dtype).name,
        fingerprint=_fingerprint(fields, source.shape, pixels),
        metrics={},
        stand_ins=describe_stand_ins(fields),
        hcskit_version=__version__,
    )
    return images, fields, card


def _run_epochs(
    data: TrainingFields, learn: npt.NDArray[np.bool_], card: ModelCard, out: Path, progress: bool
) -> tuple[list[keras.Model], pd.DataFrame, int]:
    """Return the networks that the recipe asks for, the history, and the last epoch that they are of."""
    recipe = card.recipe
    model, batches = _network(data.select(learn), card)
    rank, size, _ = ranks()
    validation = Tiles(data.select(~learn), card.crop, recipe.optimiser.batch, rank=rank, ranks=size)
    events = [EventLog(out / "logs")] if recipe.run.tensorboard and batches.rank == 0 else []
    state = out / f".training-{_digest(card)}"
    with own_errors(batches, validation), Journal(out / "history.csv", state, batches, recipe, progress) as journal:
        done = journal.resume(model)
        while left := [stage for stage in stages(recipe, journal.flat) if stage.end > done]:
            begin, end, batches.batch = left[0]
            if done == journal.flat:
                _follow(model, recipe, last_steps(recipe, batches.size))
            model.fit(
                batches,
                initial_epoch=max(begin, done),
                epochs=end,
                shuffle=False,  # the batches are; their order is the same on all ranks, and after a restart
                validation_data=validation if validation.size else None,
                callbacks=[KeepTogether(batches.own_size, validation.size), *events, journal],
                verbose=0,
            )
            done = len(journal.table)
    networks, chosen = [], journal.chosen(recipe.prediction.weights)
    for epoch in chosen:
        journal.load(model, epoch)
        learned = _some_learned(data.select(learn), card, recipe.seed)
        measure_statistics(model, (learned[number][0] for number in range(len(learned))))
        networks.append(_copy(model, f"network_{epoch}"))
    return networks, journal.table, chosen[-1]


def _follow(model: keras.Model, recipe: Recipe, step: int) -> None:
    """Let the learning rate go on from another step of its schedule."""
    optimiser = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    optimiser.iterations.assign(step * recipe.optimiser.parts)


def _some_learned(learned: TrainingFields, card: ModelCard, seed: int | None = None) -> Tiles:
    """Return images as the network will read them, of fields of each class that it learned from; the same on all ranks.

    With a seed they are mixed, as in training: the moments of a batch of one class are not those it learned with.
    """
    each, options = len(tile_corners(learned.source.shape, card.crop)), card.recipe.optimiser
    chosen = np.zeros(len(learned), bool)
    for label in np.unique(learned.labels):
        own = np.flatnonzero(learned.labels == label)
        count = min(len(own), max(1, round(len(own) / len(learned) * _ENOUGH / each)))
        chosen[own[np.linspace(0, len(own) - 1, count).round().astype(int)]] = True
    return Tiles(learned.select(chosen), card.crop, math.ceil(options.batch / options.parts), seed=seed)


def _copy(model: keras.Model, name: str) -> keras.Model:
    """Return a network of its own weights, not compiled."""
    plain = keras.Model(model.input, model.output)
    copy = keras.models.clone_model(plain)
    copy.set_weights(plain.get_weights())
    own = keras.Model(copy.input, copy.output, name=name)
    own.jit_compile = model.jit_compile
    return own


def _network(
    data: TrainingFields, card: ModelCard, rates: Callable[[Recipe, int], Rates] = learning_rates
) -> tuple[keras.Model, RandomCrops]:
    recipe, options, (rank, size, _) = card.recipe, card.recipe.optimiser, ranks()
    crops = (card.crop, recipe.data.crops_per_field, options.batch, recipe.augmentation, recipe.seed)
    batches = RandomCrops(data, *crops, parts=options.parts, rank=rank, ranks=size, balance=recipe.data.balance)
    network = recipe.model.build((*card.crop, len(card.channels)), len(card.classes))
    model = over_ranks(fuse_normalisation(weigh_parts(network)))
    optimiser = options.build(rates(recipe, batches.size))
    if recipe.model.precision == "float16":
        # Before it is made data-parallel, so that all ranks skip the same steps; Keras would do it only afterwards.
        optimiser = keras.optimizers.LossScaleOptimizer(optimiser)
    model.compile(
        optimizer=data_parallel(optimiser, compression=recipe.parallel.compression),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=options.label_smoothing),
        metrics=["accuracy"],
        weighted_metrics=[],
        jit_compile=device().xla and not recipe.run.deterministic,
    )
    model.optimizer.build(model.trainable_variables)  # in the first step, the step would be traced twice
    return model, batches


def _fingerprint(fields: pd.DataFrame, shape: tuple[int, int], pixels: bytes) -> str:
    digest = hashlib.sha256(fields[["plate", "well", "field", "label", "validation"]].to_csv(index=False).encode())
    digest.update(json.dumps(shape).encode())
    digest.update(pixels)
    return digest.hexdigest()


def _digest(card: ModelCard) -> str:
    """Tell this recipe on these data from others, in what the weights depend on."""
    recipe = card.recipe.model_dump_json(exclude={"finetune", "parallel", "prediction", "run"})
    return hashlib.sha256(f"{card.fingerprint} {recipe}".encode()).hexdigest()[:12]
