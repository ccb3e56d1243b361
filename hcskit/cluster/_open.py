"""Starting a cluster, and stopping it in any case."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster
from distributed.security import Security

from hcskit.cluster._config import ClusterConfig
from hcskit.cluster._gpus import gpu_directives, share_gpus
from hcskit.errors import InputError, RunError

__all__ = ["AnyCluster", "Cluster", "config_of", "open_cluster"]

_LOOPBACK = "127.0.0.1"
# A lost job is replaced this many seconds after its worker was last heard of; Dask's own 15 s are for idle clusters.
_LOST = "5s"
# A worker that cannot reach its scheduler for this many seconds ends: the driver's machine is gone.
_ORPHANED = 60


@dataclass(frozen=True)
class Cluster:
    """An open cluster, which serves every verb of hcskit.

    Attributes
    ----------
    client : distributed.Client
        Dask's client, also for computations of your own.
    config : ClusterConfig
        What it was opened with.
    """

    client: Client
    config: ClusterConfig


#: How a cluster may be given: open, by its description, or by the path of a file that holds it.
AnyCluster = Cluster | ClusterConfig | str | Path


@contextmanager
def open_cluster(cluster: AnyCluster | None = None, folder: str | Path | None = None) -> Iterator[Cluster]:
    """Start a cluster and yield it; jobs and processes end with the context, or with this process.

    All connections use TLS, with certificates made for this cluster alone; the dashboard listens on loopback. A
    scheduler that runs already (kind ``address``) is contacted as Dask's own configuration says.

    Parameters
    ----------
    cluster : ClusterConfig, path-like or Cluster, optional
        By default this machine, one worker. One that is open already is yielded as it is, and stays open.
    folder : path-like, optional
        Of the jobs' own output; all nodes must see it. By default the configuration's, or else the current one.

    Raises
    ------
    InputError
        If the kind of cluster is unknown, this machine has too few GPUs, or the batch system refuses the jobs (with
        its own message).

    Examples
    --------
    One cluster for several steps:

    >>> with open_cluster("slurm.yaml") as cluster:  # doctest: +SKIP
    ...     hcskit.train("runs/plate7", "recipe.yaml", "runs/plate7/model", cluster=cluster)
    ...     hcskit.predict("runs/plate7", "runs/plate7/model", "runs/plate7", cluster=cluster)
    """
    if isinstance(cluster, Cluster):
        yield cluster
        return
    config = config_of(cluster)
    with dask.config.set({"distributed.deploy.lost-worker-timeout": _LOST}):
        if config.kind == "address":
            with _client(config.address, config) as client:
                yield Cluster(client, config)
            return
        jobs = Path(config.log_directory or folder or Path.cwd())
        with _local(config) if config.kind == "local" else _batch(config, jobs) as place:  # noqa: SIM117 - two lines
            with _client(place, config) as client:
                share_gpus(client, config)
                yield Cluster(client, config)


def config_of(cluster: AnyCluster | None) -> ClusterConfig:
    """Return the description of a cluster, however it is given; by default this machine, one worker."""
    if cluster is None:
        return ClusterConfig()
    return cluster.config if isinstance(cluster, Cluster) else ClusterConfig.of(cluster)


def _client(where: Any, config: ClusterConfig) -> Client:
    try:
        return Client(where, timeout=config.start_timeout)  # type: ignore[no-untyped-call]
    except (OSError, TypeError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {where}: {error}; see that it runs there, and that distributed.comm.tls in "
            "Dask's configuration names its certificates, if it has any"
        ) from error


def _local(config: ClusterConfig) -> LocalCluster:
    cores = config.cores or max(1, len(os.sched_getaffinity(0)) // config.workers)
    return LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=config.workers,
        threads_per_worker=cores,
        memory_limit=config.memory or "auto",
        host=_LOOPBACK,
        protocol="tls://",
        security=_security(),
        dashboard_address=f"{_LOOPBACK}:0",
        worker_dashboard_address=f"{_LOOPBACK}:0",
    )


def _security(folder: Path | None = None) -> Security:
    """Make certificates for one cluster; those of its workers in files, where a folder is given."""
    security: Security = Security.temporary()  # type: ignore[no-untyped-call]
    for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key") if folder else ():
        path = Path(folder or "", f"{name}.pem")
        path.touch(mode=0o600)
        path.write_text(getattr(security, name), encoding="ascii")
        setattr(security, name, str(path))
    return security


@contextmanager
def _batch(config: ClusterConfig, folder: Path) -> Iterator[Any]:
    cluster_class = _jobqueue_class(config.kind)
    folder.mkdir(parents=True, exist_ok=True)
    name, certificates = f"hcskit-{secrets.token_hex(4)}", Path(tempfile.mkdtemp(prefix=".certificates-", dir=folder))
    cancel = ("scancel", "--name", name) if config.kind == "slurm" else ()
    with _janitor(certificates, cancel), _start(cluster_class, _options(config, name, folder, certificates)) as cluster:
        if config.kind == "slurm":
            _ask_slurm(cluster.job_script())
        # Not scale(): that does not restart a lost job.
        cluster.adapt(minimum_jobs=config.workers, maximum_jobs=config.workers)
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
    names.pop("jobqueue")  # what they have in common
    if kind not in names:
        raise InputError(f"there is no cluster of kind {kind!r}; known: local, address, {', '.join(sorted(names))}")
    return getattr(dask_jobqueue, names[kind])


def _options(config: ClusterConfig, name: str, folder: Path, certificates: Path) -> dict[str, Any]:
    for path in (str(folder), sys.executable):
        if any(character.isspace() for character in path):
            raise InputError(f"job scripts cannot hold a path with a space, such as {path!r}; choose another one")
    # A job that the batch system requeues would come back under an id that dask-jobqueue has given up.
    requeue = ["--no-requeue"] if config.kind == "slurm" else []
    pays = "project" if config.kind in ("lsf", "oar", "sge") else "account"
    account = {} if config.account is None else {pays: config.account}
    return {
        "cores": config.cores,
        "memory": config.memory,
        "processes": 1,
        "queue": config.queue,
        **account,
        "walltime": config.walltime,
        "interface": config.interface,
        "job_name": name,
        "log_directory": str(folder),
        "local_directory": config.local_directory and str(config.local_directory),
        "job_extra_directives": [*requeue, *gpu_directives(config), *config.job_extra],
        "death_timeout": _ORPHANED,
        "python": sys.executable,
        "protocol": "tls://",
        "security": _security(certificates),
        "scheduler_options": {
            "dashboard_address": f"{_LOOPBACK}:0",
            "interface": config.driver_interface or config.interface,
        },
        "worker_extra_args": ["--no-dashboard", "--dashboard-address", f"{_LOOPBACK}:0"],
    }


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


def _ask_slurm(script: str) -> None:
    """Ask Slurm now whether it would accept the job: later its message would only be in a log."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        try:
            asked = subprocess.run(  # noqa: S603
                ["sbatch", "--test-only", file.name],  # noqa: S607 - the cluster's own command
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        except subprocess.TimeoutExpired:
            raise RunError("Slurm does not answer (sbatch --test-only, 60 s); try again later") from None
        except FileNotFoundError:
            raise InputError(
                "there is no sbatch on this machine; start from a node of the Slurm cluster, or choose another kind"
            ) from None
    if asked.returncode:
        raise InputError(f"Slurm refuses the job: {asked.stderr.strip()}")
