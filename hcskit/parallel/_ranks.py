"""The place of a process among the ranks; Horovod, imported only if there are several."""

from __future__ import annotations

import os
from functools import cache
from typing import Any, NamedTuple

from hcskit.errors import InputError
from hcskit.recipe._recipe import ParallelSection

__all__ = ["Ranks", "environment", "horovod", "ranks", "ranks_here"]

_STALLED = 1800  # seconds


class Ranks(NamedTuple):
    """The place of this process among those that train together.

    Attributes
    ----------
    rank : int
        Number of this process; rank 0 writes the files.
    size : int
        Number of processes.
    local_rank : int
        Number of this process on its host.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0


def ranks() -> Ranks:
    """Return the place of this process, from its environment.

    Raises
    ------
    InputError
        If there are several ranks, and Horovod is not installed.

    Examples
    --------
    >>> ranks().size
    1
    """
    size = int(os.environ.get("HOROVOD_SIZE", "1"))
    if size == 1:
        return Ranks()
    horovod()
    return Ranks(int(os.environ["HOROVOD_RANK"]), size, int(os.environ["HOROVOD_LOCAL_RANK"]))


def ranks_here() -> int:
    """Return how many of the ranks are on this host; they share its memory."""
    return int(os.environ.get("HOROVOD_LOCAL_SIZE", "1"))


@cache
def horovod() -> Any:
    """Return `horovod.tensorflow`, connected to the other ranks.

    Raises
    ------
    InputError
        If it is not installed, or was built for another TensorFlow.
    horovod.common.exceptions.HorovodInternalError
        If the other ranks do not connect.
    """
    try:
        import horovod.tensorflow as library
        from horovod.common.exceptions import HorovodInternalError
    except ImportError as error:
        raise InputError(
            f"training with several ranks needs Horovod, and it cannot be imported here ({error}); "
            "run `make horovod` in the folder of hcskit, or train with one rank"
        ) from error
    try:
        library.init()
    except ValueError as error:  # for example, another rank has ended
        raise HorovodInternalError("the ranks did not find one another") from error
    return library


def environment(section: ParallelSection) -> dict[str, str]:
    """Return the environment variables that tune Horovod as a recipe asks; set them when starting ranks.

    Ranks that have waited half an hour for another rank end; otherwise they would wait forever.

    Examples
    --------
    >>> environment(ParallelSection(fusion_threshold_mb=64))["HOROVOD_FUSION_THRESHOLD"]
    '67108864'
    """
    return {
        "HOROVOD_STALL_SHUTDOWN_TIME_SECONDS": str(_STALLED),
        "HOROVOD_LOG_LEVEL": "warning",  # a lower one would write the key of the rendezvous into the logs
        "HOROVOD_FUSION_THRESHOLD": str(section.fusion_threshold_mb * 2**20),
        "HOROVOD_CYCLE_TIME": str(section.cycle_time_ms),
    }
