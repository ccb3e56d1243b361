"""How many ranks a worker should have: measured on the recipe's own steps."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from distributed import Client, Worker
from tqdm import tqdm

from hcskit.cluster._before import check_training
from hcskit.cluster._checks import check_workers, meeting_place
from hcskit.cluster._config import ClusterConfig
from hcskit.cluster._open import AnyCluster, Cluster, config_of, open_cluster
from hcskit.cluster._workers import ask, wait_for_workers
from hcskit.cluster.ranks import bind_rank, run_gang, variables
from hcskit.data import open_data
from hcskit.recipe import Recipe

__all__ = ["tune_ranks"]

_AS_GOOD = 0.95  # of the best rate: repeated measurements differ by this much


def tune_ranks(
    data: str | Path,
    recipe: Recipe | str | Path,
    *,
    cluster: AnyCluster | None = None,
    seconds: float = 60.0,
    say: Callable[[str], object] = tqdm.write,
) -> pd.DataFrame:
    """Measure how fast one worker trains with 1, 2, 4 … ranks, up to its cores.

    The steps are those that `hcskit.train` takes on these data, with the part of the global batch that falls to one of
    the cluster's workers. The exchange between workers is not included. Nothing is written into the data folder.

    Parameters
    ----------
    data : path-like
        Folder of a screen whose quality step has run, or of labelled images; the worker must see it.
    recipe : Recipe or path-like
        How to train.
    cluster : Cluster, ClusterConfig or path-like, optional
        Where to measure; one worker is requested from a batch system. By default this machine.
    seconds : float
        How long to measure each number of ranks, after the first few steps.
    say : callable
        Receives the ranks' output, line by line, and each result.

    Returns
    -------
    pandas.DataFrame
        One row a number of ranks: ``ranks_per_worker``, ``threads_per_rank``, ``steps``, ``images_per_second``,
        ``relative`` (to one rank), ``recommended`` (true once: the fewest ranks that are within 5 % of the best), and
        ``failure`` (empty, or why this number of ranks could not train).

    Raises
    ------
    Exception
        What the first rank raised, if no number of ranks could train.
    InputError
        If one rank could not train (`check_training`), the cluster refuses the job, or the worker has other versions
        or does not see the folder.
    RunError
        If the worker does not start.
    """
    config, how = config_of(cluster), Recipe.of(recipe)
    one_rank = config.model_copy(update={"ranks_per_worker": 1})  # more are what is asked
    batch = max(1, how.optimiser.batch // config.workers)
    own = how.model_copy(update={"optimiser": how.optimiser.model_copy(update={"batch": batch})})
    arguments = {"data": str(Path(data).resolve()), "recipe": own.model_dump(mode="json"), "seconds": seconds}
    check_training(open_data(data, illumination=False), own, one_rank, workers=1)
    one = cluster if isinstance(cluster, Cluster) else config
    if isinstance(one, ClusterConfig) and one.is_batch:
        one = one.model_copy(update={"workers": 1})
    shared = None if config.kind == "local" else config.log_directory or Path.cwd()
    rows: list[dict[str, Any]] = []
    failures: list[Exception] = []
    with (
        tempfile.TemporaryDirectory(prefix="tune-ranks-", dir=shared, ignore_cleanup_errors=True) as folder,
        open_cluster(one, folder) as there,
    ):
        client = there.client
        addresses = wait_for_workers(client, 1, config.start_timeout)
        check_workers(client, addresses, Path(folder))
        cores = ask(client, addresses, _cores)[addresses[0]]
        for number in _doubling(min(cores, batch)):
            try:
                row = _run(client, config, number, own, arguments, Path(folder, str(number)), say)
                say(f"ranks per worker {number}: {row['images_per_second']:.3g} images/s")
            except Exception as error:  # noqa: BLE001 - too little memory, say: that is what is asked
                failures.append(error)
                row = {"failure": " ".join(str(error).split()) or type(error).__name__}
                say(f"ranks per worker {number}: {row['failure']}")
            rows.append({"ranks_per_worker": number, **row})
    if len(failures) == len(rows):
        raise failures[0]
    return _judge(pd.DataFrame(rows))


def _run(
    client: Client,
    config: ClusterConfig,
    number: int,
    recipe: Recipe,
    arguments: dict[str, Any],
    out: Path,
    say: Callable[[str], object],
) -> dict[str, Any]:
    """Measure with a number of ranks, and return what rank 0 wrote."""
    out.mkdir()
    run_gang(
        client,
        "hcskit.cluster._measure:measure",
        {**arguments, "out": str(out)},
        addresses=wait_for_workers(client, 1, config.start_timeout),
        ranks_per_worker=number,
        logs=out,
        environment=variables(recipe, config),
        meet=meeting_place(config.model_copy(update={"workers": 1, "ranks_per_worker": number})),
        say=say,
    )
    result: dict[str, Any] = json.loads((out / "rank-0.json").read_text(encoding="utf-8"))
    return result


def _judge(table: pd.DataFrame) -> pd.DataFrame:
    rate = table["images_per_second"]
    best = table.loc[rate >= _AS_GOOD * rate.max(), "ranks_per_worker"].min()
    table["relative"] = rate / rate.where(table["ranks_per_worker"] == 1).max()
    table["recommended"] = table["ranks_per_worker"] == best
    columns = ["ranks_per_worker", "threads_per_rank", "steps", "images_per_second", "relative", "recommended"]
    return table.astype({"threads_per_rank": "Int64", "steps": "Int64"})[[*columns, "failure"]]


def _doubling(most: int) -> Iterator[int]:
    number = 1
    while number <= most:
        yield number
        number *= 2


def _cores(dask_worker: Worker) -> int:
    """Return how many cores a worker has for its ranks."""
    return bind_rank((0, 1), (1, dask_worker.state.nthreads)).threads
