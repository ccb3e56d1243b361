"""Time points that names say as numbers, or as times in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

import pandas as pd

from hcskit.errors import InputError, ReaderError

__all__ = ["count_times", "parse_time", "seconds_of"]

# 00d04h30m, 04h30m, 12h, 2636ms
_DURATION = re.compile(r"(?:(\d+)d)?_?(?:(\d+)h)?_?(?:(\d+)m(?:in)?)?_?(?:(\d+)s(?:ec)?)?_?(?:(\d+)ms)?")
_SECONDS = (86400.0, 3600.0, 60.0, 1.0, 1e-3)
# 2020y03m05d_12h00m, 2020-03-05T12:00:00, 20200305_120000
_DATE = re.compile(r"(\d{4})[y.-]?(\d\d)[m.-]?(\d\d)d?[T _-]?(?:(\d\d)[h:.-]?(\d\d)[m:.-]?(?:(\d\d)s?)?)?")
_STAMP = re.compile(r"(19|20)\d{6}(\d{4}(\d\d)?)?")


@lru_cache
def parse_time(text: str) -> int | float:
    """Read a time point: its number as an integer, a time in words as seconds (a float).

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> parse_time("007"), parse_time("01d02h30m"), parse_time("2020y03m05d_12h00m") - parse_time("2020y03m04d_12h00m")
    (7, 95400.0, 86400.0)
    """
    if text.isdecimal() and not _STAMP.fullmatch(text):
        return int(text)
    if (found := _DURATION.fullmatch(text)) and text:
        return sum(int(part) * unit for part, unit in zip(found.groups(), _SECONDS, strict=True) if part)
    if found := _DATE.fullmatch(text):
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
        try:
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
        except ValueError as error:
            raise InputError(f"{text!r} is no date: {error}") from error
    raise InputError(f"{text!r} is no time point; expected a number, a time such as 01d02h30m or a date")


def count_times(times: pd.Series) -> tuple[pd.Series, dict[int, float]]:
    """Count time points; of times in words, return the seconds from the first to each too.

    Raises
    ------
    ReaderError
        If some are numbers and some are times.

    Examples
    --------
    >>> numbers, elapsed = count_times(pd.Series([14400.0, 0.0, 14400.0]))
    >>> list(numbers), elapsed
    ([2, 1, 2], {1: 0.0, 2: 14400.0})
    """
    in_words = [isinstance(time, float) for time in times]
    if not any(in_words):
        return times.astype(int), {}
    if not all(in_words):
        raise ReaderError("some files have a number for the time point and others a time; import each kind by itself")
    seconds = sorted(set(times))
    numbers = {time: number for number, time in enumerate(seconds, 1)}
    return times.map(numbers), {number: time - seconds[0] for time, number in numbers.items()}


def seconds_of(text: str) -> float | None:
    """Return the time of ISO 8601 in seconds since 1970 (UTC); None if it is not in this form, or names no zone.

    Examples
    --------
    >>> seconds_of("1970-01-02T01:00:00.5+01:00"), seconds_of("yesterday"), seconds_of("1970-01-02T00:00:00")
    (86400.5, None, None)
    """
    try:
        time = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.strip()))
    except ValueError:
        return None
    return None if time.tzinfo is None else time.timestamp()
