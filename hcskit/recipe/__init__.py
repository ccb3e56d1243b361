"""How to train: everything that defines a network, in one YAML file. Nothing here loads TensorFlow."""

from hcskit.recipe._rates import Rates
from hcskit.recipe._recipe import (
    AdamWSection,
    AugmentationSection,
    DataSection,
    LAMBSection,
    LARSSection,
    Optimiser,
    ParallelSection,
    PredictionSection,
    Recipe,
    SGDSection,
)
from hcskit.recipe._stages import Stage, learning_rates, stages

__all__ = [
    "AdamWSection",
    "AugmentationSection",
    "DataSection",
    "LAMBSection",
    "LARSSection",
    "Optimiser",
    "ParallelSection",
    "PredictionSection",
    "Rates",
    "Recipe",
    "SGDSection",
    "Stage",
    "learning_rates",
    "stages",
]
