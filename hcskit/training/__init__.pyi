from ._card import ModelCard, load_card, load_model, save_model
from ._ensemble import calibration_error, each_network, each_reading
from ._fit import TrainingResult, fit, network_and_batches
from ._folder import read_history, sole_writer
from ._lr_range import RangeTest, lr_range
from ._model import TrainedModel, open_model

__all__ = [
    "ModelCard",
    "RangeTest",
    "TrainedModel",
    "TrainingResult",
    "calibration_error",
    "each_network",
    "each_reading",
    "fit",
    "load_card",
    "load_model",
    "lr_range",
    "network_and_batches",
    "open_model",
    "read_history",
    "save_model",
    "sole_writer",
]
