"""Dask clusters: jobs on their workers, and ranks of one training placed on them."""

from hcskit.cluster._before import check_folder, check_training
from hcskit.cluster._config import ClusterConfig
from hcskit.cluster._folds import train_folds
from hcskit.cluster._hand_over import Handover, hand_over
from hcskit.cluster._jobs import job_runner, plates_at_once, run_jobs
from hcskit.cluster._open import AnyCluster, Cluster, config_of, open_cluster
from hcskit.cluster._train import train_on_ranks
from hcskit.cluster._tune import tune_ranks
from hcskit.cluster._workers import WorkerLostError, wait_for_workers
from hcskit.cluster.ranks import run_gang

__all__ = [
    "AnyCluster",
    "Cluster",
    "ClusterConfig",
    "Handover",
    "WorkerLostError",
    "check_folder",
    "check_training",
    "config_of",
    "hand_over",
    "job_runner",
    "open_cluster",
    "plates_at_once",
    "run_gang",
    "run_jobs",
    "train_folds",
    "train_on_ranks",
    "tune_ranks",
    "wait_for_workers",
]
