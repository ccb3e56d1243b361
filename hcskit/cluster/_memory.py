"""Memory of a worker, and what of it its ranks may keep images in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from dask.utils import parse_bytes
from distributed import Client
from distributed.system import MEMORY_LIMIT

from hcskit.cluster._config import ClusterConfig
from hcskit.cluster.ranks._gang import workers_there
from hcskit.lazy import memory_to_spare

if TYPE_CHECKING:  # it loads TensorFlow, which a worker of Dask does not need
    from hcskit.recipe import Recipe

__all__ = ["check_memory", "neighbours", "room"]


def check_memory(data: str | Path, recipe: Recipe, config: ClusterConfig, workers: int) -> None:
    """Refuse a training whose ranks would not fit into so many workers.

    Raises
    ------
    InputError
        If they need more memory than the cluster's file gives them, or than this machine has.
    """
    from hcskit import planning
    from hcskit.data import open_data

    if config.memory is not None:
        memory = parse_bytes(config.memory)
    elif config.kind == "local":
        memory = MEMORY_LIMIT // config.workers
    else:  # of a cluster that runs already
        return
    size = planning.DataSize.of(open_data(data, illumination=False), recipe)
    ranks, gpus = config.ranks_per_worker, config.gpus_per_rank == 1
    planning.check_memory(recipe, size, memory_of_worker=memory, workers=workers, ranks_per_worker=ranks, on_gpus=gpus)


def neighbours(client: Client, addresses: list[str]) -> dict[str, int]:
    """Return what `room` must know of some workers, of those that are worst off.

    Returns
    -------
    dict of str to int
        ``beside``: how many workers are on their host, whatever these do; ``limit``: bytes of a worker, 0 where there
        is no limit.
    """
    workers = workers_there(client)
    there = Counter(worker["host"] for worker in workers.values())
    own = [workers[one] for one in addresses if one in workers]
    limits = [worker["memory_limit"] for worker in own if worker["memory_limit"]]
    # One that was lost just now is told where the ranks are started.
    return {"beside": max((there[worker["host"]] for worker in own), default=1), "limit": min(limits, default=0)}


def room(beside: int, limit: int) -> int:
    """Return in how many bytes this rank may keep images: its share of a quarter of what its worker can spare.

    Parameters
    ----------
    beside, limit : int
        As `neighbours` returns them.
    """
    from hcskit.data import KEPT_SHARE
    from hcskit.parallel import ranks_here

    spare = memory_to_spare() // beside
    return int(KEPT_SHARE * (min(spare, limit) if limit else spare) / ranks_here())
