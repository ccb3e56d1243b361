"""The folds of a cross-validation: prepared, trained one by one, gathered."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd

from hcskit import training
from hcskit.data import LabelledData, split_folds, split_groups
from hcskit.errors import InputError
from hcskit.files import write_text
from hcskit.inference._networks import apply_network, class_network
from hcskit.inference._predict import gather_predictions
from hcskit.inference._scores import CrossValidation, score_folds
from hcskit.parallel import ranks
from hcskit.recipe import Recipe
from hcskit.results import FOLD_SCORES, HELD_OUT, HELD_OUT_CONTROLS, SCORES, has_table, read_table, write_table
from hcskit.training import load_model, read_history, sole_writer

__all__ = ["assign_folds", "fold_folder", "gather_folds", "prepare_folds", "train_fold"]


def fold_folder(out: Path, fold: int) -> Path:
    """Return the folder of a fold's network."""
    return out / f"fold-{fold}"


def assign_folds(data: LabelledData, recipe: Recipe, folds: int) -> pd.DataFrame:
    """List what a recipe learns from, with the number of the ``fold`` that holds it out.

    Raises
    ------
    InputError
        If the data cannot give so many folds, says how many they can.
    """
    fields = data.label(recipe.data)
    fold_of = split_folds(fields, recipe.split.by, folds, recipe.seed)
    for number in range(folds):  # fail now, not after hours
        split_groups(fields[fold_of != number], recipe.split.by, recipe.split.validation, recipe.seed)
    return fields.assign(fold=fold_of)


def prepare_folds(out: Path, recipe: Recipe, fields: pd.DataFrame) -> list[int]:
    """Prepare the folder of a cross-validation, or check that it holds this one; return the folds that are left.

    Raises
    ------
    InputError
        If it holds another cross-validation.
    """
    table = fields[["plate", "well", "field", "label", "fold"]].to_csv(index=False)
    described = recipe.model_dump(mode="json")
    # So that a run resumes that began when float32 was the default, rather than the device's best precision.
    described["model"]["precision"] = recipe.model.precision or "float32"
    own = {"recipe": described, "fields": hashlib.sha256(table.encode()).hexdigest()}
    path, text = out / "cross-validation.json", json.dumps(own, indent=1)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(
            f"{out} holds the cross-validation of another recipe, other fields or another number of folds; choose "
            "another folder"
        )
    write_text(path, text)
    folds = fields["fold"].max() + 1
    return [number for number in range(folds) if not has_table(fold_folder(out, number), HELD_OUT)]


def train_fold(
    data: LabelledData,
    recipe: Recipe,
    out: Path,
    fold: int,
    folds: int,
    *,
    memory: int | None = None,
    progress: bool = False,
) -> None:
    """Train without one fold, then predict that fold. Ranks train together, and one of them predicts.

    Parameters
    ----------
    data, recipe
        As `hcskit.training.fit` takes them.
    out : path-like
        Folder of this fold. Training that was stopped there resumes.
    fold, folds : int
        Number of the fold, and how many there are.
    memory, progress
        As `hcskit.training.fit` takes them.
    """
    if not Path(out, "card.json").exists():  # written last, so its model is complete
        with sole_writer(out):
            training.fit(data, recipe, out, fold=(fold, folds), memory=memory, progress=progress)
    if ranks().rank > 0:
        return
    model, card = load_model(out)
    fields = data.label(recipe.data)
    fields = fields[split_folds(fields, recipe.split.by, folds, recipe.seed) == fold]
    crops = apply_network(data.source(fields, card.channels, card.binning), class_network(model), card)
    read = gather_predictions(fields, crops, card.classes).fields["probability"].reset_index()
    table = fields[["plate", "well", "field", "label"]].assign(fold=fold).merge(read, on=["plate", "well", "field"])
    write_table(out, HELD_OUT, table)


def gather_folds(out: Path, folds: int) -> CrossValidation:
    """Score the predictions of all folds, and write the tables."""
    folders = [fold_folder(out, number) for number in range(folds)]
    found = score_folds(
        pd.concat([read_table(path, HELD_OUT) for path in folders], ignore_index=True),
        pd.concat([read_history(path) for path in folders], keys=range(folds), names=["fold"]),
    )
    for table, frame in (
        (HELD_OUT, found.predictions),
        (FOLD_SCORES, found.folds),
        (SCORES, found.summary),
        (HELD_OUT_CONTROLS, found.controls),
    ):
        write_table(out, table, frame)
    return found
