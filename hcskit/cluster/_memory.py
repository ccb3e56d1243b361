"""A worker's memory, and the part of it in which its ranks may keep images."""

from __future__ import annotations

from collections import Counter

from dask.utils import parse_bytes
from distributed import Client
from distributed.system import MEMORY_LIMIT

from hcskit import planning
from hcskit.cluster._config import ClusterConfig
from hcskit.cluster._workers import workers_there
from hcskit.data import KEPT_SHARE, LabelledData
from hcskit.lazy import memory_to_spare
from hcskit.parallel import ranks_here, visible_gpus
from hcskit.recipe import Recipe

__all__ = ["check_memory", "image_memory", "worker_memory"]


def check_memory(data: LabelledData, recipe: Recipe, config: ClusterConfig, workers: int) -> None:
    """Refuse a training whose ranks would not fit into the given number of workers.

    Raises
    ------
    InputError
        If they need more memory than the cluster's file gives them, or than this machine has; if the network does not
        fit the images.
    """
    size, ranks = planning.DataSize.of(data, recipe), config.ranks_per_worker
    if config.memory is not None:
        memory = parse_bytes(config.memory)
    elif config.kind == "local":
        memory = MEMORY_LIMIT // config.workers
    else:  # of a cluster that runs already
        planning.memory_of_rank(recipe, size, workers * ranks)
        return
    here = config.kind == "local" and config.gpus_per_rank is None
    gpus = config.gpus_per_rank == 1 or (here and bool(visible_gpus()))
    planning.check_memory(recipe, size, memory_of_worker=memory, workers=workers, ranks_per_worker=ranks, on_gpus=gpus)


def worker_memory(client: Client, addresses: list[str]) -> dict[str, int]:
    """Return the arguments of `image_memory` for the ranks of some workers: the least that any of them has.

    Returns
    -------
    dict of str to int
        ``workers_on_host``, busy or not; and ``worker_limit`` in bytes, 0 where there is no limit.
    """
    workers = workers_there(client)
    on_host = Counter(worker["host"] for worker in workers.values())
    own = [workers[one] for one in addresses if one in workers]
    limits = [worker["memory_limit"] for worker in own if worker["memory_limit"]]
    # A worker that was lost just now is reported where the ranks are started.
    most = max((on_host[worker["host"]] for worker in own), default=1)
    return {"workers_on_host": most, "worker_limit": min(limits, default=0)}


def image_memory(workers_on_host: int, worker_limit: int) -> int:
    """Return how many bytes of images this rank may keep: its share of a quarter of the worker's spare memory.

    Parameters
    ----------
    workers_on_host, worker_limit : int
        As `worker_memory` returns them.
    """
    spare = memory_to_spare() // workers_on_host
    return int(KEPT_SHARE * (min(spare, worker_limit) if worker_limit else spare) / ranks_here())
