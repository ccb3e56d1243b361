"""The plan of a production: what plates cost in bytes, files and node-hours, from the records of earlier runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import xarray as xr
from scipy.optimize import nnls

from hcskit.errors import InputError
from hcskit.results import RunRecord, StepRecord
from hcskit.store import lazy_plates, plate_folders

__all__ = ["PlateSize", "Production", "plan_production"]

_DAY = 86_400  # s
#: Steps whose cost grows with the wells; that of all others grows with the pixels.
_BY_WELLS = frozenset({"response", "report"})
#: How often the stored images are read: for the illumination, the quality and the predictions.
_READS = 3
_QUANTITIES = ("seconds", "bytes", "files", "raw")


@dataclass(frozen=True)
class PlateSize:
    """The size of a plate.

    Attributes
    ----------
    wells : float
        Wells with images.
    fields : float
        Fields of a well.
    megapixels : float
        Pixels of a field in all its channels, planes and time points, in millions.
    """

    wells: float
    fields: float
    megapixels: float

    @classmethod
    def of(cls, run: Path) -> Self:
        """Count the mean plate of a run, or of a screen; reads no pixel."""
        there = [(plate["present"], plate.sizes["y"] * plate.sizes["x"]) for plate in lazy_plates(run).values()]
        wells = sum(_count(present, "well") for present, _ in there)
        fields = sum(_count(present, "well", "field") for present, _ in there)
        pixels = sum(int(present.sum()) * size for present, size in there)
        return cls(wells / len(there), fields / wells, pixels / fields / 1e6)

    def grows(self, step: str) -> float:
        """Return that with which the cost of a step grows."""
        return self.wells * (1 if step in _BY_WELLS else self.fields * self.megapixels)


@dataclass(frozen=True)
class Production:
    """What plates cost; `str` formats it as a page.

    Attributes
    ----------
    size : PlateSize
        Of a plate.
    steps : pandas.DataFrame
        Index ``step``; columns ``seconds, stored_gigabytes, files`` of a plate.
    amounts : pandas.DataFrame
        Index ``of``: a well, a plate, the experiment and a day; columns ``raw_gigabytes, stored_gigabytes, files,
        node_hours``. A gigabyte has 1e9 bytes.
    load : pandas.Series
        Seconds for which a plate keeps the processors of all nodes, the disk and the network busy, where these are
        known.
    nodes : int
        How many there are.
    plates_a_day : float, optional
        How many are made.
    quota : float, optional
        Bytes that may be stored.
    """

    size: PlateSize
    steps: pd.DataFrame
    amounts: pd.DataFrame
    load: pd.Series
    nodes: int
    plates_a_day: float | None
    quota: float | None

    @property
    def bottleneck(self) -> str:
        """What is busy longest."""
        return str(self.load.idxmax())

    @property
    def most_a_day(self) -> float:
        """How many plates a day can be done."""
        return _DAY / float(self.load.max())

    @property
    def holds(self) -> bool:
        """Whether the nodes, the disk and the network keep pace, and the quota holds the experiment."""
        return self.most_a_day >= (self.plates_a_day or 0) and self.quota_plates >= self.plates

    @property
    def plates(self) -> float:
        """Plates of the experiment."""
        return float(self.amounts["stored_gigabytes"]["experiment"] / self.amounts["stored_gigabytes"]["plate"])

    @property
    def quota_plates(self) -> float:
        """How many plates the quota holds."""
        return math.inf if self.quota is None else self.quota / 1e9 / float(self.amounts["stored_gigabytes"]["plate"])

    def __str__(self) -> str:
        told = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.load.items())
        lines = [
            f"{self.size.wells:.0f} wells of {self.size.fields:.3g} fields of {self.size.megapixels:.3g} megapixels",
            self.amounts.to_string(float_format="{:,.3f}".format),
            "",
            "of a plate:",
            self.steps.to_string(float_format="{:,.3f}".format),
            "",
            f"bottleneck    {self.bottleneck} (busy with a plate: {told})",
            f"plates a day  {self.most_a_day:,.0f} at most on {self.nodes} node{'s' * (self.nodes != 1)}",
        ]
        if self.plates_a_day is not None:
            seconds = self.load["processor"] * self.nodes
            needed = math.ceil(self.plates_a_day * seconds / _DAY)
            verdict = "kept up with" if self.plates_a_day <= self.most_a_day else "too many"
            lines[-1] += f"; {self.plates_a_day:,.0f} are {verdict}, and need {needed} node{'s' * (needed != 1)}"
        if self.quota is not None:
            days = f", of {self.quota_plates / self.plates_a_day:,.0f} days" if self.plates_a_day else ""
            verdict = "enough" if self.quota_plates >= self.plates else f"too little for {self.plates:,.0f}"
            lines.append(f"quota         holds {math.floor(self.quota_plates):,} plates{days}: {verdict}")
        return "\n".join(lines)


def plan_production(
    runs: Iterable[str | Path],
    size: Mapping[str, float] | None = None,
    *,
    plates: float = 1,
    plates_a_day: float | None = None,
    quota: float | None = None,
    nodes: int = 1,
    disk: float | None = None,
    network: float | None = None,
) -> Production:
    """Work out what plates cost, each a run of its own, from what earlier runs have cost.

    Runs of plates of different size tell what a step costs in any case from what grows with the plate: with the wells
    for the responses and the report, with the pixels for all else. From one run, all is taken to grow.

    Parameters
    ----------
    runs : iterable of path-like
        Folders of runs of one pipeline, on a node like those that are planned.
    size : mapping of str to float, optional
        Attributes of `PlateSize` in which the plates differ from those of the first run.
    plates : float
        Of the experiment.
    plates_a_day : float, optional
        How many are made.
    quota : float, optional
        Bytes that may be stored. What the microscope exports is not counted.
    nodes : int
        How many work, each on a plate of its own.
    disk, network : float, optional
        Bytes per second that the storage of all nodes, and the network between it and them, can move.

    Returns
    -------
    Production
        What is not known of disk and network is left out.

    Raises
    ------
    InputError
        If a folder holds no run or no plate, or the runs did different steps.
    """
    folders = [Path(run) for run in runs]
    if not folders:
        raise InputError("a plan needs the folder of an earlier run, whose record says what its steps cost")
    sizes = [PlateSize.of(folder) for folder in folders]
    wanted = replace(sizes[0], **(size or {}))
    costs = _costs(folders, sizes, wanted)
    plate = costs.sum()
    counts = {"well": 1 / wanted.wells, "plate": 1.0, "experiment": float(plates)}
    if plates_a_day is not None:
        counts["day"] = float(plates_a_day)
    row = [plate["raw"] / 1e9, plate["bytes"] / 1e9, plate["files"], plate["seconds"] / 3600]
    columns = ["raw_gigabytes", "stored_gigabytes", "files", "node_hours"]
    moved = plate["raw"] + (1 + _READS) * plate["bytes"]
    load = {"processor": plate["seconds"] / nodes}
    load |= {name: moved / rate for name, rate in (("disk", disk), ("network", network)) if rate}
    return Production(
        wanted,
        costs.assign(stored_gigabytes=costs["bytes"] / 1e9)[["seconds", "stored_gigabytes", "files"]],
        pd.DataFrame(np.outer(list(counts.values()), row), pd.Index(list(counts), name="of"), columns),
        pd.Series(load),
        nodes,
        plates_a_day,
        quota,
    )


def _costs(folders: Sequence[Path], sizes: Sequence[PlateSize], wanted: PlateSize) -> pd.DataFrame:
    """Return what each step of a plate costs, in the quantities that were measured."""
    measured = [_measured(folder) for folder in folders]
    steps = list(measured[0].index)
    if not steps:
        raise InputError(f"no step was done in {folders[0]}; give a run that was completed")
    for folder, each in zip(folders, measured, strict=True):
        if lacking := set(steps).symmetric_difference(each.index):
            raise InputError(
                f"{', '.join(sorted(lacking))} was done in only one of {folders[0]} and {folder}; give runs of one "
                "pipeline that were completed"
            )
    rows = {
        step: [
            _predicted(
                [one.grows(step) for one in sizes],
                [float(each.loc[step, name]) for each in measured],
                wanted.grows(step),
            )
            for name in _QUANTITIES
        ]
        for step in steps
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(_QUANTITIES)).rename_axis("step")


def _count(present: xr.DataArray, *names: str) -> int:
    """Count what has an image."""
    return int(present.any([name for name in present.dims if name not in names]).sum())


def _measured(folder: Path) -> pd.DataFrame:
    """Return what each step of a run cost, for each of its plates."""
    record = RunRecord.read(folder)
    if record is None:
        raise InputError(f"{folder} holds no run; give the folder of one, as hcskit run --out made it")
    plates = len(plate_folders(folder))
    rows = {step.name: np.array(_cost(step)) / plates for step in record.steps if step.is_whole and step.seconds}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(_QUANTITIES))


def _cost(step: StepRecord) -> tuple[float, int, int, int]:
    """Return the seconds of a step, bytes and files that it left, and bytes that came from the microscope."""
    outputs = step.outputs
    raw = sum(given.bytes for given in step.inputs if given.parameter == "source")
    return step.seconds or 0.0, sum(one.bytes for one in outputs), sum(one.files for one in outputs), raw


def _predicted(sizes: list[float], values: list[float], size: float) -> float:
    """Return the value at a size on the line through measured ones, with the least relative errors.

    Examples
    --------
    >>> round(_predicted([10, 20], [3, 5], 100), 6), _predicted([10], [3], 100)
    (21.0, 30.0)
    """
    if not all(values) or len(set(sizes)) == 1:
        return size * float(np.mean(np.divide(values, sizes)))
    weights = 1 / np.asarray(values)
    fixed, each = nnls(np.stack([weights, weights * sizes], axis=1), np.ones(len(values)))[0]
    return float(fixed + each * size)
