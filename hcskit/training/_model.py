"""A trained network in its folder: the one object that training returns and prediction takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from hcskit.recipe import Recipe
from hcskit.training._card import ModelCard, load_card, load_model
from hcskit.training._folder import read_history

__all__ = ["TrainedModel", "open_model"]


@dataclass(frozen=True)
class TrainedModel:
    """A trained network; its weights and history are read from its folder when they are asked for.

    Attributes
    ----------
    folder : pathlib.Path
        Folder of ``model.keras``, ``card.json``, ``recipe.yaml`` and ``history.csv``.
    card : ModelCard
        What the network expects, and where it comes from.
    """

    folder: Path
    card: ModelCard

    @property
    def recipe(self) -> Recipe:
        """How it was trained."""
        return self.card.recipe

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row an epoch, as `hcskit.training.TrainingResult.history`; empty if the training left none."""
        return read_history(self.folder)

    @cached_property
    def network(self) -> Any:
        """The `keras.Model`, without its optimiser. Loads TensorFlow, and runs no code from the file."""
        return load_model(self.folder)[0]


def open_model(folder: str | Path | TrainedModel) -> TrainedModel:
    """Open a trained network; one that is open already is returned as it is.

    Raises
    ------
    NotAScreenError
        If the folder holds no trained network.
    InputError
        If its card cannot be read, or belongs to another model file.
    """
    if isinstance(folder, TrainedModel):
        return folder
    return TrainedModel(Path(folder), load_card(folder))
