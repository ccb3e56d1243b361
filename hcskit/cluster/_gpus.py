"""GPUs of a cluster: what its jobs ask for, and how the workers of this machine share them."""

from __future__ import annotations

import os

from distributed import Client, Worker, WorkerPlugin

from hcskit.cluster._config import ClusterConfig
from hcskit.errors import InputError
from hcskit.parallel._device import GPUS_PER_RANK, bind_gpus, visible_gpus

__all__ = ["gpu_directives", "share_gpus"]


def gpu_directives(config: ClusterConfig) -> list[str]:
    """Return the directives by which a Slurm job requests GPUs; none if the file has its own.

    Examples
    --------
    >>> job = {"cores": 32, "memory": "128GiB", "walltime": "08:00:00", "ranks_per_worker": 4}
    >>> gpu_directives(ClusterConfig(kind="slurm", gpus_per_rank=1, **job))
    ['--gres=gpu:4']
    """
    if config.kind != "slurm" or not config.gpus_per_rank or config.asks_for_gpus:
        return []
    return [f"--gres=gpu:{config.ranks_per_worker * config.gpus_per_rank}"]


def share_gpus(client: Client, config: ClusterConfig) -> None:
    """Give each worker of this machine GPUs of its own, one for each of its ranks.

    Workers that a batch system or another program starts get their GPUs from it.

    Raises
    ------
    InputError
        If the cluster's file asks for a GPU for each rank, and this machine has fewer.
    """
    if config.kind != "local":
        return
    ranks, seen = config.workers * config.ranks_per_worker, len(visible_gpus())
    if config.gpus_per_rank and seen < ranks:
        raise InputError(
            f"{config.workers} workers of {config.ranks_per_worker} ranks need {ranks} GPUs, and this machine has "
            f"{seen} (CUDA_VISIBLE_DEVICES is {os.environ.get('CUDA_VISIBLE_DEVICES')!r}); lower workers or "
            "ranks_per_worker in the cluster's file, or set gpus_per_rank to 0 to compute without GPUs"
        )
    if seen:
        client.register_plugin(_OwnGpus(config))


class _OwnGpus(WorkerPlugin):
    """Binds a worker to its GPUs before it loads TensorFlow, also after a restart.

    Parameters
    ----------
    config : ClusterConfig
        The cluster, whose workers are called 0, 1, 2 …
    """

    name = "gpus"

    def __init__(self, config: ClusterConfig) -> None:
        self.config = config

    def setup(self, worker: Worker) -> None:
        """Set the variables of the worker's process, which its ranks inherit."""
        asked = self.config.gpus_per_rank
        environment = os.environ | ({} if asked is None else {GPUS_PER_RANK: str(asked)})
        os.environ.update(bind_gpus(environment, int(worker.name), self.config.workers, self.config.ranks_per_worker))
