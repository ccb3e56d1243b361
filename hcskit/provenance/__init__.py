"""Runs beside one another: which there are, how two differ, and whether one gives the same numbers again."""

from hcskit.provenance._compare import Comparison, compare_runs
from hcskit.provenance._list import list_runs
from hcskit.provenance._rerun import rerun

__all__ = ["Comparison", "compare_runs", "list_runs", "rerun"]
