"""Where work is done: a cluster in a YAML file."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dask.utils import parse_bytes
from pydantic import BeforeValidator, Field, PrivateAttr, ValidationInfo, field_validator, model_validator
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from hcskit.cluster._site import own_names, site_of
from hcskit.sections import YamlFile

__all__ = ["ClusterConfig"]

_LEAST_MEMORY = 10**8  # bytes: less is a number without its unit
_TIME = re.compile(r"(\d+-)?\d+(:\d\d?){0,2}")


def _text(given: Any) -> Any:
    """Take numbers for text: an account or a queue may have one for a name."""
    return str(given) if isinstance(given, int) else given


def _lines(given: Any) -> Any:
    """Take text for its lines: one directive needs no list, nor does a script."""
    return tuple(given.strip().splitlines()) if isinstance(given, str) else given


Text = Annotated[str, BeforeValidator(_text)]
Lines = Annotated[tuple[str, ...], BeforeValidator(_lines)]


class ClusterConfig(YamlFile):
    """A cluster; by default this machine.

    Ranks and threads are here and not in the recipe: they decide how long a training takes, and on which machine, but
    not what it trains. `tune_ranks` finds a good number.

    What is not given is taken from the site's own configuration of Dask for this batch system, if there is one
    (``jobqueue.yaml``), and dask-jobqueue's names of fields are understood.

    Attributes
    ----------
    kind : str
        ``local``, ``address`` (a Dask scheduler that runs already), or a batch system that dask-jobqueue knows:
        ``slurm``, ``pbs``, ``lsf``, ``sge`` …
    from_site : str
        Which fields were taken from which of the site's files, in one line; empty if none were.

    Examples
    --------
    >>> ClusterConfig(kind="slurm", workers=2, cores=32, memory="128GiB", walltime="08:00:00").workers
    2
    """

    content = "the description of a cluster"

    kind: Literal["local", "address", "slurm", "pbs", "lsf", "sge", "moab", "oar"] = "local"
    workers: int = Field(1, ge=1, description="Dask workers: nodes of a batch system, or processes on this machine")
    placement: Literal["many_jobs", "one_job"] = Field(
        "many_jobs", description="a job for each worker, or one of Slurm for all, which has its nodes at once"
    )
    ranks_per_worker: int = Field(1, ge=1, description="ranks of a training in each worker")
    threads_per_rank: int | None = Field(None, ge=1, description="threads of a rank; default: one for each core it has")
    cores: int | None = Field(
        None, ge=1, validate_default=True, description="cores of a worker; local: this machine's, shared out"
    )
    memory: Text | None = Field(None, validate_default=True, description="memory of a worker, such as 64GiB")
    walltime: str | None = Field(
        None, validate_default=True, description="longest time of a job, as the batch system writes it"
    )
    address: str | None = Field(None, validate_default=True, description="of the scheduler, for the kind address")
    queue: Text | None = Field(None, description="queue or partition")
    account: Text | None = Field(None, description="account or project")
    interface: str | None = Field(
        None, description="network interface between nodes, such as ib0; or their network, such as 10.20.0.0/16"
    )
    driver_interface: str | None = Field(None, description="the same network's interface here, if its name is another")
    python: str | None = Field(None, description="path of the nodes' Python; default: as here")
    prologue: Lines = Field((), description="lines of the job script before the worker starts, such as module load")
    job_extra: Lines = Field((), description="further directives of the job script")
    job_directives_skip: Lines = Field((), description="leave out directives with these words in them")
    gpus_per_rank: Literal[0, 1] | None = Field(
        None, description="1: each rank has a GPU of its own, or there is an error; 0: none; default: if enough"
    )
    log_directory: Path | None = Field(None, description="where the jobs' own output goes")
    local_directory: Path | None = Field(None, description="scratch of a worker")
    start_timeout: float = Field(300.0, gt=0, description="seconds from a job's start until its worker must be there")
    queue_timeout: float | None = Field(
        None, gt=0, description="seconds for which a job may wait in Slurm's queue; default: as long as it can start"
    )
    begin_with: int | None = Field(None, ge=1, description="so many workers may begin a training; default: all")
    begin_after: float = Field(600.0, ge=0, description="seconds for which they wait for the others")
    dashboard: bool = Field(False, description="show Dask's pages on what the cluster does")
    replace_timeout: float = Field(120.0, ge=0, description="seconds to wait for a lost worker's replacement")
    rank_timeout: float = Field(120.0, ge=10, description="seconds after which a rank that is frozen is given up")
    _from_site: str = PrivateAttr("")
    _site_settings: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _fill_in(cls, given: Any, handler: ValidatorFunctionWrapHandler) -> Self:
        if not isinstance(given, dict):
            return handler(given)  # type: ignore[no-any-return]
        own = own_names(given)
        site = site_of(str(own.get("kind", "local")))
        config: Self = handler({**site.fields, **own})
        config._from_site = site.told([name for name in site.fields if name not in own])
        config._site_settings = site.others
        return config

    @field_validator("memory")
    @classmethod
    def _is_a_size(cls, memory: str | None) -> str | None:
        try:
            if memory is None or parse_bytes(memory) >= _LEAST_MEMORY:
                return memory
        except ValueError:
            pass
        raise ValueError(f"found {memory!r}; it must be a size with its unit, such as 64GiB")

    @field_validator("walltime", mode="before")
    @classmethod
    def _is_a_time(cls, walltime: Any) -> Any:
        if walltime is None or (isinstance(walltime, str) and _TIME.fullmatch(walltime.strip())):
            return walltime
        quoted = '; a number is minutes to some batch systems and seconds to others: put it into quotes, as "30"'
        raise ValueError(
            f"found {walltime!r}; it must be a time as the batch system writes it, such as 08:00:00 (hours, minutes "
            f"and seconds){quoted if isinstance(walltime, int) else ''}"
        )

    @field_validator("cores", "memory", "walltime", "address", mode="after")
    @classmethod
    def _is_there(cls, value: Any, info: ValidationInfo) -> Any:
        kind, field = info.data.get("kind", "local"), info.field_name
        if field == "address" and value is not None and kind != "address":
            raise ValueError(f"found {value!r}; only a cluster of kind address has one")
        if value is None and (field == "address") == (kind == "address") and kind != "local":
            raise ValueError(f"is missing; a cluster of kind {kind} needs it")
        return value

    @field_validator("interface", "driver_interface")
    @classmethod
    def _is_a_network(cls, interface: str | None) -> str | None:
        if interface and "/" in interface:
            ip_network(interface, strict=False)  # says itself what is wrong
        return interface

    @field_validator("placement")
    @classmethod
    def _is_known_there(cls, placement: str, info: ValidationInfo) -> str:
        if placement == "one_job" and info.data.get("kind") not in ("slurm", None):
            raise ValueError(f"found 'one_job'; only Slurm has it, and the kind is {info.data['kind']}")
        return placement

    @field_validator("begin_with")
    @classmethod
    def _is_a_part(cls, begin_with: int | None, info: ValidationInfo) -> int | None:
        workers = info.data.get("workers")
        if begin_with and workers and begin_with > workers:
            raise ValueError(f"found {begin_with}; there are no more than {workers} (workers)")
        return begin_with

    @field_validator("gpus_per_rank")
    @classmethod
    def _is_asked_for(cls, gpus: int | None, info: ValidationInfo) -> int | None:
        kind, directives = info.data.get("kind", "local"), info.data.get("job_extra", ())
        if gpus and kind not in ("local", "address", "slurm") and not _ask_for_gpus(kind, directives):
            count = info.data.get("ranks_per_worker", 1)
            raise ValueError(
                f"a GPU for each rank needs a directive in job_extra that asks {kind} for {count} GPUs a job, in "
                "the words of your site, such as '-l select=1:ncpus=32:ngpus=4' (PBS), '-gpu num=4' (LSF) or "
                "'-l gpu=4' (SGE)"
            )
        return gpus

    @property
    def from_site(self) -> str:
        """Which fields were taken from which of the site's files, in one line; empty if none were."""
        return self._from_site

    @property
    def site_settings(self) -> dict[str, Any]:
        """Dask's settings for what the site's files say and a cluster's file has no field for."""
        return self._site_settings

    @property
    def asks_for_gpus(self) -> bool:
        """Whether the directives in the file ask for GPUs themselves."""
        return _ask_for_gpus(self.kind, self.job_extra)

    @property
    def nodes_of_job(self) -> int:
        """How many workers a job of a batch system starts, one on each of its nodes."""
        return self.workers if self.placement == "one_job" else 1

    @property
    def is_batch(self) -> bool:
        """Whether a batch system starts the workers."""
        return self.kind not in ("local", "address")


def _ask_for_gpus(kind: str, directives: tuple[str, ...]) -> bool:
    if kind == "slurm":
        return any(directive.startswith(("--gres", "--gpus", "-G")) for directive in directives)
    return any("gpu" in directive.lower() for directive in directives)
