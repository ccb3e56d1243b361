from ._predict import (
    Predictions,
    gather_predictions,
    phenotype_controls,
    predict,
    predict_images,
    predict_source,
    predictable_fields,
    readout_points,
    write_predictions,
)
from ._scores import CrossValidation, score_folds

__all__ = [
    "CrossValidation",
    "Predictions",
    "gather_predictions",
    "phenotype_controls",
    "predict",
    "predict_images",
    "predict_source",
    "predictable_fields",
    "readout_points",
    "score_folds",
    "write_predictions",
]
