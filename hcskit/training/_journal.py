"""What a training leaves on disk as it goes: its history, and the epochs from which it goes on if it is stopped."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from hcskit.models.backend import keras
from hcskit.training.batches import RandomCrops
from hcskit.training.parallel import broadcast, share

__all__ = ["Journal"]


class Journal(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the history and the state of the last and the best epoch, shows progress, counts epochs for the batches.

    Rank 0 writes and reads for all. An epoch is done once its row is in the history, which is written after its
    state: wherever a training is cut off, the epoch of the last row can be restored.

    Parameters
    ----------
    history : Path
        File of the history.
    state : Path
        Folder of the states.
    batches : RandomCrops
        What is learned from.
    epochs : int
        Epochs in all.
    progress : bool
        Show a progress bar.

    Attributes
    ----------
    table : pandas.DataFrame
        The history: one row an epoch.
    """

    def __init__(self, history: Path, state: Path, batches: RandomCrops, epochs: int, progress: bool) -> None:
        super().__init__()
        self.history, self.state, self.batches, self.epochs, self.progress = history, state, batches, epochs, progress
        self.writes = batches.rank == 0
        self.table = pd.DataFrame()

    def resume(self, model: keras.Model) -> int:
        """Restore the last whole epoch, optimiser included, and return its number; 0 if there is none."""
        if self.writes:
            self.state.mkdir(parents=True, exist_ok=True)
            table = _table(self.history.read_text(encoding="utf-8")) if self.history.exists() else pd.DataFrame()
            if self._file(len(table)).exists():
                model.optimizer.build(model.trainable_variables)
                _restore(_variables(model), self._file(len(table)))
                self.table = table
            else:
                self.history.unlink(missing_ok=True)  # of another recipe, or other data
        self.table = _table(share(self.table.to_csv(index=False)))
        return len(self.table)

    def load_best(self, model: keras.Model) -> None:
        """Give a network the weights of the epoch that had the lowest validation loss."""
        if self.writes:
            _restore(model.variables, self._file(self._best()))
        broadcast(model.variables)

    def _best(self) -> int:
        return int(self.table["val_loss"].to_numpy().argmin()) + 1

    def _file(self, epoch: int) -> Path:
        return self.state / f"epoch{epoch}.npz"

    def on_train_begin(self, logs: Any = None) -> None:
        self.bar = tqdm(total=self.epochs, unit="epoch", desc="train", disable=not (self.progress and self.writes))
        self.bar.update(len(self.table))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
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
        self.table = pd.concat([self.table, pd.DataFrame([row])], ignore_index=True)
        if self.writes:
            values = [variable.numpy() for variable in _variables(self.model)]
            _write_whole(self._file(epoch + 1), lambda path: np.savez(path, *values))
            _write_whole(self.history, lambda path: self.table.to_csv(path, index=False))
            keep = {self._file(epoch + 1), self._file(self._best())}
            for path in set(self.state.iterdir()) - keep:
                path.unlink()
        self.bar.update()
        shown = {name: f"{row[name]:.3f}" for name in ("loss", "val_loss", "val_accuracy")}
        self.bar.set_postfix(shown | {"images/s": f"{row['images_per_second']:.0f}"})

    def on_train_end(self, logs: Any = None) -> None:
        self.bar.close()


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
    """Write a file that is there whole or not at all, even if the power fails."""
    partial = path.with_name(f".partial-{path.name}")
    write(partial)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
