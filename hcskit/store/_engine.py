"""Opening stored plates, and folders of images that were never imported; also for xarray."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr
from xarray.backends import BackendEntrypoint

from hcskit.errors import HcskitError, InputError, NotAScreenError, ReaderError
from hcskit.readers import Export, ImageIndex, file_images, read_folder
from hcskit.screen import make_plate
from hcskit.store._open import chunked, lazy_plates, with_results

__all__ = ["HcskitBackend", "open_screen"]


def open_screen(
    path: str | Path,
    *,
    reader: str | None = None,
    plate: str | None = None,
    plate_map: pd.DataFrame | None = None,
    follow_links: bool = False,
) -> xr.DataTree:
    """Open a screen lazily: its plates, and the results that were computed for them.

    Parameters
    ----------
    path : path-like
        Folder of a screen (of a run), of one plate, or of images as a microscope exported them; these are read where
        they are.
    reader : str, optional
        For a folder of images: name of the reader; by default the one that knows the layout.
    plate : str, optional
        For a folder of images of one plate: what to call it.
    plate_map : pandas.DataFrame, optional
        For a folder of images: treatments, as `hcskit.platemap.read_plate_map` returns them.
    follow_links : bool
        For a folder of images: follow symbolic links that lead out of it.

    Returns
    -------
    xarray.DataTree
        One node a plate, as `hcskit.screen` describes; the images are Dask arrays with one block an image.

    Raises
    ------
    NotAScreenError
        If there is neither a plate nor a folder of images that a reader knows.
    StoreError
        If a plate's import was not finished.

    Examples
    --------
    >>> screen = open_screen("runs/demo")  # doctest: +SKIP
    >>> screen["demo"].image.sel(well="B02", field=1, channel="DNA").compute()  # doctest: +SKIP
    """
    plates = _plates(Path(path), reader, plate, plate_map, follow_links)
    return with_results(path, {name: chunked(plate) for name, plate in plates.items()})


class HcskitBackend(BackendEntrypoint):
    """``xarray.open_datatree(folder, engine="hcskit")``: as `open_screen`, but without Dask unless it is asked for.

    ``chunks={}`` makes Dask arrays of one block an image.
    """

    description = "High-content screens: OME-Zarr plates and microscopes' export folders"
    supports_groups = True
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "reader", "plate", "plate_map", "follow_links")

    def open_datatree(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        reader: str | None = None,
        plate: str | None = None,
        plate_map: pd.DataFrame | None = None,
        follow_links: bool = False,
    ) -> xr.DataTree:
        """Open a folder as a screen; the parameters are those of `open_screen`."""
        dropped = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        plates = _plates(Path(filename_or_obj), reader, plate, plate_map, follow_links)
        kept = {name: opened.drop_vars(dropped, errors="ignore") for name, opened in plates.items()}
        return with_results(filename_or_obj, kept)

    def open_groups_as_dict(self, filename_or_obj: Any, **options: Any) -> dict[str, xr.Dataset]:
        """Open a folder as one Dataset for each group."""
        tree = self.open_datatree(filename_or_obj, **options)
        return {node.path: node.to_dataset(inherit=False) for node in tree.subtree}

    def open_dataset(self, filename_or_obj: Any, **options: Any) -> xr.Dataset:
        """Open a folder that holds one plate.

        Raises
        ------
        InputError
            If it holds several.
        """
        plates = self.open_datatree(filename_or_obj, **options).children
        if len(plates) > 1:
            raise InputError(
                f"{filename_or_obj} holds {len(plates)} plates ({', '.join(plates)}); open it with xarray.open_datatree"
            )
        return next(iter(plates.values())).to_dataset(inherit=False)

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether a path is a screen or a plate that hcskit wrote; for other folders, name the engine."""
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        try:
            return bool(lazy_plates(Path(filename_or_obj)))
        except (HcskitError, OSError):
            return False


def _plates(
    path: Path, reader: str | None, plate: str | None, plate_map: pd.DataFrame | None, follow_links: bool
) -> dict[str, xr.Dataset]:
    """Open stored plates; where there are none, a folder of images."""
    if not path.is_dir():
        raise NotAScreenError(f"there is no folder {path}")
    try:
        if reader is None:
            return lazy_plates(path)
        stored = None
    except NotAScreenError as error:
        stored = error
    try:
        return _raw_plates(read_folder(path, reader, plate, follow_links=follow_links), plate_map)
    except ReaderError as error:
        if stored is None:
            raise
        raise NotAScreenError(f"{stored}; nor can its images be read as they are: {error}") from error


def _raw_plates(found: Export, plate_map: pd.DataFrame | None) -> dict[str, xr.Dataset]:
    """Open each plate; one that has no readable image is left out with a warning, if there are others."""
    plates: dict[str, xr.Dataset] = {}
    refused: list[ReaderError] = []
    for index in found:
        try:
            plates[index.plate] = _raw_plate(index, plate_map)
        except ReaderError as error:
            refused.append(error)
    if refused and not plates:
        raise refused[0]
    for reason in refused:
        warnings.warn(f"left out: {reason}", stacklevel=2)
    return plates


def _raw_plate(index: ImageIndex, plate_map: pd.DataFrame | None) -> xr.Dataset:
    info = index.info(check=False)
    images = file_images(index, info)
    table = index.plate_map if plate_map is None else plate_map
    plate = make_plate(info, images.variable(info.dims), images.present, table)
    counts = {
        "absent_files": len(index.absent),
        "left_out": [f"{len(files)} {reason}" for reason, files in index.left_out.items() if files],
    }
    return plate.assign_attrs({name: value for name, value in counts.items() if value})
