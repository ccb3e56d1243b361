"""How to train: everything that defines a network, in one YAML file. Nothing here loads TensorFlow."""

from hcskit.recipe._recipe import (
    AugmentationSection,
    DataSection,
    FinetuneSection,
    ParallelSection,
    PredictionSection,
    Recipe,
)
from hcskit.recipe._stages import Stage, ensemble, flat_after, last_steps, learning_rates, stages

__all__ = [
    "AugmentationSection",
    "DataSection",
    "FinetuneSection",
    "ParallelSection",
    "PredictionSection",
    "Recipe",
    "Stage",
    "ensemble",
    "flat_after",
    "last_steps",
    "learning_rates",
    "stages",
]
