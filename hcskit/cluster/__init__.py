"""Dask clusters, and ranks of one training placed on them."""

from hcskit.cluster._config import ClusterConfig
from hcskit.cluster._folds import cross_validate
from hcskit.cluster._open import open_cluster
from hcskit.cluster._predict import predict
from hcskit.cluster._train import train
from hcskit.cluster._tune import tune_ranks
from hcskit.cluster.ranks._gang import WorkerLostError, run_gang, wait_for_workers
from hcskit.inference._scores import CrossValidation

__all__ = [
    "ClusterConfig",
    "CrossValidation",
    "WorkerLostError",
    "cross_validate",
    "open_cluster",
    "predict",
    "run_gang",
    "train",
    "tune_ranks",
    "wait_for_workers",
]
