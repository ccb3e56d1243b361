from ._card import ModelCard, Parent, load_card, load_model, save_model
from ._describe import describe_untreated
from ._ensemble import calibration_error, each_network, each_reading
from ._finetune import finetune
from ._fit import TrainingResult, fit, network_and_batches
from ._folder import read_history, sole_writer
from ._lr_range import RangeTest, lr_range
from ._metric import Metric, gather_unevenness, shrunk
from ._model import TrainedModel, open_model
from ._spread import Spread
from ._untreated import ENOUGH_WELLS, LOGARITHMIC, Untreated, light_quantities

__all__ = [
    "ENOUGH_WELLS",
    "LOGARITHMIC",
    "Metric",
    "ModelCard",
    "Parent",
    "RangeTest",
    "Spread",
    "TrainedModel",
    "TrainingResult",
    "Untreated",
    "calibration_error",
    "describe_untreated",
    "each_network",
    "each_reading",
    "finetune",
    "fit",
    "gather_unevenness",
    "light_quantities",
    "load_card",
    "load_model",
    "lr_range",
    "network_and_batches",
    "open_model",
    "read_history",
    "save_model",
    "shrunk",
    "sole_writer",
]
