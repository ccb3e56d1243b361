"""The report: one HTML file of a run that works offline."""

from hcskit.reporting._report import report

__all__ = ["report"]
