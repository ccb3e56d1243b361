from ._batches import RandomCrops, Tiles, own_errors
from ._fields import (
    NEGATIVE,
    Normalisation,
    OpenField,
    TrainingFields,
    cut_tiles,
    label_fields,
    label_wells,
    open_field,
    survey,
    tile_corners,
)
from ._images import ImageSource
from ._labelled import ImageFolder, LabelledData, ScreenData, open_data
from ._learnable import check_learnable
from ._light import LOOKS, gather_light, measure_light, standard_of
from ._sources import KEPT_SHARE, ArraySource, Illumination, KeptSource, PlateSource, Source
from ._split import split_folds, split_groups
from ._stand_ins import with_stand_ins
from ._unusable import unlike_plates, unreadable_plates

__all__ = [
    "KEPT_SHARE",
    "LOOKS",
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
    "check_learnable",
    "cut_tiles",
    "gather_light",
    "label_fields",
    "label_wells",
    "measure_light",
    "open_data",
    "open_field",
    "own_errors",
    "split_folds",
    "split_groups",
    "standard_of",
    "survey",
    "tile_corners",
    "unlike_plates",
    "unreadable_plates",
    "with_stand_ins",
]
