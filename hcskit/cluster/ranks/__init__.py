"""Ranks of one training, placed on Dask workers: all or none, each bound to its cores."""

from hcskit.cluster.ranks._binding import take_seat, variables
from hcskit.cluster.ranks._gang import Patience, WorkerLostError, ask, run_gang, wait_for_workers, workers_there

__all__ = [
    "Patience",
    "WorkerLostError",
    "ask",
    "run_gang",
    "take_seat",
    "variables",
    "wait_for_workers",
    "workers_there",
]
