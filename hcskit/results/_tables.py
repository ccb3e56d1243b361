"""Result tables: Parquet for programs and CSV for people, beside the plates."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd
import xarray as xr

from hcskit.errors import NotAScreenError, StoreError
from hcskit.files import replacing, replacing_all

__all__ = ["read_profiles", "read_result", "result_path", "write_profile", "write_result", "write_table"]


def result_path(screen: str | Path, name: str) -> Path:
    """Return where a result table of a screen is.

    Examples
    --------
    >>> result_path("runs/demo", "quality").as_posix()
    'runs/demo/results/quality.parquet'
    """
    return Path(screen) / "results" / f"{name}.parquet"


def write_result(screen: str | Path, name: str, table: pd.DataFrame) -> Path:
    """Write a table as Parquet and CSV, whole or not at all; the index levels are its labels.

    Raises
    ------
    StoreError
        If it cannot be written; the table that was there stays.
    """
    path = result_path(screen, name)
    with replacing_all(path, path.with_suffix(".csv")) as (parquet, csv):
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(parquet)
        table.to_csv(csv, index=table.index.names[0] is not None)
    return path


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as a CSV file of its own, whole or not at all, without its index.

    Raises
    ------
    StoreError
        If it cannot be written; the file that was there stays.
    """
    with replacing(path) as partial:
        table.to_csv(partial, index=False)


def read_result(screen: str | Path, name: str) -> pd.DataFrame:
    """Read a result table.

    Raises
    ------
    NotAScreenError
        If the step that makes it has not run.
    StoreError
        If the file is damaged.
    """
    path = result_path(screen, name)
    if not path.exists():
        raise NotAScreenError(f"there is no {path}; run the step that makes it first")
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}; run the step that makes it again") from error


def write_profile(screen: str | Path, plate: str, profile: xr.Dataset) -> Path:
    """Write a plate's illumination profile (``flat``, ``dark``) as a small Zarr beside the tables."""
    path = _profile_path(screen, plate)
    with replacing(path) as partial:
        path.parent.mkdir(parents=True, exist_ok=True)
        profile.to_zarr(partial, consolidated=False, zarr_format=3)
    return path


def read_profiles(screen: str | Path, plates: Collection[str] | None = None) -> xr.Dataset:
    """Read the illumination profiles of a screen's plates: ``flat`` (plate, channel, y, x), ``dark`` (plate, channel).

    Parameters
    ----------
    screen : path-like
        Folder of the screen.
    plates : collection of str, optional
        Names of the plates; by default all.

    Raises
    ------
    NotAScreenError
        If the quality step has not run.
    """
    prefix, suffix = _profile_path(screen, "").name.split(".")
    found = {
        path.stem.removeprefix(prefix): path
        for path in sorted(_profile_path(screen, "").parent.glob(f"{prefix}*.{suffix}"))
    }
    if plates is not None:
        found = {plate: path for plate, path in found.items() if plate in plates}
    if not found:
        wanted = f" of {', '.join(plates)}" if plates else ""
        raise NotAScreenError(f"there is no illumination profile{wanted} in {screen}; run the quality step first")
    # Without Dask: in a task of a cluster, it would make tasks that this one waits for.
    profiles = [xr.open_zarr(path, consolidated=False, chunks=None).load() for path in found.values()]
    together: xr.Dataset = xr.concat(profiles, pd.Index(found, name="plate"))
    return together


def _profile_path(screen: str | Path, plate: str) -> Path:
    return Path(screen) / "results" / f"illumination-{plate}.zarr"
