"""All workers of a cluster in one job of Slurm, which has all its nodes at once."""

from __future__ import annotations

import shlex
from typing import Any

__all__ = ["one_job"]


class _OneJob:
    """A job of several nodes, with a worker on each; to Dask it is the worker on the first."""

    nodes: int

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        name = f"--name {self.name}"  # type: ignore[attr-defined]
        command: str = self._command_template  # type: ignore[has-type]
        # The first worker has the job's own name: when it goes, Dask cancels the job and submits another one. With one
        # worker all go (--kill-on-bad-exit).
        task = f"n=.$SLURM_PROCID; exec {command.replace(name, f'{name}${{n%.0}}')}"
        cores = self.worker_cores  # type: ignore[attr-defined]
        step = f"srun --label --kill-on-bad-exit=1 --ntasks-per-node=1 --cpus-per-task={cores}"
        self._command_template = f"{step} sh -c {shlex.quote(task)}"

    @property
    def worker_names(self) -> tuple[str, ...]:
        """The names of the workers that it starts."""
        name: str = self.name  # type: ignore[attr-defined]
        return (name, *(f"{name}.{number}" for number in range(1, self.nodes)))


def one_job(job_class: type[Any], nodes: int) -> type[Any]:
    """Return a class of jobs that start a worker on each of several nodes, by ``srun``."""
    return type(f"One{job_class.__name__}", (_OneJob, job_class), {"nodes": nodes})
