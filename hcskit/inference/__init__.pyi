from ._distance import distances, gather_distances
from ._drift import compare_untreated
from ._folds import assign_folds, fold_folder, gather_folds, prepare_folds, train_fold
from ._networks import apply_network, class_network, feature_network, reading_network
from ._predict import (
    Predictions,
    gather_predictions,
    predictable_fields,
    write_predictions,
)
from ._profiles import gather_profiles
from ._readouts import phenotype_controls, readout_points
from ._saliency import join_maps, saliency_network
from ._scores import CrossValidation, score_folds
from ._strength import gather_features, gather_strengths, positions

__all__ = [
    "CrossValidation",
    "Predictions",
    "apply_network",
    "assign_folds",
    "class_network",
    "compare_untreated",
    "distances",
    "feature_network",
    "fold_folder",
    "gather_distances",
    "gather_features",
    "gather_folds",
    "gather_predictions",
    "gather_profiles",
    "gather_strengths",
    "join_maps",
    "phenotype_controls",
    "positions",
    "predictable_fields",
    "prepare_folds",
    "reading_network",
    "readout_points",
    "saliency_network",
    "score_folds",
    "train_fold",
    "write_predictions",
]
