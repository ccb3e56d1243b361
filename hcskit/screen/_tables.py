"""Tables of a plate: its wells against the plate map, and the fields that can be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import xarray as xr

from hcskit.errors import InputError, PlateMapError
from hcskit.plate import parse_well

__all__ = ["field_table", "match_plate_map", "treated_fields"]


def match_plate_map(
    wells: Sequence[str], plate_map: pd.DataFrame, *, plate: str, allow_missing: bool = False
) -> pd.DataFrame:
    """Return the rows of a plate map for the wells that were imaged, or report what does not fit.

    Parameters
    ----------
    wells : sequence of str
        Names of the wells that have images.
    plate_map : pandas.DataFrame
        As `hcskit.platemap.check_plate_map` returns it.
    plate : str
        The plate's id, for the error.
    allow_missing : bool
        Accept wells that are in the map but were not imaged; they stay absent.

    Raises
    ------
    PlateMapError
        If an imaged well is not in the map, or a mapped well (other than ``empty``) was not imaged.
    """
    unmapped = sorted(set(wells) - set(plate_map.index), key=parse_well)
    wanted = plate_map.index[plate_map["role"] != "empty"]
    absent = sorted(set(wanted) - set(wells), key=parse_well)
    if unmapped:
        raise PlateMapError(
            f"plate {plate}: {len(unmapped)} imaged well(s) are not in the plate map: {_some(unmapped)}; "
            "add a row for each (role empty if it holds nothing of interest)"
        )
    if absent and not allow_missing:
        raise PlateMapError(
            f"plate {plate}: {len(absent)} well(s) of the plate map have no image: {_some(absent)}; remove them from "
            "the map, give them the role empty, or set allow_missing if they were not acquired"
        )
    return plate_map.loc[sorted(wells, key=parse_well)]


def field_table(plate: xr.Dataset) -> pd.DataFrame:
    """List the fields of a plate that can be used.

    A field is used if all its channels were acquired and the quality step, where it ran, did not exclude it.

    Returns
    -------
    pandas.DataFrame
        Columns ``plate, well, field`` and the plate map's; one row a field, in plate order.
    """
    usable = plate["present"].all("channel")
    if "excluded" in plate:
        usable = usable & ~plate["excluded"].astype(bool)
    rows = usable.to_series()
    table = rows[rows].index.to_frame(index=False)
    table.insert(0, "plate", plate.attrs["plate"])
    wells = plate.coords.to_dataset()[[name for name in plate.coords if plate[name].dims == ("well",)]]
    return table.merge(wells.to_dataframe().reset_index(), on="well", how="left")


def treated_fields(plates: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """List the usable fields of plates with their treatments; as `field_table`.

    Raises
    ------
    InputError
        If a plate has no plate map.
    """
    for name, plate in plates.items():
        if "role" not in plate.coords:
            raise InputError(
                f"plate {name} has no plate map, so nothing is known of its wells; give it one: import it again with "
                "a plate map (hcskit import … --plate-map FILE)"
            )
    return pd.concat([field_table(plate) for plate in plates.values()], ignore_index=True)


def _some(names: Sequence[str], limit: int = 12) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
