"""The scores of a cross-validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hcskit import training
from hcskit.assay import control_statistics

__all__ = ["CrossValidation", "score_folds"]

_ALL, _MEAN = "all classes", "mean of classes"
_NEGATIVE = "negative_control"
_LEAST = float(np.finfo(np.float32).eps)  # resolution of a network's probabilities


@dataclass(frozen=True)
class CrossValidation:
    """Predictions of fields by the one network that has never seen them, and how good they are.

    Attributes
    ----------
    predictions : pandas.DataFrame
        ``plate, well, field, label, fold, phenotype, probability``: one row a field and phenotype.
    history : pandas.DataFrame
        Index ``fold`` and number; one row an epoch, as `hcskit.training.TrainingResult.history`.
    folds : pandas.DataFrame
        Index ``label, fold``: ``n_fields`` held out; ``accuracy``, the fraction of them whose most probable phenotype
        is the label; ``log_loss``, the mean of ``-ln`` of the label's probability; ``ece``, the expected calibration
        error of all classes together (see `hcskit.training.calibration_error`). ``all classes`` is over all fields;
        ``mean of classes`` counts the classes of a fold alike: its accuracy is the balanced accuracy.
    summary : pandas.DataFrame
        Index ``label``: mean of these over the folds and their sample standard deviation (``accuracy_sd`` and so on);
        ``n_folds`` and ``n_fields``.
    controls : pandas.DataFrame
        How far the held-out wells of each class lie from those of the negative controls, plate by plate, as
        `hcskit.assay.control_statistics`: in the probability of the class, averaged over a well's fields, and in
        the logit of that. No row if there are no negative controls.
    """

    predictions: pd.DataFrame
    history: pd.DataFrame
    folds: pd.DataFrame
    summary: pd.DataFrame
    controls: pd.DataFrame


def score_folds(predictions: pd.DataFrame, history: pd.DataFrame) -> CrossValidation:
    """Compare held-out predictions with the labels, fold by fold and class by class."""
    keys = ["plate", "well", "field", "label", "fold"]
    fields = predictions.loc[predictions.groupby(keys)["probability"].idxmax(), [*keys, "phenotype", "probability"]]
    own = predictions[predictions["phenotype"] == predictions["label"]].set_index(keys)["probability"]
    fields = fields.join(-np.log(own.clip(lower=_LEAST)).rename("log_loss"), on=keys)
    fields["accuracy"] = fields["phenotype"] == fields["label"]
    grouped = pd.concat([fields.assign(label=_ALL), fields]).groupby(["label", "fold"], sort=False)
    folds = grouped[["accuracy", "log_loss"]].mean()
    # Only for all classes together: given the label, confidence is not a frequency.
    folds["ece"] = [
        training.calibration_error(part["probability"].to_numpy(), part["accuracy"].to_numpy())
        if label == _ALL
        else np.nan
        for (label, _), part in grouped
    ]
    folds.insert(0, "n_fields", grouped.size())
    balanced = folds.drop(_ALL, level="label").groupby("fold").mean()
    balanced["n_fields"] = folds["n_fields"].xs(_ALL)
    folds = pd.concat([folds, pd.concat([balanced], keys=[_MEAN], names=["label"])])
    over = folds.groupby("label", sort=False)
    scores = ["accuracy", "log_loss", "ece"]
    summary = over[scores].mean().join(over[scores].std().add_suffix("_sd"))
    summary = summary[[name + end for name in scores for end in ("", "_sd")]]
    summary = summary.assign(n_folds=over.size(), n_fields=over["n_fields"].sum())
    return CrossValidation(predictions, history, folds, summary, _controls(predictions))


def _controls(predictions: pd.DataFrame) -> pd.DataFrame:
    compared = predictions["label"].isin([_NEGATIVE]) | (predictions["label"] == predictions["phenotype"])
    own = predictions[compared & (predictions["phenotype"] != _NEGATIVE)]
    wells = own.groupby(["plate", "well", "label", "phenotype"], as_index=False)["probability"].mean()
    wells["role"] = wells["label"].where(wells["label"] == _NEGATIVE, "positive_control")
    likely = wells["probability"].clip(_LEAST, 1 - _LEAST)
    logit = wells.assign(readout="logit " + wells["phenotype"], value=np.log(likely / (1 - likely)))
    table = control_statistics(pd.concat([wells.assign(readout=wells["phenotype"], value=wells["probability"]), logit]))
    return table[table["n_negative"] > 0].reset_index(drop=True)
