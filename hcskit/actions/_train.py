"""Training, and cross-validation: here, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tqdm import tqdm

from hcskit import training
from hcskit.actions._aside import Aside
from hcskit.actions._doubts import say_doubts
from hcskit.actions._folder import folder_of
from hcskit.cluster import (
    AnyCluster,
    check_folder,
    check_training,
    config_of,
    open_cluster,
    train_folds,
    train_on_ranks,
)
from hcskit.data import LabelledData, ScreenData, open_data, unlike_plates, unreadable_plates
from hcskit.errors import DamagedError
from hcskit.inference import CrossValidation, assign_folds, fold_folder, gather_folds, prepare_folds, train_fold
from hcskit.locks import locked
from hcskit.recipe import Recipe
from hcskit.results import take_back
from hcskit.training import TrainedModel, open_model, sole_writer

__all__ = ["cross_validate", "train"]


def train(
    data: str | Path | LabelledData,
    recipe: Recipe | str | Path,
    out: str | Path,
    *,
    set_aside: bool = False,
    cluster: AnyCluster | None = None,
    say: Callable[[str], object] = tqdm.write,
    progress: bool = True,
) -> TrainedModel:
    """Train a network on labelled images.

    On a cluster, all ranks of all its workers train together. If workers are lost, training resumes after the last
    complete epoch.

    Parameters
    ----------
    data : path-like or LabelledData
        Folder of a screen whose quality step has run, or of images in subfolders called what they show. Here, also what
        `hcskit.data.open_data` returns.
    recipe : Recipe or path-like
        How to train. Apart from rounding, the result does not depend on the number of ranks.
    out : path-like
        Folder of the model. A training that was stopped there resumes.
    set_aside : bool
        Of a screen, given by its folder: learn from the other plates where one is unlike most in its size, channels or
        type of pixel, or its pixels cannot be read, and leave it out of all later steps: the table ``set_aside`` has
        the reasons. By default, such a plate is an error.
    cluster : Cluster, ClusterConfig or path-like, optional
        Where to compute; by default in this process.
    say : callable
        Receives the ranks' output, line by line, lost and replaced workers, and any reason to distrust the network.
    progress : bool
        Show a progress bar.

    Returns
    -------
    TrainedModel
        Its ``card``, ``history`` and ``network``, read from `out`.

    Raises
    ------
    Exception
        What a rank of a cluster raised, with a note of its rank and host.
    InputError
        Before anything is computed or submitted, if the data do not give two classes or a clean split, plates differ in
        form, the crop is larger than the image, there are more ranks than crops in a batch, the training needs more
        memory than this machine or a worker has, or `out` cannot be written or has too little room. On a cluster also
        if the batch system refuses the jobs, or a worker has other versions or does not see `out`.
    DamagedError
        If pixels cannot be read.
    RunError
        If the workers do not come, or are lost again and again without a finished epoch.
    StoreError
        If another process trains in `out`.
    """
    how, folder = Recipe.of(recipe), Path(out)
    learn = partial(_learn, data, how, folder, cluster, say, progress)
    if set_aside and isinstance(data, str | Path):
        _leave_out_faulty(Path(data), how, learn, say)
    else:
        learn()
    return say_doubts(open_model(folder), say)


def _learn(
    data: str | Path | LabelledData,
    how: Recipe,
    folder: Path,
    cluster: AnyCluster | None,
    say: Callable[[str], object],
    progress: bool,
) -> None:
    if cluster is not None:
        train_on_ranks(folder_of(data), how, folder, cluster, say=say, progress=progress)
    else:
        images = open_data(data)
        check_training(images, how, config_of(None), workers=1)
        check_folder(folder, images, how)
        with locked(folder), sole_writer(folder):
            training.fit(images, how, folder, progress=progress)


def _leave_out_faulty(screen: Path, how: Recipe, learn: Callable[[], None], say: Callable[[str], object]) -> None:
    """Learn from a screen without the plates that are unlike the others, or turn out to be damaged."""
    aside = Aside(screen, "train", allowed=True)
    take_back(screen, aside.step)
    images = open_data(screen, illumination=False)
    if not isinstance(images, ScreenData):
        learn()
        return
    aside.reasons |= unlike_plates(images.plates, how.data)
    left = {name: plate for name, plate in images.plates.items() if name not in aside.reasons}
    aside.write(len(left), say)
    try:
        learn()
    except DamagedError:
        # Only now are all of them looked for: the quality step has read them, so that this is rare.
        damaged = unreadable_plates(ScreenData(left), how.data)
        if not damaged:
            raise
        Aside(screen, aside.step, allowed=True, reasons=dict(damaged)).write(len(left) - len(damaged), say)
        learn()


def cross_validate(
    data: str | Path | LabelledData,
    recipe: Recipe | str | Path,
    out: str | Path,
    folds: int = 4,
    *,
    cluster: AnyCluster | None = None,
    say: Callable[[str], object] = tqdm.write,
    progress: bool = True,
) -> CrossValidation:
    """Train a recipe once for each fold, and predict the fields that each network has never seen.

    A network must work on the next experiment: set the recipe's ``split.by`` to what will be new there (plate,
    batch or compound), and each of these is held out once, as a whole. With ``well`` the result is an upper bound,
    because a plate's other wells share its stain, its cells and its day. A held-out field is neither learned
    from nor used to choose the epoch that is kept: for that, the rest is split again, as in any training.

    Folds are trained one after another, or in parallel on a cluster, one in each worker. If a worker is lost, its fold
    resumes on another.

    Parameters
    ----------
    data, recipe, cluster, say, progress
        As `train` takes them.
    out : path-like
        Folder of the result. ``fold-0`` and so on hold one network each, and ``results`` the tables. Training that was
        stopped there resumes; completed folds are not repeated.
    folds : int
        Number of folds.

    Returns
    -------
    CrossValidation
        Also in ``results``, as Parquet and CSV: ``held_out``, ``fold_scores``, ``scores`` and ``held_out_controls``.

    Raises
    ------
    InputError
        If the data cannot give so many folds, says how many they can; if a fold needs more memory than there is; if
        `out` holds another cross-validation.
    Exception, RunError, StoreError
        As `train` raises them.
    """
    images, how, folder = open_data(data), Recipe.of(recipe), Path(out).resolve()
    fields = assign_folds(images, how, folds)
    check_training(images, how, config_of(cluster), workers=1)
    check_folder(folder, images, how)
    with locked(folder):
        todo = prepare_folds(folder, how, fields)
        say(f"{folds} folds by {how.split.by}, {folds - len(todo)} of them done")
        if todo and cluster is not None:
            with open_cluster(cluster, folder) as there:
                train_folds(there, folder_of(data), how, folder, todo, folds, say=say)
        elif todo:
            for number in todo:
                say(f"fold {number}")
                train_fold(images, how, fold_folder(folder, number), number, folds, progress=progress)
        return gather_folds(folder, folds)
