"""One cluster for all steps of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hcskit.cluster import AnyCluster, Handover, config_of, hand_over, open_cluster
from hcskit.pipeline._notebook import StepNotebook

__all__ = ["RunCluster"]

#: The parameter of a step that takes a cluster's file.
CLUSTER = "cluster"


class RunCluster:
    """The cluster of a run: opened for the first step that can use it, and closed after the last.

    Parameters
    ----------
    cluster : Cluster, ClusterConfig, path-like or None
        As `open_cluster` takes it; None: each step works on this machine, or where its own parameter says.
    folder : pathlib.Path
        Of the output of its jobs.
    say : callable
        Receives what `open_cluster` says.
    """

    def __init__(self, cluster: AnyCluster | None, folder: Path, say: Callable[[str], object]) -> None:
        self._config = None if cluster is None else config_of(cluster)
        self._cluster, self._folder, self._say = cluster, folder, say
        self._handover: Handover | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._open.__exit__(kind, error, trace)

    def described(self, notebook: StepNotebook, values: Mapping[str, Any]) -> tuple[StepNotebook, Mapping[str, Any]]:
        """Return a step and its parameters, with the description of the cluster in them, to be checked."""
        return notebook, {**values, CLUSTER: self._config} if self.serves(notebook, values) else values

    def for_step(self, notebook: StepNotebook, values: Mapping[str, Any]) -> tuple[Mapping[str, Any], dict[str, str]]:
        """Return a step's parameters with the file of the open cluster in them, and the environment that it needs."""
        if not self.serves(notebook, values):
            return values, {}
        if self._handover is None:
            cluster = self._open.enter_context(open_cluster(self._cluster, self._folder, say=self._say))
            self._handover = self._open.enter_context(hand_over(cluster))
        return {**values, CLUSTER: str(self._handover.file)}, self._handover.environment

    def close(self) -> None:
        """Close the cluster, if it is open; the next step that can use it would open another one."""
        self._handover = None
        self._open.close()

    def serves(self, notebook: StepNotebook, values: Mapping[str, Any]) -> bool:
        """Whether a step works on the cluster."""
        return self._config is not None and CLUSTER in notebook.parameters and values[CLUSTER] is None
