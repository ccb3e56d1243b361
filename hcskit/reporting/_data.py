"""What a report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import xarray as xr

from hcskit.errors import InputError
from hcskit.screen import max_projection

__all__ = ["ReportData"]


@dataclass(frozen=True)
class ReportData:
    """What a report shows. A part that is None is left out of the report.

    Attributes
    ----------
    title : str
        Name of the screen.
    screen : xarray.DataTree
        The plates, as `hcskit.screen.screen_tree` gathers them.
    quality : pandas.DataFrame, optional
        Index ``plate, well, field, channel``; columns ``focus, focus_z, saturation, mean, excluded, reason``.
    controls : pandas.DataFrame, optional
        Columns ``plate, readout, z_prime, ssmd`` and mean, sd and number of the controls.
    illumination : xarray.Dataset, optional
        ``flat`` (plate, channel, y, x).
    predictions : pandas.DataFrame, optional
        Index ``plate, well, phenotype``; columns ``probability, sd, n_fields``.
    responses, points, curves : pandas.DataFrame, optional
        The fits (index ``compound, readout``), the fitted wells and the curves; all three or none.
    history : pandas.DataFrame, optional
        Columns ``epoch, loss, val_loss, accuracy, val_accuracy``.
    truth : pandas.DataFrame, optional
        Known EC50s of simulated plates: ``compound, moa, phenotype, ec50, concentration_unit``.
    record : mapping, optional
        What was run: the content of ``run.json``.

    Raises
    ------
    InputError
        If only some of `responses`, `points` and `curves` are given.
    """

    title: str
    screen: xr.DataTree
    quality: pd.DataFrame | None = None
    controls: pd.DataFrame | None = None
    illumination: xr.Dataset | None = None
    predictions: pd.DataFrame | None = None
    responses: pd.DataFrame | None = None
    points: pd.DataFrame | None = None
    curves: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    truth: pd.DataFrame | None = None
    record: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        missing = [name for name in ("responses", "points", "curves") if getattr(self, name) is None]
        if len(missing) in (1, 2):
            raise InputError(
                f"responses, points and curves belong together, but {' and '.join(missing)} is missing; "
                "give all three or none"
            )

    @property
    def plates(self) -> dict[str, xr.Dataset]:
        """The plates by id, each with the exclusions of the quality table."""
        plates = {
            name: max_projection(node.to_dataset(inherit=False))
            for name, node in self.screen.children.items()
            if "image" in node
        }
        if self.quality is None:
            return plates
        return {name: _with_exclusions(plate, self.quality) for name, plate in plates.items()}


def _with_exclusions(plate: xr.Dataset, quality: pd.DataFrame) -> xr.Dataset:
    if plate.attrs["plate"] not in quality.index.get_level_values("plate"):
        return plate
    rows = quality.xs(plate.attrs["plate"], level="plate")["excluded"].astype(bool)
    excluded = rows.groupby(level=["well", "field"]).any().to_xarray()
    aligned = excluded.reindex(well=plate["well"].to_numpy(), field=plate["field"].to_numpy(), fill_value=False)
    return plate.assign(excluded=aligned.fillna(False).astype(bool))
