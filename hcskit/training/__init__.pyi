from ._card import ModelCard, load_card, load_model, save_model
from ._ensemble import calibration_error, each_network
from ._fit import TrainingResult, network_and_batches, train
from ._lr_range import RangeTest, lr_range
from ._model import TrainedModel, open_model

__all__ = [
    "ModelCard",
    "RangeTest",
    "TrainedModel",
    "TrainingResult",
    "calibration_error",
    "each_network",
    "load_card",
    "load_model",
    "lr_range",
    "network_and_batches",
    "open_model",
    "save_model",
    "train",
]
