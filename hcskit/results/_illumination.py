"""The illumination of a screen's plates, beside its result tables."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd
import xarray as xr
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from hcskit.digests import Digests
from hcskit.errors import InputError, NotAScreenError
from hcskit.files import make_folder, replacing
from hcskit.names import child
from hcskit.results._aside import plates_set_aside
from hcskit.results._catalogue import ILLUMINATION

__all__ = ["illumination_digest", "read_illumination", "write_illumination"]


def write_illumination(folder: str | Path, plate: str, illumination: xr.Dataset) -> Path:
    """Write a plate's illumination (``flat``, ``dark``) as a small Zarr beside the tables."""
    path = _path(folder, plate)
    make_folder(path.parent)
    # Zarr writes with several threads: when one has failed, others would bring back what is removed.
    files: dict[str, Buffer] = {}
    illumination.to_zarr(MemoryStore(files), consolidated=False, zarr_format=3)
    with replacing(path) as partial:
        for name, content in files.items():
            file = partial / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.to_bytes())
    return path


def read_illumination(folder: str | Path, plates: Collection[str] | None = None) -> xr.Dataset:
    """Read the illumination of a screen's plates: ``flat`` (plate, channel, y, x), ``dark`` (plate, channel).

    Parameters
    ----------
    folder : path-like
        Folder of the screen or run.
    plates : collection of str, optional
        Names of the plates; by default all that no step has set aside.

    Raises
    ------
    NotAScreenError
        If the quality step has not run.
    InputError
        If the plates' images differ in size.
    """
    before, after = Path(ILLUMINATION.where).name.split("*")
    found = {
        path.name.removeprefix(before).removesuffix(after): path
        for path in sorted(Path(folder, ILLUMINATION.where).parent.glob(f"{before}*{after}"))
    }
    aside = plates_set_aside(folder) if plates is None else {}
    found = {plate: path for plate, path in found.items() if plate not in aside and (plates is None or plate in plates)}
    if not found:
        wanted = f" of {', '.join(plates)}" if plates else ""
        raise NotAScreenError(f"there is no illumination{wanted} in {folder}; run {ILLUMINATION.writer} first")
    # Without Dask: in a task of a cluster, it would make tasks that this one waits for.
    each = [xr.open_zarr(path, consolidated=False, chunks=None).load() for path in found.values()]
    sizes = {plate: (one.sizes["y"], one.sizes["x"]) for plate, one in zip(found, each, strict=True)}
    if len(set(sizes.values())) > 1:
        raise InputError(f"the plates' images differ in size: {sizes}; work on plates of one size together")
    together: xr.Dataset = xr.concat(each, pd.Index(found, name="plate"))
    return together


def illumination_digest(folder: str | Path, plate: str) -> str:
    """Return the digest of a plate's illumination; empty where there is none."""
    found = Digests().of(_path(folder, plate))
    return found.sha256 if found else ""


def _path(folder: str | Path, plate: str) -> Path:
    return Path(folder) / ILLUMINATION.where.replace("*", child("", plate).name)
