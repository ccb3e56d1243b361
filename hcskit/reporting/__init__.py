"""The report: one HTML file of a run that works offline."""

from hcskit.reporting._data import ReportData
from hcskit.reporting._gather import gather_report
from hcskit.reporting._write import write_report

__all__ = ["ReportData", "gather_report", "write_report"]
