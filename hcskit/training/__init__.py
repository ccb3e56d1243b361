"""From labelled plates to a trained network and its card."""

from hcskit.training._batches import RandomCrops, tiles
from hcskit.training._card import ModelCard, load_model, save_model
from hcskit.training._fields import Normalisation, TrainingFields, label_fields, read_fields
from hcskit.training._fit import TrainingResult, network_and_batches, train
from hcskit.training._plan import learning_rates
from hcskit.training._range import RangeTest, lr_range
from hcskit.training._recipe import ParallelSection, Recipe
from hcskit.training._split import split_folds, split_groups

__all__ = [
    "ModelCard",
    "Normalisation",
    "ParallelSection",
    "RandomCrops",
    "RangeTest",
    "Recipe",
    "TrainingFields",
    "TrainingResult",
    "label_fields",
    "learning_rates",
    "load_model",
    "lr_range",
    "network_and_batches",
    "read_fields",
    "save_model",
    "split_folds",
    "split_groups",
    "tiles",
    "train",
]
