"""Where work is done: a cluster in a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from hcskit.sections import YamlFile

__all__ = ["ClusterConfig"]


class ClusterConfig(YamlFile):
    """A cluster; by default this machine.

    Ranks and threads are here and not in the recipe: they decide how long a training takes, and on which machine, but
    not what it trains. `tune_ranks` finds a good number.

    Attributes
    ----------
    kind : str
        ``local``, ``address`` (a Dask scheduler that runs already), or a batch system that dask-jobqueue knows:
        ``slurm``, ``pbs``, ``lsf``, ``sge`` …

    Examples
    --------
    >>> ClusterConfig(kind="slurm", workers=2, cores=32, memory="128GiB", walltime="08:00:00").workers
    2
    """

    content = "the description of a cluster"

    kind: str = "local"
    workers: int = Field(1, ge=1, description="Dask workers: nodes of a batch system, or processes on this machine")
    ranks_per_worker: int = Field(1, ge=1, description="ranks of a training in each worker")
    threads_per_rank: int | None = Field(None, ge=1, description="threads of a rank; default: one for each core it has")
    gpus_per_rank: Literal[0, 1] | None = Field(
        None, description="1: each rank has a GPU of its own, or there is an error; 0: none; default: if enough"
    )
    cores: int | None = Field(None, ge=1, description="cores of a worker; local: this machine's, shared out")
    memory: str | None = Field(None, description="memory of a worker, such as 64GiB")
    address: str | None = Field(None, description="of the scheduler, for the kind address")
    queue: str | None = Field(None, description="queue or partition")
    account: str | None = Field(None, description="account or project")
    walltime: str | None = Field(None, description="longest time of a job, as the batch system writes it")
    interface: str | None = Field(None, description="network interface between nodes, such as ib0")
    driver_interface: str | None = Field(None, description="the same network's interface here, if its name is another")
    job_extra: tuple[str, ...] = Field((), description="further directives of the job script")
    log_directory: Path | None = Field(None, description="where the jobs' own output goes")
    local_directory: Path | None = Field(None, description="scratch of a worker")
    start_timeout: float = Field(300.0, gt=0, description="seconds until all workers must be there")
    replace_timeout: float = Field(120.0, ge=0, description="seconds to wait for a lost worker's replacement")

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if (self.kind == "address") != (self.address is not None):
            raise ValueError("the kind address needs an address, and no other kind has one")
        if self.is_batch and None in (self.cores, self.memory, self.walltime):
            raise ValueError(
                f"a cluster of kind {self.kind} needs cores, memory and walltime: what each of its jobs asks for "
                "(only local and address need none)"
            )
        if self.gpus_per_rank and self.is_batch and self.kind != "slurm" and not self.asks_for_gpus:
            raise ValueError(
                f"gpus_per_rank of 1 needs a directive in job_extra that asks {self.kind} for {self.ranks_per_worker} "
                "GPUs a job, in the words of your site, such as '-l select=1:ncpus=32:ngpus=4' (PBS), "
                "'-gpu num=4' (LSF) or '-l gpu=4' (SGE)"
            )
        return self

    @property
    def asks_for_gpus(self) -> bool:
        """Whether the directives in the file ask for GPUs themselves."""
        if self.kind == "slurm":
            return any(directive.startswith(("--gres", "--gpus", "-G")) for directive in self.job_extra)
        return any("gpu" in directive.lower() for directive in self.job_extra)

    @property
    def is_batch(self) -> bool:
        """Whether a batch system starts the workers."""
        return self.kind not in ("local", "address")
