"""Models that were never trained, for tests of what is done with a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hcskit.data import LabelledData, Normalisation
from hcskit.recipe import Recipe
from hcskit.training import ModelCard, TrainedModel, describe_untreated, each_reading, open_model, save_model

__all__ = ["card_of", "described_model"]


def card_of(channels: tuple[str, ...], crop: tuple[int, int], recipe: Recipe | None = None, **others: Any) -> ModelCard:
    """Return the card of a model of controls, or what others make of it."""
    known = {
        "classes": ("negative_control", "positive_control"),
        "negative_class": "negative_control",
        "binning": 1,
        "pixel_size_um": None,
        "normalisation": Normalisation(centre=(0.0,) * len(channels), scale=(1.0,) * len(channels)),
        "data": {},
        "fingerprint": "",
        "metrics": {},
        "hcskit_version": "",
    }
    return ModelCard(**known | {"channels": channels, "crop": crop, "recipe": recipe or Recipe()} | others)


def described_model(folder: Path, network: Any, data: LabelledData, recipe: Recipe, **others: Any) -> TrainedModel:
    """Save a network that knows what the controls of some data look like, at a light of 100 to 300 counts."""
    fields = data.label(recipe.data)
    source = data.source(fields, data.channels, 1)
    light = Normalisation(centre=(200.0,) * len(data.channels), scale=(100.0,) * len(data.channels))
    crop = (network.input_shape[1], network.input_shape[2])
    own = {"pixel_size_um": source.pixel_size_um, "normalisation": light, "dtype": "uint16"}
    card = card_of(tuple(data.channels), crop, recipe, **own | others)
    untreated = describe_untreated(each_reading(network, 1, 1.0), source, fields, card)
    return open_model(save_model(folder, network, card.model_copy(update={"untreated": untreated})))
