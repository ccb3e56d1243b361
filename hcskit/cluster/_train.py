"""Training on a cluster, which resumes after the last complete epoch when a worker is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from distributed import Client
from tqdm import tqdm

from hcskit import training
from hcskit.cluster._before import check_folder, check_training
from hcskit.cluster._checks import check_workers, meeting_place
from hcskit.cluster._config import ClusterConfig
from hcskit.cluster._memory import check_memory, image_memory, worker_memory
from hcskit.cluster._open import AnyCluster, config_of, open_cluster
from hcskit.cluster._workers import WorkerLostError, wait_for_workers, workers_there
from hcskit.cluster.ranks import run_gang, variables
from hcskit.data import open_data
from hcskit.errors import InputError, RunError
from hcskit.locks import locked
from hcskit.recipe import Recipe
from hcskit.training import read_history, sole_writer

__all__ = ["train_on_ranks"]

_LOSSES_WITHOUT_PROGRESS = 3


def train_on_ranks(
    data: str | Path,
    recipe: Recipe,
    out: str | Path,
    cluster: AnyCluster,
    *,
    say: Callable[[str], object] = tqdm.write,
    progress: bool = True,
) -> None:
    """Train a network on the ranks of a cluster's workers.

    If workers are lost, the ranks start again after the last complete epoch: on the replacements that the batch system
    provides in time, or else on the workers that are left. Those that come later take part from the next epoch on.

    Parameters
    ----------
    data : path-like
        Folder of a screen whose quality step has run, or of labelled images; all workers must see it.
    recipe : Recipe
        How to train. Apart from rounding, the result does not depend on the number of ranks.
    out : path-like
        Folder of the model, which all workers must see; the ranks' output is in ``logs/``. A training that was stopped
        there resumes.
    cluster : Cluster, ClusterConfig or path-like
        Where to compute, and with how many ranks.
    say : callable
        Receives the ranks' output, line by line, and messages about lost workers.
    progress : bool
        Show a progress bar over epochs.

    Raises
    ------
    Exception
        What a rank raised, with a note of its rank and host.
    InputError
        If the training cannot succeed (`check_training`), `out` cannot be written, the cluster refuses the jobs, or a
        worker has other versions or does not see `out`.
    RunError
        If the workers do not start, or are lost repeatedly without a finished epoch.
    StoreError
        If another process trains in `out`.
    """
    config, folder = config_of(cluster), Path(out).resolve()
    images = open_data(data, illumination=False)
    check_training(images, recipe, config, config.workers)
    check_folder(folder, images, recipe)
    (folder / "logs").mkdir(exist_ok=True)
    check = partial(check_memory, images, recipe, config)
    check(config.begin_with or config.workers)
    arguments = {"data": str(Path(data).resolve()), "recipe": recipe.model_dump(mode="json"), "out": str(folder)}
    ranks: dict[str, Any] = {
        "ranks_per_worker": config.ranks_per_worker,
        "logs": folder / "logs",
        "environment": variables(recipe, config),
        "meet": meeting_place(config),
        "rank_timeout": config.rank_timeout,
        "say": say,
    }
    losses, last = 0, -1
    with (
        locked(folder),
        tqdm(total=recipe.optimiser.epochs, unit="epoch", desc="train", disable=not progress) as bar,
        open_cluster(cluster, folder / "logs") as there,
    ):
        client = there.client
        addresses = _all_or_enough(client, config)
        while True:
            try:
                check_workers(client, addresses, folder)
                number = len(addresses)
                say(f"training with {_count(number * config.ranks_per_worker, 'rank')} on {_count(number, 'worker')}")
                own = {**arguments, **worker_memory(client, addresses)}
                tick = _Tick(bar, folder, client, number, config.workers)
                run_gang(client, f"{__name__}:train_rank", own, addresses=addresses, tick=tick, **ranks)
            except _LateWorkersError as late:
                say(f"{late}; resuming after epoch {len(read_history(folder))}")
                addresses = _there(client, config)
            except WorkerLostError as error:
                now = len(read_history(folder))
                losses, last = (1 if now != last else losses + 1), now
                if losses > _LOSSES_WITHOUT_PROGRESS:
                    raise RunError(
                        f"workers were lost {losses} times without a finished epoch between ({error}); {folder} keeps "
                        "what was done: give the jobs more time or memory, and start the same again"
                    ) from error
                say(f"{error}; resuming after epoch {now}")
                addresses = _left_or_replaced(client, config, check)
            else:
                _show(bar, folder)
                return


def train_rank(data: str, recipe: dict[str, object], out: str, workers_on_host: int, worker_limit: int) -> None:
    """Train in one rank; see `train_on_ranks`."""
    how, memory = Recipe.model_validate(recipe), image_memory(workers_on_host, worker_limit)
    with sole_writer(out):
        training.fit(open_data(data), how, out, memory=memory, progress=False)


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'s' * (number != 1)}"


def _all_or_enough(client: Client, config: ClusterConfig) -> list[str]:
    """Return all workers; or, if the file allows it, enough of them that have waited for the others."""
    if config.begin_with is None:
        return wait_for_workers(client, config.workers, config.start_timeout)
    wait_for_workers(client, config.begin_with, config.start_timeout)
    with suppress(RunError):
        return wait_for_workers(client, config.workers, config.begin_after, queue=False)
    return _there(client, config)


def _there(client: Client, config: ClusterConfig) -> list[str]:
    """Return the workers that are there, as many as may take part."""
    number = min(config.workers, len(workers_there(client)))
    return wait_for_workers(client, max(1, number), config.start_timeout)


def _left_or_replaced(client: Client, config: ClusterConfig, check: Callable[[int], None]) -> list[str]:
    """Return the workers once replacements have started, or once their time is up and the rest can do the work."""
    with suppress(RunError):
        return wait_for_workers(client, config.workers, config.replace_timeout, queue=False)
    with suppress(RunError, InputError):
        left = len(workers_there(client))
        check(max(1, left))
        return wait_for_workers(client, max(1, left), config.replace_timeout, queue=False)
    return wait_for_workers(client, config.workers, config.start_timeout)


class _LateWorkersError(Exception):
    """Ends the ranks, so that they start again on more workers."""


class _Tick:
    """Shows the epochs of a training, and ends the ranks after one if more workers are there than it uses."""

    def __init__(self, bar: Any, folder: Path, client: Client, used: int, wanted: int) -> None:
        self.bar, self.folder, self.client, self.used, self.wanted = bar, folder, client, used, wanted
        self.done = len(read_history(folder))

    def __call__(self) -> None:
        done = _show(self.bar, self.folder)
        grown, self.done = self.done < done < self.bar.total, done
        if grown and self.used < self.wanted and len(workers_there(self.client)) > self.used:
            raise _LateWorkersError("more workers are there")


def _show(bar: Any, folder: Path) -> int:
    """Show how far a training is; return how many epochs are done."""
    table = read_history(folder)
    if len(table) != bar.n and not table.empty:
        bar.n = len(table)
        shown = {name: f"{table[name].iloc[-1]:.3f}" for name in ("loss", "val_loss", "val_accuracy")}
        bar.set_postfix(shown | {"images/s": f"{table['images_per_second'].iloc[-1]:.0f}"})
    return len(table)
