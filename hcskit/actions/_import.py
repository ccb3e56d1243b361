"""Import: a microscope's export becomes OME-Zarr plates, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import pandas as pd
from tqdm import tqdm

from hcskit.actions._aside import Aside
from hcskit.cluster import AnyCluster, job_runner, plates_at_once
from hcskit.digests import CACHE, Digests
from hcskit.errors import InputError
from hcskit.files import write_text
from hcskit.jobs import RunJobs, side_by_side
from hcskit.platemap import describe_columns, read_plate_map
from hcskit.readers import ImageIndex, describe_summary, read_folders, summarise
from hcskit.results import take_back
from hcskit.store import convert_plates, finished_plates

__all__ = ["import_plates"]

_Maps: TypeAlias = pd.DataFrame | Mapping[str, pd.DataFrame | None] | None
_PlateMap: TypeAlias = str | Path | _Maps


def import_plates(
    data: str | Path | Iterable[str | Path] | Iterable[ImageIndex],
    screen: str | Path,
    plate_map: _PlateMap = None,
    *,
    reader: str | Path | None = None,
    plate: str | None = None,
    channels: Sequence[str] | None = None,
    time: int | str | None = None,
    wells: Collection[str] | None = None,
    allow_missing: bool = False,
    replace_plate_map: bool = False,
    follow_links: bool = False,
    set_aside: bool = False,
    alone: bool = False,
    summary: str | Path | None = None,
    cluster: AnyCluster | None = None,
    say: Callable[[str], object] = tqdm.write,
    progress: bool = True,
) -> list[Path]:
    """Import the images of a folder into a screen, as OME-Zarr plates, well by well in parallel.

    Everything is checked before anything is written. A well appears whole or not at all; an import that was stopped
    resumes with the wells that are not there yet. Several imports of one plate, from several processes or machines,
    share the work. A well whose files have changed since, in any byte, is written anew. A plate that is there already
    gets a plate map, if it had none.

    Parameters
    ----------
    data : path-like, iterable of path-like, or iterable of ImageIndex
        Folder that a microscope exported, or several; or what `hcskit.readers.read_folder` found there.
    screen : path-like
        Folder of the screen; made if need be. Workers of a cluster must see both.
    plate_map : path-like, pandas.DataFrame or mapping of str to DataFrame, optional
        File of the treatments, or what `hcskit.platemap.read_plate_map` returns: one for all plates, or one for each by
        name. By default the export's own, or none.
    reader : str or path-like, optional
        Of a folder: name of a reader, or a YAML file with a pattern; by default the reader that knows the layout.
    plate : str, optional
        Of a folder of one plate: what to call it; by default as the export does.
    channels : sequence of str, optional
        Of a folder: import these channels only, such as those of one size.
    time : int or str, optional
        Of a folder: import one time point only, by its number, or the ``"last"``.
    wells : collection of str, optional
        Write only these wells now. The plate is complete when all its wells are there, whoever wrote them.
    allow_missing : bool
        Accept files that the export names, and wells of the map, that are not there.
    replace_plate_map : bool
        Replace the plate map that a plate already has.
    follow_links : bool
        Of a folder: follow symbolic links that lead out of it.
    set_aside : bool
        Import the other plates where one is at fault, and write the table ``set_aside`` with the reasons. By default,
        a plate that is at fault is an error. If all are, it is an error in any case.
    alone : bool
        Refuse a screen that has other plates already, as all of its plates are analysed together.
    summary : path-like, optional
        Write the table of found and missing images as JSON, with the reasons.
    cluster : Cluster, ClusterConfig or path-like, optional
        Where wells are written; by default on this machine's cores.
    say : callable
        Receives what the reader found, and the folder of each written plate.
    progress : bool
        Show a progress bar over wells.

    Returns
    -------
    list of pathlib.Path
        The plates' folders.

    Raises
    ------
    InputError
        If the images or the map are invalid; a different plate of that name exists already; or a plate that is at fault
        now was imported before, and so cannot be set aside.
    RunError
        If no worker is left, or the same wells kill worker after worker.
    StoreError
        If the disk is full or cannot be written; completed wells are kept.
    """
    place = Path(screen) if cluster is None else Path(screen).resolve()
    aside = Aside(place, "import", allowed=set_aside)
    given = [data] if isinstance(data, str | Path) else list(data)
    indexes = [one for one in given if isinstance(one, ImageIndex)]
    if folders := [one for one in given if not isinstance(one, ImageIndex)]:
        refused: dict[str, InputError] | None = {} if set_aside else None
        for export in read_folders(
            folders, reader, plate, screen, channels, time=time, follow_links=follow_links, refused=refused
        ):
            say(export.describe())
            indexes += export
        aside.reasons |= refused or {}
    if alone:
        _refuse_others(screen, indexes)
    take_back(place, aside.step)
    digests = Digests(place / CACHE)

    def convert(batch: list[ImageIndex], run: RunJobs) -> list[Path]:
        return convert_plates(
            batch,
            place,
            _maps(batch, plate_map, say),
            allow_missing=allow_missing,
            wells=wells,
            replace_plate_map=replace_plate_map,
            digests=digests,
            run=run,
            say=say,
            done=bar.update,
        )

    def attempt(batch: list[ImageIndex], run: RunJobs) -> list[Path]:
        return aside.attempt(batch[0].plate, partial(convert, batch, run)) or []

    total = sum(index.table.well.nunique() for index in indexes)
    at_once = plates_at_once(cluster)
    batches = [[index] for index in indexes] if set_aside else [indexes]
    try:
        with (
            tqdm(total=total, unit="well", desc="import", delay=0.2, disable=not progress) as bar,
            job_runner(cluster) as run,
        ):
            paths = list(chain.from_iterable(side_by_side(attempt, batches, run, at_once)))
        if paths:
            _refuse_older(place, aside)
        aside.write(len(paths), say)
        for path in paths:
            say(f"imported {path}")
    finally:
        table = summarise(indexes)
        say(f"\n{describe_summary(table)}")
        if summary is not None:
            write_text(summary, table.reset_index().to_json(orient="records", indent=1))
    return paths


def _refuse_others(screen: str | Path, indexes: Sequence[ImageIndex]) -> None:
    others = {path.stem for path in Path(screen).glob("*.zarr")} - {index.plate for index in indexes}
    if others:
        raise InputError(
            f"{screen} holds {', '.join(sorted(others))}, which the source does not; choose a new run folder"
        )


def _maps(indexes: Sequence[ImageIndex], plate_map: _PlateMap, say: Callable[[str], object]) -> _Maps:
    """Return the plate map of each plate, if they are in a file."""
    if not isinstance(plate_map, str | Path):
        return plate_map
    maps = {index.plate: read_plate_map(plate_map, index.plate) for index in indexes}
    for taken in filter(None, dict.fromkeys(map(describe_columns, maps.values()))):
        say(f"plate map: {taken}")
    return maps


def _refuse_older(screen: Path, aside: Aside) -> None:
    """Refuse to set aside what was imported before it was at fault: it would be analysed as it was."""
    for name in aside.reasons.keys() & finished_plates(screen):
        raise InputError(
            f"{aside.reasons[name]}\nThe plate {name} was imported before, and {screen} holds it as it was then: "
            f"repair the export, or remove {screen / name}.zarr to leave the plate out"
        )
