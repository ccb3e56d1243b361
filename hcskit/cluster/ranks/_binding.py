"""Which cores and threads each rank gets on its worker."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hcskit.cluster._config import ClusterConfig
from hcskit.cluster.ranks._cores import SYSTEM, nodes, physical_cores, share_cores
from hcskit.parallel import environment
from hcskit.parallel._device import GPUS_PER_RANK
from hcskit.recipe import Recipe

__all__ = ["CpuBinding", "bind_rank", "core_shares", "machine", "on_cpus", "variables"]

_THREADS, _BRANCHES = "OMP_NUM_THREADS", "TF_NUM_INTEROP_THREADS"


@dataclass(frozen=True)
class CpuBinding:
    """What one rank may run on.

    Attributes
    ----------
    cpus : frozenset of int
        What it may run on.
    threads : int
        How many threads compute at a time: one for each physical core, as hyper-threads share its arithmetic units.
    prefix : tuple of str
        Prefix of its command.
    """

    cpus: frozenset[int]
    threads: int
    prefix: tuple[str, ...] = ()

    def environment(self, asked: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables that limit libraries to these threads.

        Parameters
        ----------
        asked : mapping of str to str
            What the driver asks for; see `variables`. The worker's own are not the user's: Dask sets them to 1.

        Examples
        --------
        >>> CpuBinding(frozenset({0, 1}), 2).environment({"TF_NUM_INTEROP_THREADS": "7"})["TF_NUM_INTEROP_THREADS"]
        '2'
        """
        threads = int(asked.get(_THREADS, self.threads))
        # Not KMP_AFFINITY and KMP_BLOCKTIME: TensorFlow from the package index has no OpenMP.
        every = (_THREADS, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
        branches = min(int(asked.get(_BRANCHES, threads)), threads)
        return {**dict.fromkeys(every, str(threads)), _BRANCHES: str(branches)}


def variables(recipe: Recipe, config: ClusterConfig) -> dict[str, str]:
    """Return the settings of ranks as environment variables.

    They are Horovod's settings in the recipe, the threads and GPUs in the cluster's file, if given, and as
    many parallel operations as the network has branches, limited to the number of cores of a rank.
    """
    crop = recipe.data.crop
    branches = recipe.model.branches(crop)
    threads = {} if config.threads_per_rank is None else {_THREADS: str(config.threads_per_rank)}
    gpus = {} if config.gpus_per_rank is None else {GPUS_PER_RANK: str(config.gpus_per_rank)}
    return {**environment(recipe.parallel), **threads, **gpus, _BRANCHES: str(branches)}


def machine() -> tuple[str, tuple[int, ...]]:
    """Identify the machine whose cores a worker uses; host names may be equal on all nodes, or differ on one."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return boot, tuple(sorted(os.sched_getaffinity(0)))


def core_shares(machines: Mapping[str, object], ranks_per_worker: int) -> dict[str, list[tuple[int, int]]]:
    """Assign numbers to the ranks that share the same cores.

    Parameters
    ----------
    machines : mapping of str to object
        What `machine` returns in each worker.
    ranks_per_worker : int
        Ranks in each of them.

    Returns
    -------
    dict of str to list of tuple of int
        For each rank of each worker its number, and how many there are.

    Examples
    --------
    >>> core_shares({"a": "node1", "b": "node2", "c": "node1"}, 1)
    {'a': [(0, 2)], 'b': [(0, 1)], 'c': [(1, 2)]}
    """
    together = {worker: [other for other in machines if machines[other] == machines[worker]] for worker in machines}
    return {
        worker: [
            (others.index(worker) * ranks_per_worker + number, len(others) * ranks_per_worker)
            for number in range(ranks_per_worker)
        ]
        for worker, others in together.items()
    }


def bind_rank(
    share: tuple[int, int],
    worker: tuple[int, int],
    cpus: Iterable[int] | None = None,
    system: Path = SYSTEM,
) -> CpuBinding:
    """Choose the CPUs and threads of a rank on this machine.

    Parameters
    ----------
    share : tuple of int
        Its number among the ranks that share these cores, and how many there are.
    worker : tuple of int
        Ranks of its worker, and threads that the worker asked for.
    cpus : iterable of int, optional
        What they may run on; by default what this process may.
    system : path-like
        Where the machine describes itself.
    """
    allowed = frozenset(os.sched_getaffinity(0) if cpus is None else cpus)
    cores, (number, count), (ranks, threads) = physical_cores(allowed, system), share, worker
    prefix = _local_memory(system)
    if (threads + 1) * (count // ranks) <= len(cores):
        # The workers asked for fewer cores than they see: the others are not theirs, and it is unknown which.
        return CpuBinding(allowed, max(1, threads // ranks), prefix)
    own = share_cores(cores, count)[number]
    return CpuBinding(frozenset(cpu for core in own for cpu in core.cpus), len(own), prefix)


@contextmanager
def on_cpus(cpus: Iterable[int]) -> Iterator[None]:
    """Restrict this thread, and each process that it starts, to some CPUs from the first instruction on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _local_memory(system: Path) -> tuple[str, ...]:
    """Return the prefix that makes a command prefer near memory, unless a container forbids it."""
    numactl = shutil.which("numactl")
    if numactl is None or len(nodes(system)) < 2:
        return ()
    prefix = (numactl, "--localalloc")
    allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False)  # noqa: S603
    return prefix if allowed.returncode == 0 else ()
