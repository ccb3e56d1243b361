"""The table of a plate's images: one row for each, no label twice, no file with two labels."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from hcskit.errors import ReaderError
from hcskit.plate import parse_well

__all__ = ["KEYS", "check_table"]

#: The labels of an image on its plate, in the order of `hcskit.screen.DIMS`.
KEYS = ("well", "field", "time", "channel", "z")
_DEFAULTS = {"time": 1, "z": 1, "page": 0}


def check_table(table: pd.DataFrame, *, plate: str, channels: Sequence[str], source: str) -> pd.DataFrame:
    """Return the table with all its columns, the wells' names in one spelling, and no row twice.

    Parameters
    ----------
    table : pandas.DataFrame
        As a reader gives it to `ImageIndex`.
    plate, source : str
        The plate's id and where it came from, for the errors.
    channels : sequence of str
        The plate's channels.

    Raises
    ------
    ReaderError
        If a channel is unknown or listed twice, two files have one label, or one file has two.
    """
    table = table.assign(**{name: first for name, first in _DEFAULTS.items() if name not in table})
    place = ["path", "page", *(["rgb"] if "rgb" in table else [])]
    numbers = dict.fromkeys(("field", "time", "z", *place[1:]), int)
    table = table[[*KEYS, *place]].astype({**numbers, "path": str})
    table["well"] = table["well"].map({name: parse_well(name).name for name in table["well"].unique()})
    strange = sorted({str(name) for name in table["channel"].unique()} - set(channels))
    if strange or len(set(channels)) < len(channels):
        raise ReaderError(
            f"{source}: the channels of plate {plate} are {', '.join(channels)}, each once; "
            f"its images have {', '.join(strange) or 'one of them twice'}"
        )
    table = table.drop_duplicates(ignore_index=True)  # some indexes list the same image twice
    _refuse_repeated_labels(table, plate, source)
    _refuse_shared_files(table, place, plate, source)
    return table


def _refuse_repeated_labels(table: pd.DataFrame, plate: str, source: str) -> None:
    twice = table[table.duplicated([*KEYS], keep=False)].sort_values([*KEYS, "path"])
    if twice.empty:
        return
    first = twice.iloc[0]
    same = twice[(twice[[*KEYS]] == first[[*KEYS]]).all(axis=1)]
    raise ReaderError(
        f"{source}: {len(twice.drop_duplicates([*KEYS]))} image(s) are there more than once; plate "
        f"{plate}, well {first.well}, field {first.field}, channel {first.channel} is both "
        f"{' and '.join(same.path[:2])}; if these are two plates, or one that was imaged again, import their "
        "folders one by one; of two copies of one image, move one elsewhere"
    )


def _refuse_shared_files(table: pd.DataFrame, place: list[str], plate: str, source: str) -> None:
    shared = table[table.duplicated(place, keep=False)].sort_values(place)
    if shared.empty:
        return
    one, other = shared.iloc[0], shared.iloc[1]
    differing = [f"{name} {one[name]} and {other[name]}" for name in KEYS if one[name] != other[name]]
    raise ReaderError(
        f"{source}: {len(shared)} images of plate {plate} share their files with others: {one.path} "
        f"is of {', '.join(differing)}; one image has one label, so the export is damaged"
    )
