"""The quality step: illumination, focus, saturation, exclusions, and the controls in plain image statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from tqdm import tqdm

from hcskit.actions._folder import folder_of
from hcskit.actions._kept import kept_rows, plate_keys
from hcskit.assay import control_statistics, image_readouts
from hcskit.cluster import AnyCluster, job_runner
from hcskit.jobs import RunJobs
from hcskit.preprocess import Limits, block_means, fit_illumination, judge_fields, measure_images, sample_fields
from hcskit.results import IMAGE_CONTROLS, QUALITY, read_illumination, write_illumination, write_table
from hcskit.store import open_plates

__all__ = ["Assessment", "assess"]

_SAMPLED = 16  # fields per job that estimates the illumination
_WELLS = 4  # wells per job that measures


@dataclass(frozen=True)
class Assessment:
    """What the quality step found.

    Attributes
    ----------
    quality : pandas.DataFrame
        One row an acquired image, as `hcskit.preprocess.assess_fields` returns it.
    controls : pandas.DataFrame or None
        The controls compared in plain image statistics, plate by plate, as `hcskit.assay.control_statistics` returns
        it. None if a plate has no plate map.
    """

    quality: pd.DataFrame
    controls: pd.DataFrame | None


def assess(
    data: str | Path,
    limits: Limits | None = None,
    *,
    cluster: AnyCluster | None = None,
    say: Callable[[str], object] = tqdm.write,
    progress: bool = True,
) -> Assessment:
    """Estimate the illumination of every plate, measure every image, and flag the fields to leave out.

    The illumination is estimated from the plate's own images, and corrected before they are measured. Fields that an
    earlier assessment left out are assessed again. A plate is measured again only if its images, its labels, its
    illumination, the limits, or hcskit have changed since.

    Parameters
    ----------
    data : path-like
        Folder of a screen or a run. Its illumination and the tables ``quality`` and ``image_controls`` are written.
    limits : Limits, optional
        When a field is left out.
    cluster : Cluster, ClusterConfig or path-like, optional
        Where to compute; by default on this machine's cores.
    say : callable
        Receives the number of fields left out of each plate.
    progress : bool
        Show a progress bar over wells.

    Returns
    -------
    Assessment
        The tables.

    Raises
    ------
    InputError
        If a plate has no image.
    NotAScreenError
        If there is no plate.
    RunError
        If no worker is left, or the same wells kill worker after worker.
    """
    screen, call, tables = folder_of(data), uuid4().hex, []
    plates = _plates(screen, call)
    depends = repr(limits or Limits())
    kept = kept_rows(screen, QUALITY, plate_keys(screen, lambda _: depends))
    wells = sum(plate.sizes["well"] for plate in plates.values())
    with tqdm(total=wells, unit="well", desc="assess", disable=not progress) as bar, job_runner(cluster) as run:
        for name, plate in plates.items():
            place = _Place(screen, name, call)
            if name in kept:
                table = kept[name]
                bar.update(plate.sizes["well"])
            else:
                write_illumination(screen, name, _estimate(plate, place, run))
                table = judge_fields(plate, _measure(plate, place, run, bar.update), limits)
            left_out = table["excluded"].groupby(["well", "field"]).any()
            unchanged = ", as before: nothing has changed" if name in kept else ""
            say(f"plate {name}: {left_out.sum()} of {len(left_out)} fields are left out{unchanged}")
            tables.append(table)
    quality = pd.concat(tables)
    write_table(screen, QUALITY, quality, plate_keys(screen, lambda _: depends))
    if all("role" in plate.coords for plate in plates.values()):
        controls = control_statistics(image_readouts(open_plates(screen), quality))
        write_table(screen, IMAGE_CONTROLS, controls)
        return Assessment(quality, controls)
    return Assessment(quality, None)


@dataclass(frozen=True)
class _Place:
    """Where a job finds its plate. It stays open for one call only: the plate may change before the next."""

    screen: Path
    plate: str
    call: str

    def open(self) -> xr.Dataset:
        return _plates(self.screen, self.call)[self.plate]


@lru_cache(maxsize=1)
def _plates(screen: Path, call: str) -> dict[str, xr.Dataset]:  # noqa: ARG001 - see `_Place`
    plates = open_plates(screen).items()
    return {name: _for_threads(plate.drop_vars("excluded", errors="ignore")) for name, plate in plates}


@lru_cache(maxsize=2)
def _illumination(place: _Place) -> xr.Dataset:
    return _for_threads(read_illumination(place.screen, [place.plate]).sel(plate=place.plate))


def _for_threads(data: xr.Dataset) -> xr.Dataset:
    """Look up a label of each index: pandas may miss one when several threads look first (pandas-dev/pandas#21150)."""
    for index in data.indexes.values():
        index.get_loc(index[0])
    return data


def _estimate(plate: xr.Dataset, place: _Place, run: RunJobs) -> xr.Dataset:
    fields = sample_fields(plate)
    jobs = [partial(_block_means, place, fields.iloc[part]) for part in _parts(len(fields), _SAMPLED)]
    return fit_illumination(plate, np.concatenate(run(jobs)))


def _block_means(place: _Place, fields: pd.DataFrame) -> npt.NDArray[np.float64]:
    return block_means(place.open(), fields, scheduler="synchronous")


def _measure(plate: xr.Dataset, place: _Place, run: RunJobs, done: Callable[[int], object]) -> pd.DataFrame:
    wells = plate["well"].to_numpy()
    jobs = [partial(_measure_wells, place, wells[part].tolist()) for part in _parts(len(wells), _WELLS)]
    tables = run(jobs, lambda table: done(table.index.unique("well").size))
    return pd.concat(tables)


def _measure_wells(place: _Place, wells: list[str]) -> pd.DataFrame:
    return measure_images(place.open(), _illumination(place), wells, scheduler="synchronous")


def _parts(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))
