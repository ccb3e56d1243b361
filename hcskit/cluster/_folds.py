"""Cross-validation: how well a recipe does on plates, batches or compounds that its network has never seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from distributed import Client
from tqdm.auto import tqdm

from hcskit.cluster._checks import check_workers, meeting_place
from hcskit.cluster._config import ClusterConfig
from hcskit.cluster._fold_queue import one_each
from hcskit.cluster._folder import alone, history
from hcskit.cluster._memory import check_memory, neighbours, room
from hcskit.cluster.ranks._binding import variables
from hcskit.cluster.ranks._gang import run_gang
from hcskit.errors import InputError
from hcskit.files import locked
from hcskit.inference._scores import CrossValidation, score_folds
from hcskit.results import FOLD_SCORES, HELD_OUT, HELD_OUT_CONTROLS, SCORES, has_table, read_table, write_table

if TYPE_CHECKING:  # it loads TensorFlow, which a worker of Dask needs only for some tasks
    from hcskit.recipe import Recipe

__all__ = ["cross_validate"]


def cross_validate(
    client: Client,
    data: str | Path,
    recipe: Recipe,
    out: str | Path,
    folds: int = 4,
    config: ClusterConfig | None = None,
    *,
    say: Callable[[str], object] = tqdm.write,
    patience: float = 300.0,
) -> CrossValidation:
    """Train a recipe once for each fold, and see what each network makes of the fields it has never seen.

    What a network must master is the next experiment: set the recipe's ``split.by`` to what will be new there (plate,
    batch or compound), and each of these is held out once, whole. Held out by ``well`` the answer is the best that can
    be hoped for, as a plate's other wells share its stain, its cells and its day. A held-out field is neither learned
    from nor used to choose the epoch that is kept: for that the rest is split once more, as in any training.

    Folds are trained side by side, one in each worker, each in a process of its own. One whose worker is lost goes on
    elsewhere, after its last whole epoch.

    Parameters
    ----------
    client : distributed.Client
        Client of the cluster; see `hcskit.cluster.open_cluster`.
    data : path-like
        Folder of a screen whose quality step has run, or of labelled images; all workers must see it.
    recipe : hcskit.training.Recipe
        How to train.
    out : path-like
        Folder that all workers must see. ``fold-0`` and so on hold a network each, and ``results`` the tables. What was
        stopped there goes on; folds that are done are not trained again.
    folds : int
        Number of folds.
    config : ClusterConfig, optional
        The one that the cluster was opened with: its ranks in each worker train a fold together, with its threads, and
        its memory is looked at before. By default one rank in each worker.
    say : callable
        Takes what the folds print, line by line, and what becomes of them.
    patience : float
        Seconds to wait for a first worker, and while there is none.

    Returns
    -------
    CrossValidation
        Also in ``results``, as Parquet and CSV: ``held_out``, ``fold_scores``, ``scores`` and ``held_out_controls``.

    Raises
    ------
    Exception
        What a fold raised, with a note of its number and host; those that are done are kept.
    InputError
        If the data cannot give so many folds, says how many it can; if a fold needs more memory than a worker has; if
        `out` holds another cross-validation, or a worker has other versions or does not see it.
    StoreError
        If another process is at work in `out`.
    RunError
        If there is no worker any more, or a fold loses one again and again without a finished epoch.
    """
    from hcskit.data import open_data, split_folds, split_groups

    data, folder = str(Path(data).resolve()), Path(out).resolve()
    fields = open_data(data).label(recipe.data)
    fold_of = split_folds(fields, recipe.split.by, folds, recipe.seed)
    for number in range(folds):  # now, rather than after hours
        split_groups(fields[fold_of != number], recipe.split.by, recipe.split.validation, recipe.seed)
    if config is not None:
        check_memory(data, recipe, config, workers=1)
    each = (config or ClusterConfig()).model_copy(update={"workers": 1})
    meet = meeting_place(each)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        _claim(folder, recipe, fields.assign(fold=fold_of)[["plate", "well", "field", "label", "fold"]])
        todo = [number for number in range(folds) if not has_table(_folder(folder, number), HELD_OUT)]
        say(f"{folds} folds by {recipe.split.by}, {folds - len(todo)} of them done")

        def do(number: int, address: str, tick: Callable[[], None]) -> None:
            check_workers(client, [address], folder)
            own = _folder(folder, number)
            arguments = {"data": data, "recipe": recipe.model_dump(mode="json"), "out": str(own)}
            run_gang(
                client,
                "hcskit.cluster._folds:train_fold",
                {**arguments, "fold": number, "folds": folds, **neighbours(client, [address])},
                addresses=[address],
                ranks_per_worker=each.ranks_per_worker,
                logs=own / "logs",
                environment=variables(recipe, each),
                meet=meet,
                say=lambda line: say(f"[fold {number}] {line.partition('] ')[2]}"),
                tick=tick,
            )

        if todo:
            one_each(client, todo, do, lambda number: len(history(_folder(folder, number))), patience=patience, say=say)
        return _gather(folder, folds)


def train_fold(data: str, recipe: dict[str, object], out: str, fold: int, folds: int, beside: int, limit: int) -> None:
    """Train without one fold in each rank, then predict that fold in one; see `cross_validate`."""
    from hcskit.data import open_data, split_folds
    from hcskit.inference import gather_predictions, predict_source
    from hcskit.parallel import ranks
    from hcskit.recipe import Recipe
    from hcskit.training import each_network, load_model, train

    images, how = open_data(data), Recipe.model_validate(recipe)
    if not Path(out, "card.json").exists():  # it makes a model whole
        with alone(out):
            train(images, how, out, fold=(fold, folds), memory=room(beside, limit), progress=False)
    if ranks().rank > 0:
        return
    model, card = load_model(out)
    fields = images.label(how.data)
    fields = fields[split_folds(fields, how.split.by, folds, how.seed) == fold]
    crops = predict_source(images.source(fields, card.channels, card.binning), each_network(model), card)
    read = gather_predictions(fields, crops, card.classes).fields["probability"].reset_index()
    table = fields[["plate", "well", "field", "label"]].assign(fold=fold).merge(read, on=["plate", "well", "field"])
    write_table(out, HELD_OUT, table)


def _claim(folder: Path, recipe: Recipe, fields: pd.DataFrame) -> None:
    """Make a folder that of one cross-validation, or see that it is."""
    table = hashlib.sha256(fields.to_csv(index=False).encode()).hexdigest()
    described = recipe.model_dump(mode="json")
    # What was begun when float32 was the default, rather than what suits the device, goes on.
    described["model"]["precision"] = recipe.model.precision or "float32"
    own = json.dumps({"recipe": described, "fields": table}, indent=1)
    path = folder / "cross-validation.json"
    if path.exists() and path.read_text(encoding="utf-8") != own:
        raise InputError(
            f"{folder} holds the cross-validation of another recipe, other fields or another number of folds; choose "
            "another folder"
        )
    path.write_text(own, encoding="utf-8")


def _gather(folder: Path, folds: int) -> CrossValidation:
    folders = [_folder(folder, number) for number in range(folds)]
    found = score_folds(
        pd.concat([read_table(path, HELD_OUT) for path in folders], ignore_index=True),
        pd.concat([history(path) for path in folders], keys=range(folds), names=["fold"]),
    )
    for table, frame in (
        (HELD_OUT, found.predictions),
        (FOLD_SCORES, found.folds),
        (SCORES, found.summary),
        (HELD_OUT_CONTROLS, found.controls),
    ):
        write_table(folder, table, frame)
    return found


def _folder(folder: Path, number: int) -> Path:
    return folder / f"fold-{number}"
