"""Import: images become an OME-Zarr plate, well by well, so that a killed import resumes where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import xarray as xr
from tqdm import tqdm

from hcskit.digests import CACHE, Digests
from hcskit.errors import ReaderError, StoreError
from hcskit.files import why
from hcskit.jobs import RunJobs, run_here, side_by_side
from hcskit.readers import ImageIndex
from hcskit.store import _layout
from hcskit.store._checked import CheckedPlate, Content, check_array, check_export, chosen_wells, map_of
from hcskit.store._lock import writing
from hcskit.store._register import changed_wells, is_done, register
from hcskit.store._well import remove_leftovers, write_well

__all__ = ["convert_plates", "write_plate"]

_WELLS, _IMAGES = 4, 64  # per job, at most, or one well: a scheduler takes some milliseconds for each job


def convert_plates(
    plates: Iterable[ImageIndex],
    screen: str | Path,
    plate_map: pd.DataFrame | Mapping[str, pd.DataFrame | None] | None = None,
    *,
    allow_missing: bool = False,
    wells: Collection[str] | None = None,
    replace_plate_map: bool = False,
    digests: Digests | None = None,
    run: RunJobs = run_here,
    say: Callable[[str], object] = tqdm.write,
    done: Callable[[int], object] = lambda _: None,
) -> list[Path]:
    """Convert the images of plates into a screen; `hcskit.import_plates` does it from a folder, here or on a cluster.

    Everything is checked before anything is written. A well appears whole or not at all; an import that was stopped
    resumes with the wells that are not there yet. Several imports of one plate, from several processes or machines,
    share the work. A well whose files have changed since, in any byte, is written anew. A plate that is there already
    gets a plate map, if it had none.

    Parameters
    ----------
    plates : iterable of ImageIndex
        The ``plates`` that `hcskit.readers.read_folder` found.
    screen : path-like
        Folder of the screen; made if need be.
    plate_map : pandas.DataFrame or mapping of str to DataFrame, optional
        As `hcskit.platemap.read_plate_map` returns it: one for all plates, or one for each by name, which then must
        all be there. By default the export's own, or none.
    allow_missing : bool
        Accept files that the export names and wells of the map that are not there; leave out files that cannot be
        read.
    wells : collection of str, optional
        Write only these wells now. The plate is complete when all its wells are there, whoever wrote them.
    replace_plate_map : bool
        Let the plate map take the place of the one that a plate has.
    digests : Digests, optional
        Of files that are known already; those of the screen by default.
    run : RunJobs
        Runs the jobs, one for some wells; by default on this machine's cores.
    say : callable
        Receives the wells of a plate whose files have changed.
    done : callable
        Receives the number of wells that are there now, whenever some are.

    Returns
    -------
    list of pathlib.Path
        The plates' folders.

    Raises
    ------
    ReaderError
        If images of a plate are missing or bad; the other plates are written first.
    InputError
        If a map is at fault, or another plate of that name is there already.
    StoreError
        If the disk is full or cannot be written; the wells that are there stay.
    """
    digests = digests or Digests(Path(screen) / CACHE)

    def check(index: ImageIndex, _: RunJobs) -> CheckedPlate | ReaderError:
        try:
            return check_export(index, map_of(index, plate_map), allow_missing, wells, digests)
        except ReaderError as error:  # a bad file of one plate is no reason to withhold the others
            return error

    def write(plate: CheckedPlate, run: RunJobs) -> Path:
        return _write(plate, screen, wells, replace_plate_map, run, say, done)

    found = side_by_side(check, plates, run)
    checked = [one for one in found if isinstance(one, CheckedPlate)]
    refused = [one for one in found if isinstance(one, ReaderError)]
    try:
        written = side_by_side(write, checked, run)
    finally:
        digests.save()
    if refused:
        others = f"\nimported all the same: {', '.join(plate.info.name for plate in checked)}" if checked else ""
        raise ReaderError("\n".join(map(str, refused)) + others)
    return written


def write_plate(plate: xr.Dataset, screen: str | Path, *, progress: bool = True) -> Path:
    """Write a plate that is at hand, such as a corrected or a computed one, into a screen; however it is chunked.

    Parameters
    ----------
    plate : xarray.Dataset
        As `hcskit.screen.make_plate` makes it; ``image`` of unsigned integers or float32, in memory or lazy. It is
        computed well by well: a Dask chunk that spans several wells is computed once for each of them.
    screen : path-like
        Folder of the screen; made if need be.
    progress : bool
        Show a progress bar.

    Returns
    -------
    pathlib.Path
        The plate's folder.

    Raises
    ------
    InputError
        If the pixels are of another type, or another plate of that name is there already. One of Dask that was
        written in part resumes only if its graph has a stable name.
    StoreError
        If the disk is full or cannot be written; the wells that are there stay.
    """
    checked = check_array(plate)
    with tqdm(total=len(checked.info.wells), unit="well", desc=checked.info.name, disable=not progress) as bar:
        return _write(checked, screen, None, False, run_here, tqdm.write, bar.update)


def _write(
    plate: CheckedPlate,
    screen: str | Path,
    wells: Collection[str] | None,
    replace_plate_map: bool,
    run: RunJobs,
    say: Callable[[str], object],
    done: Callable[[int], object],
) -> Path:
    path = _layout.plate_path(screen, plate.info.name)
    chosen = plate.info.wells if wells is None else chosen_wells(wells, plate.info)
    try:
        _write_plate(path, plate, chosen, replace_plate_map, run, say, done)
    except OSError as error:
        if error.errno is None:  # one of ours, which says what to do
            raise
        raise StoreError(
            f"plate {plate.info.name} could not be written to {path}: {why(error)}; the wells that are complete stay: "
            "remove the cause and import again to resume"
        ) from error
    return path


def _write_plate(
    path: Path,
    plate: CheckedPlate,
    wells: tuple[str, ...],
    replace_plate_map: bool,
    run: RunJobs,
    say: Callable[[str], object],
    done: Callable[[int], object],
) -> None:
    if is_done(path, plate):
        return
    changed = changed_wells(path, plate)
    if changed:
        say(f"plate {plate.info.name}: files of well {', '.join(changed)} have changed; imported again")
    plate = register(path, plate, replace_plate_map, changed)
    with writing(path, partial(remove_leftovers, path)):
        _write_wells(path, plate, wells, changed, run, done)
        left = set(changed).difference(wells)
        register(path, replace(plate, plate_map=None), replace_plate_map=False, changed=left)


def _write_wells(
    path: Path,
    plate: CheckedPlate,
    wells: tuple[str, ...],
    changed: Mapping[str, str],
    run: RunJobs,
    done: Callable[[int], object],
) -> None:
    for row in {_layout.well_folder(path, well).parent for well in wells}:
        if not (row / "zarr.json").exists():
            _layout.write_group(row, {})
    todo = [well for well in wells if well in changed or not _layout.well_folder(path, well).exists()]
    done(len(wells) - len(todo))
    size = max(1, min(_WELLS, _IMAGES // max(1, plate.present[0].size)))
    blocks = [todo[start : start + size] for start in range(0, len(todo), size)]

    def written(known: Sequence[Mapping[str, str]]) -> None:
        for own in known:
            plate.digests.learn(own)
        done(len(known))

    run([partial(_do_all, [_job(path, plate, well, changed.get(well)) for well in block]) for block in blocks], written)


def _do_all(jobs: Sequence[Callable[[], dict[str, str]]]) -> list[dict[str, str]]:
    return [job() for job in jobs]


def _job(path: Path, plate: CheckedPlate, well: str, instead_of: str | None) -> Callable[[], dict[str, str]]:
    """Return what writes a well, with no more of the plate than it needs: it may be sent far."""
    number = plate.info.wells.index(well)
    info = replace(plate.info, wells=(well,), coordinates={}, flatfield={})
    write = partial(write_well, path, info, well, plate.images_of(number), plate.present[number], instead_of=instead_of)
    return partial(_digest_and_write, plate.contents[well], write)


def _digest_and_write(content: Content, write: Callable[[str], None]) -> dict[str, str]:
    """Write a well with the digest of its files, of which the system still holds the bytes when they are decoded.

    A file that changes meanwhile has another digest than the well, and is imported again the next time.
    """
    digests = Digests()
    write(content(digests))
    return digests.known
