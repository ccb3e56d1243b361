"""What a training leaves on disk as it goes: its history, and the epochs from which it resumes if it was stopped."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from hcskit.data._batches import RandomCrops
from hcskit.errors import RunError
from hcskit.files import make_folder, replacing, told
from hcskit.models.backend import keras, tf
from hcskit.parallel import broadcast, share
from hcskit.recipe import ensemble, flat_after, stages
from hcskit.recipe._recipe import Recipe

__all__ = ["EventLog", "Journal"]


class Journal(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the history and the state of some epochs, shows progress, counts epochs for the batches.

    Rank 0 writes and reads for all. An epoch is done once its row is in the history, which is written after its
    state: wherever a training is cut off, the epoch of the last row can be restored. It is a context, for as long as
    its progress bar is shown.

    Parameters
    ----------
    history : Path
        File of the history.
    state : Path
        Folder of the states, and of the history that belongs to them.
    batches : RandomCrops
        What is learned from.
    recipe : Recipe
        Which epochs there are, and which are kept.
    progress : bool
        Show a progress bar.

    Attributes
    ----------
    table : pandas.DataFrame
        The history: one row an epoch.
    """

    def __init__(self, history: Path, state: Path, batches: RandomCrops, recipe: Recipe, progress: bool) -> None:
        super().__init__()
        self.history, self.state, self.batches, self.last = history, state, batches, recipe.run.keep
        self.recipe = recipe
        options = recipe.optimiser
        self.snapshots = recipe.schedule.snapshots(options.warmup_epochs, options.epochs)
        self.writes = batches.rank == 0
        self.table = pd.DataFrame()
        self.bar = tqdm(
            total=options.epochs * batches.size,
            unit="image",
            unit_scale=True,
            desc="train",
            disable=not (progress and self.writes),
        )

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    @property
    def flat(self) -> int | None:
        """After which epoch the loss was flat; the same on all ranks, as the losses are."""
        return flat_after(self.table["loss"].tolist(), self.recipe) if len(self.table) else None

    def resume(self, model: keras.Model) -> int:
        """Restore the last whole epoch, optimiser included, and return its number; 0 if there is none."""
        if self.writes:
            make_folder(self.state)
            # Its own copy: the one outside may be that of another recipe, or other data, trained in this folder since.
            own = self.state / self.history.name
            table = _table(own.read_text(encoding="utf-8")) if own.exists() else pd.DataFrame()
            done = max((epoch for epoch in range(1, len(table) + 1) if self._file(epoch).exists()), default=0)
            if done:
                _restore(_variables(model), self._file(done))
                self.table = table[:done]
                _write_whole(self.history, lambda path: self.table.to_csv(path, index=False))
            else:
                with told(self.history):
                    self.history.unlink(missing_ok=True)
        self.table = _table(share(self.table.to_csv(index=False)))
        self.bar.initial = self.bar.n = len(self.table) * self.batches.size
        return len(self.table)

    def chosen(self, weights: str | None) -> list[int]:
        """Return the epochs, counted from 1, that a trained network's weights are of; see `PredictionSection`."""
        if weights == "last":
            return [len(self.table)]
        done = ensemble(len(self.table), self.recipe)
        return done if done and weights != "best" else [self._best()]

    def load(self, model: keras.Model, epoch: int) -> None:
        """Give a network the weights of an epoch."""
        if self.writes:
            _restore(model.variables, self._file(epoch))
        broadcast(model.variables)

    def _best(self) -> int:
        losses = self.table["val_loss"].to_numpy(float)
        return len(losses) if np.isnan(losses).all() else int(np.nanargmin(losses)) + 1

    def _file(self, epoch: int) -> Path:
        return self.state / f"epoch{epoch}.npz"

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.batches.epoch = epoch
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seconds = time.perf_counter() - self.started
        seen = len(self.table) + (batch + 1) / len(self.batches)
        self.bar.update(round(seen * self.batches.size) - self.bar.n)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        rate = float(self.model.optimizer.learning_rate)
        if not np.isfinite([(logs or {}).get(name, 0.0) for name in ("loss", "val_loss")]).all():
            raise RunError(
                f"the training diverged in epoch {epoch + 1}: its loss is no number any more, at a learning rate of "
                f"about {rate:.2g}. Lower it (hcskit lr-range finds one), or set clip_norm; the epochs before are kept"
            )
        numbers = dict(logs or {})
        row = {
            "epoch": epoch + 1,
            **(numbers | {name: numbers.get(name, np.nan) for name in ("val_loss", "val_accuracy")}),
            "learning_rate": rate,
            "seconds": self.seconds,
            "images_per_second": self.batches.size / self.seconds,
        }
        self.table = pd.concat([self.table, pd.DataFrame([row])], ignore_index=True)
        if self.writes:
            self._write(epoch + 1)
        if self.flat == epoch + 1:
            self.model.stop_training = True
            self.bar.total = stages(self.recipe, self.flat)[-1].end * self.batches.size
        shown = {name: f"{row[name]:.3f}" for name in ("loss", "val_loss", "val_accuracy")}
        self.bar.set_postfix({"epoch": epoch + 1} | shown | {"images/s": f"{row['images_per_second']:.0f}"})

    def _write(self, epoch: int) -> None:
        values = [variable.numpy() for variable in _variables(self.model)]
        _write_whole(self._file(epoch), lambda path: np.savez(path, *values))
        own = self.state / self.history.name
        for history in (own, self.history):
            _write_whole(history, lambda path: self.table.to_csv(path, index=False))
        kept = {*range(epoch - self.last + 1, epoch + 1), self._best(), *self.snapshots}
        for path in set(self.state.iterdir()) - {own, *map(self._file, kept)}:
            with told(path):
                path.unlink()


class EventLog(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the numbers of each epoch for TensorBoard, which need not be installed here (Keras's own needs it).

    Parameters
    ----------
    folder : Path
        Where event files are written.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.writer = tf.summary.create_file_writer(str(folder))
        self.metadata = tf.compat.v1.SummaryMetadata()
        self.metadata.plugin_data.plugin_name = "scalars"

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        numbers = {**(logs or {}), "learning_rate": float(self.model.optimizer.learning_rate)}
        with self.writer.as_default(step=epoch + 1):
            for name, number in numbers.items():
                tf.summary.write(name, tf.constant(number, tf.float32), metadata=self.metadata)
        self.writer.flush()


def _table(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), float_precision="round_trip") if text.strip() else pd.DataFrame()


def _variables(model: keras.Model) -> list[Any]:
    """List the whole state; Keras's own files leave out that of dropout, which would then repeat itself."""
    return [*model.variables, *model.optimizer.variables]


def _restore(variables: list[Any], path: Path) -> None:
    with np.load(path) as saved:
        for number, variable in enumerate(variables):
            variable.assign(saved[f"arr_{number}"])


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    with replacing(path) as partial:
        write(partial)
