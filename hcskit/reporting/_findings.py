"""What a run has found, read once for all sections of its report."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pandas as pd
import xarray as xr

from hcskit.reporting._summary import ResponseSummary, summarise
from hcskit.results import (
    IMAGE_CONTROLS,
    PHENOTYPE_CONTROLS,
    PLATES,
    QUALITY,
    RECORD,
    RESPONSES,
    TRUTH,
    Part,
    RunRecord,
)
from hcskit.run import Run
from hcskit.views import excluded_fields

__all__ = ["Findings"]


class Findings:
    """The parts of a run, each read once; None, or empty, where the run does not have it.

    Parameters
    ----------
    run : hcskit.run.Run
        The run.
    truth : pandas.DataFrame, optional
        Known effective concentrations; by default those of the run's own simulated plate, if it has one.
    """

    def __init__(self, run: Run, truth: pd.DataFrame | None = None) -> None:
        self.run = run
        self._read: dict[str, Any] = {} if truth is None else {TRUTH.name: truth}

    def has(self, part: Part) -> bool:
        """Whether there is such a part."""
        return self._read.get(part.name) is not None or self.run.has(part)

    def get(self, part: Part) -> Any:
        """Return a part; None if it is not there."""
        if part.name not in self._read:
            self._read[part.name] = self.run.read(part) if self.run.has(part) else None
        return self._read[part.name]

    @cached_property
    def plates(self) -> dict[str, xr.Dataset]:
        """The plates by name."""
        return self.get(PLATES) or {}

    @cached_property
    def controls(self) -> pd.DataFrame | None:
        """Statistics of the controls, those of the phenotypes first."""
        found = [self.get(table) for table in (PHENOTYPE_CONTROLS, IMAGE_CONTROLS) if self.has(table)]
        return pd.concat(found) if found else None

    @cached_property
    def excluded(self) -> pd.DataFrame | None:
        """The fields that are left out, and why."""
        quality = self.get(QUALITY)
        return None if quality is None else excluded_fields(quality)

    @cached_property
    def responses(self) -> ResponseSummary | None:
        """The responses, and their summary for several sections."""
        responses = self.get(RESPONSES)
        return None if responses is None else summarise(responses, self.get(TRUTH))

    @property
    def record(self) -> RunRecord | None:
        """What was run."""
        record: RunRecord | None = self.get(RECORD)
        return record
