"""What a cross-validation tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["CrossValidation", "score_folds"]

_ALL = "all classes"
_LEAST = float(np.finfo(np.float32).eps)  # a network's probabilities are no finer


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
        is the label; ``log_loss``, the mean of ``-ln`` of the label's probability. ``all classes`` is over all fields.
    summary : pandas.DataFrame
        Index ``label``: mean of these over the folds and their sample standard deviation (``accuracy_sd``,
        ``log_loss_sd``); ``n_folds`` and ``n_fields``.
    """

    predictions: pd.DataFrame
    history: pd.DataFrame
    folds: pd.DataFrame
    summary: pd.DataFrame


def score_folds(predictions: pd.DataFrame, history: pd.DataFrame) -> CrossValidation:
    """Compare held-out predictions with the labels, fold by fold and class by class."""
    keys = ["plate", "well", "field", "label", "fold"]
    best = predictions.loc[predictions.groupby(keys)["probability"].idxmax()].set_index(keys)["phenotype"]
    own = predictions[predictions["phenotype"] == predictions["label"]].set_index(keys)["probability"]
    fields = pd.DataFrame({"best": best, "log_loss": -np.log(own.clip(lower=_LEAST))}).reset_index()
    fields["accuracy"] = (fields["best"] == fields["label"]).astype(float)
    both = pd.concat([fields.assign(label=_ALL), fields])
    grouped = both.groupby(["label", "fold"], sort=False)
    folds = grouped[["accuracy", "log_loss"]].mean()
    folds.insert(0, "n_fields", grouped.size())
    over = folds.groupby("label", sort=False)
    summary = over[["accuracy", "log_loss"]].mean().join(over[["accuracy", "log_loss"]].std().add_suffix("_sd"))
    summary = summary[["accuracy", "accuracy_sd", "log_loss", "log_loss_sd"]]
    return CrossValidation(
        predictions, history, folds, summary.assign(n_folds=over.size(), n_fields=over["n_fields"].sum())
    )
