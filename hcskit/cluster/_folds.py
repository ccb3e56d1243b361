"""The folds of a cross-validation in parallel: one in each worker, in its own processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hcskit.cluster._checks import check_workers, meeting_place
from hcskit.cluster._fold_queue import run_fold_queue
from hcskit.cluster._memory import image_memory, worker_memory
from hcskit.cluster._open import Cluster
from hcskit.cluster.ranks import run_gang, variables
from hcskit.data import open_data
from hcskit.inference import fold_folder, train_fold
from hcskit.recipe import Recipe
from hcskit.training import read_history

__all__ = ["train_folds"]


def train_folds(
    cluster: Cluster,
    data: str | Path,
    recipe: Recipe,
    out: Path,
    todo: Sequence[int],
    folds: int,
    *,
    say: Callable[[str], object],
) -> None:
    """Train a network without each of some folds, and predict that fold.

    If a worker is lost, its fold resumes on another after its last complete epoch.

    Parameters
    ----------
    cluster : Cluster
        Where to compute; the ranks of a worker train a fold together.
    data : path-like
        Folder of a screen whose quality step has run, or of labelled images; all workers must see it.
    recipe : Recipe
        How to train.
    out : path-like
        Folder that all workers must see; a fold has a folder in it.
    todo : sequence of int
        Numbers of the folds to do.
    folds : int
        How many folds there are.
    say : callable
        Receives the ranks' output, line by line, and messages about folds.

    Raises
    ------
    Exception
        What a fold raised, with a note of its number and host.
    InputError
        If a worker has other versions, or does not see `out`.
    RunError
        If no worker is left, or a fold repeatedly loses its worker without finishing an epoch.
    """
    # A fold has a worker to itself.
    client, one = cluster.client, cluster.config.model_copy(update={"workers": 1})
    meet, source = meeting_place(one), str(Path(data).resolve())

    def do(number: int, address: str, tick: Callable[[], None]) -> None:
        check_workers(client, [address], out)
        own = fold_folder(out, number)
        arguments = {"data": source, "recipe": recipe.model_dump(mode="json"), "out": str(own)}
        run_gang(
            client,
            f"{__name__}:train_rank",
            {**arguments, "fold": number, "folds": folds, **worker_memory(client, [address])},
            addresses=[address],
            ranks_per_worker=one.ranks_per_worker,
            logs=own / "logs",
            environment=variables(recipe, one),
            meet=meet,
            rank_timeout=one.rank_timeout,
            say=lambda line: say(f"[fold {number}] {line.partition('] ')[2]}"),
            tick=tick,
        )

    def epochs(number: int) -> int:
        return len(read_history(fold_folder(out, number)))

    run_fold_queue(client, todo, do, epochs, patience=cluster.config.start_timeout, say=say)


def train_rank(
    data: str, recipe: dict[str, object], out: str, fold: int, folds: int, workers_on_host: int, worker_limit: int
) -> None:
    """Run a fold in one rank; see `train_folds`."""
    how, memory = Recipe.model_validate(recipe), image_memory(workers_on_host, worker_limit)
    train_fold(open_data(data), how, Path(out), fold, folds, memory=memory)
