"""Starting a cluster, and stopping it in any case."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster
from tqdm import tqdm

from hcskit.cluster._batch import open_batch
from hcskit.cluster._config import ClusterConfig
from hcskit.cluster._dashboard import LOOPBACK, dashboard_options, dashboard_settings, guard_dashboard
from hcskit.cluster._gpus import share_gpus
from hcskit.cluster._quiet import quiet, quiet_workers
from hcskit.cluster._room import make_room
from hcskit.cluster._security import make_certificates
from hcskit.errors import InputError

__all__ = ["AnyCluster", "Cluster", "config_of", "open_cluster"]

# A lost job is replaced this many seconds after its worker was last heard of; Dask's own 15 s are for idle clusters.
_LOST = "5s"
_LOG = "dask.log"


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


def say_aside(line: str) -> None:
    """Print a line to standard error, above a progress bar."""
    tqdm.write(line, file=sys.stderr)


@contextmanager
def open_cluster(
    cluster: AnyCluster | None = None,
    folder: str | Path | None = None,
    *,
    say: Callable[[str], object] = say_aside,
) -> Iterator[Cluster]:
    """Start a cluster and yield it; jobs and processes end with the context, or with this process.

    All connections use TLS, with certificates made for this cluster alone. A scheduler that runs already (kind
    ``address``) is contacted as Dask's own configuration says.

    Parameters
    ----------
    cluster : ClusterConfig, path-like or Cluster, optional
        By default this machine, one worker. One that is open already is yielded as it is, and stays open.
    folder : path-like, optional
        Of the jobs' own output, and of Dask's warnings (``dask.log``); all nodes must see it. By default the
        configuration's, or else the current one; on this machine alone, none.
    say : callable
        Receives what was taken from the site's own files, where the dashboard is, each job that the batch system
        refuses, and where jobs are that wait in its queue; by default, it is printed to standard error.

    Raises
    ------
    InputError
        If nothing can be written into the folder, this machine has too few GPUs, or the batch system refuses the jobs
        (with its own message).

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
    given = config.log_directory or folder or (Path.cwd() if config.is_batch else None)
    place = Path(given or "").absolute()
    log = place / _LOG if given else None
    if given:
        make_room(place)
    secret = secrets.token_urlsafe(16) if config.dashboard else ""
    settings = {"distributed.deploy.lost-worker-timeout": _LOST, **dashboard_settings(secret)}
    if config.from_site:
        say(config.from_site)
    with (
        dask.config.set(settings),
        quiet(log),
        _started(config, place, secret, say) as where,
        _client(where, config) as client,
    ):
        if config.kind == "local":
            quiet_workers(client, log)
            share_gpus(client, config)
        if config.kind != "address" and (line := guard_dashboard(where.scheduler, secret)):
            say(line)
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


@contextmanager
def _started(config: ClusterConfig, folder: Path, secret: str, say: Callable[[str], object]) -> Iterator[Any]:
    """Start the scheduler and its workers, and yield what a client connects to."""
    if config.kind == "address":
        yield config.address
        return
    with _local(config, secret) if config.kind == "local" else open_batch(config, folder, secret, say) as cluster:
        yield cluster


def _local(config: ClusterConfig, secret: str) -> LocalCluster:
    cores = config.cores or max(1, len(os.sched_getaffinity(0)) // config.workers)
    return LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=config.workers,
        threads_per_worker=cores,
        memory_limit=config.memory or "auto",
        host=LOOPBACK,
        protocol="tls://",
        security=make_certificates(),
        scheduler_kwargs=dashboard_options(secret),
    )
