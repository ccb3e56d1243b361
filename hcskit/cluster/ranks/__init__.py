"""Ranks of one training, placed on Dask workers: all or none, each bound to its cores."""

from hcskit.cluster.ranks._binding import CpuBinding, bind_rank, variables
from hcskit.cluster.ranks._gang import run_gang

__all__ = ["CpuBinding", "bind_rank", "run_gang", "variables"]
