"""The quality step: illumination, focus, saturation, exclusions, and the controls in plain image statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from tqdm import tqdm

from hcskit.actions._aside import Aside
from hcskit.actions._folder import folder_of
from hcskit.actions._kept import kept_rows, plate_keys
from hcskit.assay import control_statistics, image_readouts
from hcskit.cluster import AnyCluster, job_runner, plates_at_once
from hcskit.jobs import RunJobs, side_by_side
from hcskit.preprocess import Limits, block_means, fit_illumination, judge_fields, measure_images, sample_fields
from hcskit.results import IMAGE_CONTROLS, QUALITY, read_illumination, take_back, write_illumination, write_table
from hcskit.store import lazy_plates, open_plates

__all__ = ["Assessment", "assess"]

_SAMPLED = 16  # fields per job that estimates the illumination
_WELLS = 4  # wells per job that measures
_OPEN = 8  # plates at hand: as many as are worked on at a time
_opening = Lock()  # by one thread of a process, for all of them


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
    set_aside: bool = False,
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
    set_aside : bool
        Assess the other plates where one has no image, or pixels that cannot be read, and leave it out of all later
        steps: the table ``set_aside`` has the reasons. By default, such a plate is an error.
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
    DamagedError
        If pixels cannot be read.
    RunError
        If no worker is left, or the same wells kill worker after worker.
    """
    screen, call = folder_of(data), uuid4().hex
    aside = Aside(screen, QUALITY.name, allowed=set_aside)
    take_back(screen, aside.step)
    plates = lazy_plates(screen)
    depends = repr(limits or Limits())
    kept = kept_rows(screen, QUALITY, plate_keys(screen, lambda _: depends))

    def assess_plate(name: str, run: RunJobs) -> pd.DataFrame:
        if name in kept:
            bar.update(plates[name].sizes["well"])
            table, unchanged = kept[name], ", as before: nothing has changed"
        else:
            place = _Place(screen, name, Path(plates[name].encoding["source"]), call)
            table, unchanged = _assess_plate(place, run, limits, bar.update), ""
        left_out = table["excluded"].groupby(["well", "field"]).any()
        say(f"plate {name}: {left_out.sum()} of {len(left_out)} fields are left out{unchanged}")
        return table

    def attempt(name: str, run: RunJobs) -> pd.DataFrame | None:
        return aside.attempt(name, partial(assess_plate, name, run))

    total = sum(plate.sizes["well"] for plate in plates.values())
    with tqdm(total=total, unit="well", desc="assess", disable=not progress) as bar, job_runner(cluster) as run:
        tables = [table for table in side_by_side(attempt, plates, run, plates_at_once(cluster)) if table is not None]
    aside.write(len(tables), say)
    quality = pd.concat(tables)
    write_table(screen, QUALITY, quality, plate_keys(screen, lambda _: depends))
    used = open_plates(screen)
    if all("role" in plate.coords for plate in used.values()):
        controls = control_statistics(image_readouts(used, quality))
        write_table(screen, IMAGE_CONTROLS, controls)
        return Assessment(quality, controls)
    return Assessment(quality, None)


@dataclass(frozen=True)
class _Place:
    """Where a job finds its plate. It stays open for one call only: the plate may change before the next."""

    screen: Path
    plate: str
    folder: Path
    call: str

    def open(self) -> xr.Dataset:
        with _opening:
            return _plate(self)


@lru_cache(maxsize=_OPEN)
def _plate(place: _Place) -> xr.Dataset:
    plate = open_plates(place.folder)[place.plate]
    return _for_threads(plate.drop_vars("excluded", errors="ignore"))


@lru_cache(maxsize=2)  # as large as the images of a field
def _illumination(place: _Place) -> xr.Dataset:
    return _for_threads(read_illumination(place.screen, [place.plate]).sel(plate=place.plate))


def _for_threads(data: xr.Dataset) -> xr.Dataset:
    """Look up a label of each index: pandas may miss one when several threads look first (pandas-dev/pandas#21150)."""
    for index in data.indexes.values():
        index.get_loc(index[0])
    return data


def _assess_plate(place: _Place, run: RunJobs, limits: Limits | None, done: Callable[[int], object]) -> pd.DataFrame:
    plate = place.open()
    write_illumination(place.screen, place.plate, _estimate(plate, place, run))
    return judge_fields(plate, _measure(plate, place, run, done), limits)


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
    plate = place.open()
    with _opening:
        illumination = _illumination(place)
    return measure_images(plate, illumination, wells, scheduler="synchronous")


def _parts(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))
