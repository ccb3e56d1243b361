from ._batches import RandomCrops, Tiles, own_errors
from ._fields import (
    NEGATIVE,
    Normalisation,
    OpenField,
    TrainingFields,
    cut_tiles,
    label_fields,
    open_field,
    survey,
    tile_corners,
)
from ._images import ImageSource
from ._labelled import ImageFolder, LabelledData, ScreenData, open_data
from ._sources import KEPT_SHARE, ArraySource, Illumination, KeptSource, PlateSource, Source
from ._split import split_folds, split_groups

__all__ = [
    "KEPT_SHARE",
    "NEGATIVE",
    "ArraySource",
    "Illumination",
    "ImageFolder",
    "ImageSource",
    "KeptSource",
    "LabelledData",
    "Normalisation",
    "OpenField",
    "PlateSource",
    "RandomCrops",
    "ScreenData",
    "Source",
    "Tiles",
    "TrainingFields",
    "cut_tiles",
    "label_fields",
    "open_data",
    "open_field",
    "own_errors",
    "split_folds",
    "split_groups",
    "survey",
    "tile_corners",
]
