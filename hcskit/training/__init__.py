"""From labelled images to a trained network and its card."""

from hcskit.training._card import ModelCard, load_card, load_model, save_model
from hcskit.training._data import ImageFolder, LabelledData, ScreenData, open_data
from hcskit.training._fields import Normalisation, OpenField, TrainingFields, label_fields, open_field, tile_corners
from hcskit.training._finish import calibration_error, each_network
from hcskit.training._fit import TrainingResult, network_and_batches, train
from hcskit.training._images import ImageSource
from hcskit.training._plan import learning_rates, stages
from hcskit.training._range import RangeTest, lr_range
from hcskit.training._recipe import ParallelSection, Recipe
from hcskit.training._sources import KEPT_SHARE, ArraySource, Illumination, KeptSource, PlateSource, Source
from hcskit.training._split import split_folds, split_groups
from hcskit.training.batches import RandomCrops, Tiles, cut_tiles

__all__ = [
    "KEPT_SHARE",
    "ArraySource",
    "Illumination",
    "ImageFolder",
    "ImageSource",
    "KeptSource",
    "LabelledData",
    "ModelCard",
    "Normalisation",
    "OpenField",
    "ParallelSection",
    "PlateSource",
    "RandomCrops",
    "RangeTest",
    "Recipe",
    "ScreenData",
    "Source",
    "Tiles",
    "TrainingFields",
    "TrainingResult",
    "calibration_error",
    "cut_tiles",
    "each_network",
    "label_fields",
    "learning_rates",
    "load_card",
    "load_model",
    "lr_range",
    "network_and_batches",
    "open_data",
    "open_field",
    "save_model",
    "split_folds",
    "split_groups",
    "stages",
    "tile_corners",
    "train",
]
