"""The workers of a batch system: one job each."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dask

from hcskit.cluster._config import ClusterConfig
from hcskit.cluster._dashboard import LOOPBACK, dashboard_options
from hcskit.cluster._gpus import gpu_directives
from hcskit.cluster._one_job import one_job
from hcskit.cluster._queue import watched_queue
from hcskit.cluster._security import make_certificates
from hcskit.cluster._slurm import ask_slurm
from hcskit.cluster._submissions import Submissions, queued
from hcskit.errors import InputError
from hcskit.parallel import interface_in

__all__ = ["open_batch"]

# A worker that cannot reach its scheduler for this many seconds ends: the driver's machine is gone.
_ORPHANED = 60


@contextmanager
def open_batch(config: ClusterConfig, folder: Path, secret: str, say: Callable[[str], object]) -> Iterator[Any]:
    """Start a scheduler, and submit jobs for its workers; yield dask-jobqueue's cluster.

    Parameters
    ----------
    config : ClusterConfig
        Of a batch system.
    folder : Path
        Of the jobs' own output.
    secret : str
        In the address of the dashboard; empty: there is none.
    say : callable
        Receives a line for each job that the batch system refuses, and whenever jobs in its queue are elsewhere.

    Raises
    ------
    InputError
        If the scheduler cannot be started, or Slurm refuses the job.
    """
    cluster_class = _jobqueue_class(config.kind)
    name, certificates = f"hcskit-{secrets.token_hex(4)}", Path(tempfile.mkdtemp(prefix=".certificates-", dir=folder))
    cancel = ("scancel", "--name", name) if config.kind == "slurm" else ()
    submissions = Submissions(config.kind, config.start_timeout, say)
    settings = dask.config.set(config.site_settings)  # over the defaults that dask-jobqueue has brought
    with settings, _janitor(certificates, cancel):  # before all that may fail: it removes the keys
        options = job_options(config, name, folder, certificates, secret)
        options["job_cls"] = job_class(config, cluster_class.job_cls, submissions)
        with _start(cluster_class, options) as cluster:
            if config.kind == "slurm":
                ask_slurm(cluster.job_script())
            cluster.submissions = submissions
            with watched_queue(cluster, config, name, folder, say):
                # Not scale(): that does not restart a lost job.
                jobs = config.workers // config.nodes_of_job
                cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
                yield cluster


def _start(cluster_class: Any, options: dict[str, Any]) -> Any:
    try:
        return cluster_class(**options)
    except (RuntimeError, ValueError) as error:  # such as an interface that is not there
        raise InputError(f"the scheduler cannot be started here: {error.__cause__ or error}") from error


def _jobqueue_class(kind: str) -> Any:
    # Imported here: it installs its own handler of Ctrl-C, and fails where it cannot (0.9.0, runner.py).
    setting, signal.signal = signal.signal, lambda *_: None
    try:
        import dask_jobqueue
    finally:
        signal.signal = setting
    names = {name.removesuffix("Cluster").lower(): name for name in dir(dask_jobqueue) if name.endswith("Cluster")}
    return getattr(dask_jobqueue, names[kind])


def job_class(config: ClusterConfig, plain: type[Any], submissions: Submissions) -> type[Any]:
    """Return the class of the jobs: dask-jobqueue's, but submitted one after another, and as the file places them."""
    found = queued(plain, submissions)
    return one_job(found, config.nodes_of_job) if config.nodes_of_job > 1 else found


def job_options(config: ClusterConfig, name: str, folder: Path, certificates: Path, secret: str = "") -> dict[str, Any]:
    """Return the arguments of dask-jobqueue's cluster.

    Raises
    ------
    InputError
        If a path has a space in it.
    """
    python = config.python or sys.executable
    for path in (str(folder), python):
        if any(character.isspace() for character in path):
            raise InputError(f"job scripts cannot hold a path with a space, such as {path!r}; choose another one")
    # A job that the batch system requeues would come back under an id that dask-jobqueue has given up.
    requeue = ["--no-requeue"] if config.kind == "slurm" else []
    nodes = config.nodes_of_job
    several = [f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"] if nodes > 1 else []
    pays = "project" if config.kind in ("lsf", "oar", "sge") else "account"
    account = {} if config.account is None else {pays: config.account}
    return {
        "cores": config.cores,
        "memory": config.memory,
        "processes": 1,
        "queue": config.queue,
        **account,
        "walltime": config.walltime,
        "interface": _on_node(config.interface, python),
        "job_name": name,
        "log_directory": str(folder),
        "local_directory": config.local_directory and str(config.local_directory),
        "job_script_prologue": list(config.prologue),
        "job_extra_directives": [*requeue, *several, *gpu_directives(config), *config.job_extra],
        "job_directives_skip": list(config.job_directives_skip),
        "death_timeout": _ORPHANED,
        "python": python,
        "protocol": "tls://",
        "security": make_certificates(certificates),
        "scheduler_options": {
            **dashboard_options(secret),
            "interface": _here(config.driver_interface or config.interface),
        },
        "worker_extra_args": ["--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0"],
        "silence_logs": False,  # they are in a file (`quiet`)
    }


def _on_node(interface: str | None, python: str) -> str | None:
    """Return the interface's name, or the command by which each node finds its own for a network's address."""
    return f"$({python} -m hcskit.parallel._network {interface})" if interface and "/" in interface else interface


def _here(interface: str | None) -> str | None:
    return interface_in(interface)[0] if interface and "/" in interface else interface


@contextmanager
def _janitor(folder: Path, cancel: tuple[str, ...]) -> Iterator[None]:
    """Start a separate process that outlives this one and cleans up after it."""
    # This process sends a final message unless it is killed; then a job may still be on its way to the queue.
    command = [sys.executable, "-I", str(Path(__file__).with_name("_janitor.py")), str(folder), *cancel]
    process = subprocess.Popen(  # noqa: S603 - our own script
        command, stdin=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield
    finally:
        with suppress(subprocess.TimeoutExpired):
            process.communicate("goodbye", timeout=60)
