"""A trained network adapted to another plate: here, or on a worker of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tqdm import tqdm

from hcskit import training
from hcskit.actions._doubts import say_doubts
from hcskit.actions._folder import folder_of
from hcskit.cluster import AnyCluster, job_runner
from hcskit.data import LabelledData, open_data
from hcskit.errors import InputError
from hcskit.files import make_folder
from hcskit.locks import locked
from hcskit.recipe import FinetuneSection, Recipe
from hcskit.training import TrainedModel, open_model, sole_writer

__all__ = ["finetune"]


def finetune(
    data: str | Path | LabelledData,
    model: str | Path | TrainedModel,
    out: str | Path,
    recipe: Recipe | str | Path | None = None,
    *,
    cluster: AnyCluster | None = None,
    say: Callable[[str], object] = tqdm.write,
    progress: bool = True,
) -> TrainedModel:
    """Adapt a trained network to the controls of another plate, in seconds to a minute.

    The new model's card names the old one (`hcskit.training.Parent`). docs/new-plates.md says when this helps.

    Parameters
    ----------
    data : path-like or LabelledData
        Folder of a screen whose quality step has run, or of images in subfolders called what they show. Here, also what
        `hcskit.data.open_data` returns.
    model : path-like or TrainedModel
        What to start from, or its folder.
    out : path-like
        Folder of the new model.
    recipe : Recipe or path-like, optional
        Its section ``finetune`` is used; by default that of the model's own recipe.
    cluster : Cluster, ClusterConfig or path-like, optional
        Where to compute, on one worker; by default in this process.
    say : callable
        Receives any reason to distrust the new network.
    progress : bool
        Show a progress bar over steps.

    Returns
    -------
    TrainedModel
        The new model, read from `out`.

    Raises
    ------
    InputError
        If `out` is the folder of the old model, or the data do not fit it: a class is unknown, or a channel missing.
    StoreError
        If another process trains in `out`.
    """
    parent, folder = open_model(model), Path(out)
    if folder.resolve() == parent.folder.resolve():
        raise InputError(f"{out} is the folder of the model to start from, which is kept; give another folder")
    section = (parent.recipe if recipe is None else Recipe.of(recipe)).finetune
    if cluster is None:
        _adapt(data, parent, section, folder, progress)
    else:
        job = partial(_adapt, folder_of(data), parent.folder.resolve(), section, folder.resolve(), False)
        with job_runner(cluster) as run:
            run([job])
    return say_doubts(open_model(folder), say)


def _adapt(
    data: str | Path | LabelledData,
    model: Path | TrainedModel,
    section: FinetuneSection,
    out: Path,
    progress: bool,
) -> None:
    make_folder(out)
    with locked(out), sole_writer(out):
        training.finetune(open_data(data), open_model(model), section, out, progress=progress)
