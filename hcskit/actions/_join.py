"""Join: several measurements of one plate are imported as one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from hcskit.actions._import import import_plates
from hcskit.cluster import AnyCluster
from hcskit.readers import JoinBy, join_measurements, only_time, read_folder

__all__ = ["join_plates"]


def join_plates(
    sources: Iterable[str | Path],
    screen: str | Path,
    plate_map: str | Path | pd.DataFrame | None = None,
    *,
    by: JoinBy,
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
    """Import several measurements of a plate as one plate: one that was imaged again, or a restarted time series.

    Parameters
    ----------
    sources : iterable of path-like
        Folders that the microscope exported, in the order in which they were measured. Plates are matched by name.
    screen, plate_map
        As `import_plates` takes them.
    by : {"later", "time"}
        ``"later"``: of images with the same labels, that of the later folder is taken. ``"time"``: the time points of a
        folder follow those of the one before.
    plate : str, optional
        What to call the plate, where the folders do not agree on it; each then holds one.
    time : int or str, optional
        Import one time point of the joined plate only: its number, or the ``"last"``.
    reader, channels, wells, allow_missing, replace_plate_map, follow_links, summary, cluster, say, progress
        As `import_plates` takes them.

    Returns
    -------
    list of pathlib.Path
        The plates' folders.

    Raises
    ------
    InputError, RunError, StoreError
        As `hcskit.readers.join_measurements` and `import_plates` raise them.
    """
    found = []
    for source in sources:
        export = read_folder(source, reader, plate, screen, channels, follow_links=follow_links)
        say(export.describe())
        found.append(export)
    joined = join_measurements(found, by)
    return import_plates(
        joined if time is None else [only_time(index, time) for index in joined],
        screen,
        plate_map,
        wells=wells,
        allow_missing=allow_missing,
        replace_plate_map=replace_plate_map,
        summary=summary,
        cluster=cluster,
        say=say,
        progress=progress,
    )
