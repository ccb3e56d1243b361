"""Several measurements of one plate as one: a plate that was imaged again, a time series that was started again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias, TypeVar

import pandas as pd

from hcskit.errors import ReaderError
from hcskit.readers.toolkit import KEYS, ImageIndex, only

__all__ = ["JoinBy", "join_measurements"]

#: How measurements are put together; see `join_measurements`.
JoinBy: TypeAlias = Literal["later", "time"]

_OF_CHANNELS = ("exposure", "excitation", "emission", "flatfield")
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_Fields = TypeVar("_Fields", pd.DataFrame, pd.Series)


def join_measurements(measurements: Iterable[Iterable[ImageIndex]], by: JoinBy) -> list[ImageIndex]:
    """Put the measurements of each plate together; plates are matched by name.

    Parameters
    ----------
    measurements : iterable of iterable of ImageIndex
        What `hcskit.readers.read_folder` found in each folder, in the order in which they were measured.
    by : {"later", "time"}
        ``"later"``: of images with the same labels, the later measurement's is taken, and the other left out.
        ``"time"``: the time points of a measurement follow those of the one before.

    Returns
    -------
    list of ImageIndex
        One for each plate, by name. What measurements say in different ways, such as the exposure of a channel, is left
        out, with a note. ``elapsed`` is kept where no time point was added: how long the pause was is not known.

    Raises
    ------
    ReaderError
        If two measurements bring different plate maps, or one is grey and one in colour.

    Examples
    --------
    >>> table = pd.DataFrame({"well": ["A01"], "field": 1, "channel": "DNA", "path": "a.tif"})
    >>> first = ImageIndex("P", table, ("DNA",), "first")
    >>> again = ImageIndex("P", table.assign(path="b.tif"), ("DNA",), "again")
    >>> (later,) = join_measurements([[first], [again]], "later")
    >>> list(later.table.path)
    ['b.tif']
    >>> (series,) = join_measurements([[first], [again]], "time")
    >>> list(series.table.time)
    [1, 2]
    """
    plates = defaultdict(list)
    for measurement in measurements:
        for index in measurement:
            plates[index.plate].append(index)
    return [_join(same, by) for _, same in sorted(plates.items())]


def _join(parts: Sequence[ImageIndex], by: JoinBy) -> ImageIndex:
    if len(parts) == 1:
        return parts[0]
    sources = " and ".join(part.source for part in parts)
    if len({"rgb" in part.table for part in parts}) > 1:
        raise ReaderError(
            f"{sources}: images of plate {parts[0].plate} are in colour in one measurement and grey in another"
        )
    table, replaced = _later_wins(parts) if by == "later" else (_one_after_another(parts), ())
    shared: dict[str, Any] = {name: _agreed([getattr(part, name) for part in parts]) for name in _OF_CHANNELS}
    shared |= {name: only(getattr(part, name) for part in parts) for name in ("pixel_size", "z_step")}
    return replace(
        parts[-1],
        table=table,
        channels=tuple(dict.fromkeys(name for part in parts for name in part.channels)),
        source=sources,
        **shared,
        plate_format=_format_of(parts),
        positions=_of_fields([part.positions for part in parts], by),
        acquired=_of_fields([part.acquired for part in parts], by),
        plate_map=_plate_map(parts, sources),
        notes=(*dict.fromkeys(note for part in parts for note in part.notes), *_differing(parts)),
        tagged=all(part.tagged for part in parts),
        absent=tuple(name for part in parts for name in part.absent),
        left_out=_left_out(parts, replaced),
        bad={path: fault for part in parts for path, fault in part.bad.items()},
        elapsed=_agreed([part.elapsed for part in parts]) if by == "later" else {},
    )


def _later_wins(parts: Sequence[ImageIndex]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the last image of each label, and the files of those that it replaces."""
    every = pd.concat([part.table for part in parts], ignore_index=True)
    replaced = every.duplicated([*KEYS], keep="last")
    return every[~replaced], tuple(dict.fromkeys(every.path[replaced]))


def _one_after_another(parts: Sequence[ImageIndex]) -> pd.DataFrame:
    tables, first = [], int(parts[0].table.time.min())
    for part in parts:
        table = part.table.assign(time=part.table.time - part.table.time.min() + first)
        tables.append(table)
        first = int(table.time.max()) + 1
    return pd.concat(tables, ignore_index=True)


def _agreed(mappings: Sequence[Mapping[_Key, _Value]]) -> dict[_Key, _Value]:
    """Return what the mappings that have a key all say of it."""
    found: dict[_Key, list[_Value]] = defaultdict(list)
    for mapping in mappings:
        for key, value in mapping.items():
            found[key].append(value)
    return {key: values[0] for key, values in found.items() if all(one == values[0] for one in values)}


def _format_of(parts: Sequence[ImageIndex]) -> int | None:
    """Return the plate format, the larger of two."""
    return max((part.plate_format for part in parts if part.plate_format is not None), default=None)


def _of_fields(each: Sequence[_Fields | None], by: JoinBy) -> _Fields | None:
    """Return what is known of all fields; where two measurements have one, the later's or, in a series, the first's."""
    known = [one for one in each if one is not None]
    if not known:
        return None
    every: _Fields = pd.concat(known)
    once: _Fields = every[~every.index.duplicated(keep="last" if by == "later" else "first")]
    return once


def _plate_map(parts: Sequence[ImageIndex], sources: str) -> pd.DataFrame | None:
    known = [part.plate_map for part in parts if part.plate_map is not None]
    if any(not one.equals(other) for one, other in pairwise(known)):
        raise ReaderError(
            f"{sources} bring different plate maps of plate {parts[0].plate}; give the one that is right (--plate-map)"
        )
    return known[0] if known else None


def _differing(parts: Sequence[ImageIndex]) -> list[str]:
    """Say what is left out since the measurements do not agree on it."""
    names = [name for name in ("pixel_size", "z_step") if len({getattr(part, name) for part in parts}) > 1]
    for name in _OF_CHANNELS:
        mappings = [getattr(part, name) for part in parts]
        if len(_agreed(mappings)) < len({key for mapping in mappings for key in mapping}):
            names.append(name)
    said = ", ".join(name.replace("_", " ") for name in names)
    return [f"the measurements differ in {said}; what differs is left out"] if names else []


def _left_out(parts: Sequence[ImageIndex], replaced: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for part in parts:
        for reason, files in part.left_out.items():
            found[reason] += files
    return {**found, "file(s) of an earlier measurement, of which there is a later one": replaced}
