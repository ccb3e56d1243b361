"""A part of an export: some of its channels, or one of its time points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from hcskit.errors import ReaderError
from hcskit.readers.toolkit import ImageIndex

__all__ = ["only_channels", "only_time"]


def only_channels(index: ImageIndex, names: Sequence[str]) -> ImageIndex:
    """Keep the images of some channels.

    Raises
    ------
    ReaderError
        If the plate has no channel of a name.
    """
    if unknown := [name for name in names if name not in index.channels]:
        raise ReaderError(
            f"plate {index.plate} has no channel {', '.join(unknown)}; it has {', '.join(index.channels)}"
        )
    kept = _only(index, index.table.channel.isin(names), "channel")
    return replace(kept, channels=tuple(name for name in index.channels if name in names))


def only_time(index: ImageIndex, time: int | str) -> ImageIndex:
    """Keep the images of one time point: that of a number, or the ``last``.

    Raises
    ------
    ReaderError
        If the plate has no such time point.

    Examples
    --------
    >>> table = pd.DataFrame({"well": "A01", "field": 1, "time": [0, 6], "channel": "DNA", "path": ["0.tif", "6.tif"]})
    >>> list(only_time(ImageIndex("P", table, ("DNA",), "a folder"), "last").table.path)
    ['6.tif']
    """
    known = sorted(set(index.table.time.tolist()))
    wanted = known[-1:] if time == "last" else [number for number in known if str(number) == str(time)]
    if not wanted:
        has = ", ".join(map(str, known)) or "none"
        raise ReaderError(f"plate {index.plate} has no time point {time}; it has {has}: give one of these, or last")
    return _only(index, index.table.time == wanted[0], "time point")


def _only(index: ImageIndex, chosen: pd.Series, what: str) -> ImageIndex:
    other = {f"of a {what} that was not asked for": tuple(index.table.path[~chosen].unique())}
    return replace(index, table=index.table[chosen], left_out={**index.left_out, **other})
