"""Whoever uses a network is told what speaks against it."""

from __future__ import annotations

from collections.abc import Callable

from hcskit.training import TrainedModel

__all__ = ["say_doubts"]


def say_doubts(model: TrainedModel, say: Callable[[str], object]) -> TrainedModel:
    """Say each reason that the card of a model has to distrust it, and return the model."""
    for doubt in model.card.doubts:
        say(doubt)
    return model
