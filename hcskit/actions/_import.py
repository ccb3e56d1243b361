"""Import: a microscope's export becomes OME-Zarr plates, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from hcskit.cluster import AnyCluster, job_runner
from hcskit.files import write_text
from hcskit.platemap import describe_columns, read_plate_map
from hcskit.readers import ImageIndex, describe_summary, read_folder, summarise
from hcskit.store import convert_plates

__all__ = ["import_plates"]


def import_plates(
    data: str | Path | Iterable[ImageIndex],
    screen: str | Path,
    plate_map: str | Path | pd.DataFrame | Mapping[str, pd.DataFrame | None] | None = None,
    *,
    reader: str | Path | None = None,
    plate: str | None = None,
    channels: Sequence[str] | None = None,
    time: int | str | None = None,
    wells: Collection[str] | None = None,
    allow_missing: bool = False,
    replace_plate_map: bool = False,
    follow_links: bool = False,
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
    data : path-like or iterable of ImageIndex
        Folder that a microscope exported, or what `hcskit.readers.read_folder` found there.
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
        If the images or the map are invalid, or a different plate of that name exists already.
    RunError
        If no worker is left, or the same wells kill worker after worker.
    StoreError
        If the disk is full or cannot be written; completed wells are kept.
    """
    if isinstance(data, str | Path):
        found = read_folder(data, reader, plate, screen, channels, time=time, follow_links=follow_links)
        say(found.describe())
        data = found
    indexes = list(data)
    if isinstance(plate_map, str | Path):
        maps = {index.plate: read_plate_map(plate_map, index.plate) for index in indexes}
        for taken in filter(None, dict.fromkeys(map(describe_columns, maps.values()))):
            say(f"plate map: {taken}")
        plate_map = maps
    try:
        with job_runner(cluster) as run:
            paths = convert_plates(
                indexes,
                screen if cluster is None else Path(screen).resolve(),
                plate_map,
                allow_missing=allow_missing,
                wells=wells,
                replace_plate_map=replace_plate_map,
                run=run,
                say=say,
                progress=progress,
            )
        for path in paths:
            say(f"imported {path}")
    finally:
        table = summarise(indexes)
        say(f"\n{describe_summary(table)}")
        if summary is not None:
            write_text(summary, table.reset_index().to_json(orient="records", indent=1))
    return paths
