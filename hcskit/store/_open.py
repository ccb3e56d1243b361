"""Opening: one read of metadata per plate, pixels only when they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
import zarr
from dask.base import tokenize

from hcskit.errors import NotAScreenError, StoreError
from hcskit.platemap import check_plate_map
from hcskit.screen import PlateInfo, make_plate, screen_tree
from hcskit.store import _layout
from hcskit.store._results import read_result, result_path

__all__ = ["open_plate", "open_plates", "open_screen", "plate_folders"]

#: Results that belong to a plate, with the label dimensions of each.
_PLATE_RESULTS = ("quality", "predictions")


def open_screen(path: str | Path) -> xr.DataTree:
    """Open a screen lazily: its plates, and the results that were computed for them.

    Parameters
    ----------
    path : path-like
        Folder of a screen (of a run), or one plate's folder.

    Returns
    -------
    xarray.DataTree
        One node a plate, as `hcskit.screen` describes.

    Raises
    ------
    NotAScreenError
        If there is no plate.

    Examples
    --------
    >>> screen = open_screen("runs/demo")  # doctest: +SKIP
    >>> screen["demo"].image.sel(well="B02", field=1, channel="DNA").compute()  # doctest: +SKIP
    """
    plates = open_plates(path)
    nodes = dict(plates)
    for name, plate in plates.items():
        for result in _PLATE_RESULTS:
            table = _result_of(_screen_of(path), result, name)
            if table is not None:
                labelled = table.to_xarray()
                shared = [name for name in labelled.dims if name in plate.dims]
                nodes[f"{name}/{result}"] = labelled.reindex({name: plate[name].to_numpy() for name in shared})
    return screen_tree(nodes, Path(path).resolve().name)


def open_plates(path: str | Path) -> dict[str, xr.Dataset]:
    """Open the plates of a screen lazily, by name; as `open_screen`, without the results."""
    plates = [open_plate(folder) for folder in plate_folders(path)]
    return {str(plate.attrs["plate"]): plate for plate in plates}


def _screen_of(path: str | Path) -> Path:
    return Path(path).parent if Path(path).suffix == ".zarr" else Path(path)


def plate_folders(path: str | Path) -> list[Path]:
    """Return the folders of a screen's plates, sorted by name.

    Raises
    ------
    NotAScreenError
        If there is none.
    """
    path = Path(path)
    folders = [path] if path.suffix == ".zarr" else sorted(path.glob("*.zarr"))
    if not folders:
        raise NotAScreenError(f"{path} holds no plate (a folder <name>.zarr); import one first")
    return folders


def open_plate(path: str | Path) -> xr.Dataset:
    """Open one plate lazily.

    Returns
    -------
    xarray.Dataset
        As `hcskit.screen.make_plate` describes; ``excluded`` (well, field) is added where the quality step ran.

    Raises
    ------
    NotAScreenError
        If the folder is not a plate.
    StoreError
        If its import was not finished.
    """
    path = Path(path)
    own = _layout.read_attributes(path)
    if not own["complete"]:
        raise StoreError(
            f"the import of {path} was not finished; import it again to go on with the wells that are missing"
        )
    info = _layout.plate_info(own)
    whole = pd.MultiIndex.from_product([info.wells, info.fields, info.channels])
    missing = pd.MultiIndex.from_tuples([tuple(image) for image in own["missing"]], names=whole.names)
    present = ~whole.isin(missing).reshape(len(info.wells), len(info.fields), len(info.channels))
    plate = make_plate(info, _lazy_image(path.resolve(), info, present), present, _plate_map(own))
    quality = _result_of(path.parent, "quality", info.name)
    if quality is not None:
        excluded = quality["excluded"].groupby(level=["well", "field"]).any()
        fields = pd.MultiIndex.from_product([info.wells, info.fields])
        flags = excluded.reindex(fields, fill_value=False).to_numpy(dtype=bool)
        plate["excluded"] = ("well", "field"), flags.reshape(len(info.wells), len(info.fields))
    return plate


def _result_of(screen: Path, result: str, plate: str) -> pd.DataFrame | None:
    if not result_path(screen, result).exists():
        return None
    table = read_result(screen, result)
    rows = table[table.index.get_level_values("plate") == plate].droplevel("plate")
    return None if rows.empty else rows


def _plate_map(own: dict[str, Any]) -> pd.DataFrame:
    return check_plate_map(pd.DataFrame(own["plate_map"]), source=f"the plate map of {own['name']}")


def _lazy_image(path: Path, info: PlateInfo, present: npt.NDArray[Any]) -> da.Array:
    """One Dask block an image: reading a channel does not decode the others."""
    image: da.Array = da.map_blocks(  # type: ignore[no-untyped-call]
        _read_block,
        path=path,
        info=info,
        present=present,
        chunks=tuple((1,) * size for size in present.shape) + tuple((size,) for size in info.shape),
        dtype=info.dtype,
        meta=np.empty((0,) * 5, info.dtype),
        name=f"image-{info.name}-{tokenize(path, info, present)}",
    )
    return image


def _read_block(
    path: Path, info: PlateInfo, present: npt.NDArray[Any], block_id: tuple[int, ...] = ()
) -> npt.NDArray[Any]:
    well, field, channel = block_id[:3]
    if not present[well, field, channel]:
        return np.zeros((1, 1, 1, *info.shape), info.dtype)
    folder = _layout.well_folder(path, info.wells[well]) / str(info.fields[field]) / "0"
    try:
        if not (folder / "c" / "0" / "0" / "0").is_file():  # Zarr would make it zeros
            raise FileNotFoundError("its pixels are gone")
        pixels = np.asarray(zarr.open_array(str(folder), mode="r")[channel])
    except (OSError, ValueError, RuntimeError) as error:
        raise StoreError(f"{folder} cannot be read: {error}; was the plate copied whole?") from error
    return pixels[np.newaxis, np.newaxis, np.newaxis]
