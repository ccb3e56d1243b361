"""A rank counts as frozen after its last sign of life, and not while it starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hcskit.cluster.ranks._process import RankProcess, RankTask


def test_a_rank_that_starts_has_more_time_than_one_that_has_started(
    tmp_path: Path, until: Callable[[Callable[[], object]], None]
) -> None:
    task = RankTask(0, "signal:pause", {}, {}, str(tmp_path / "log"), (0, 1), timeout=20)
    rank = RankProcess(task, (1, 1), lambda _: None)
    with rank.process:
        rank.silence += 60
        starting = rank.failure()
        until(lambda: rank.silence == 0 or not rank.running)
        rank.silence += 60
        failure = rank.failure()
        rank.end()
    assert starting is None
    assert failure is not None
    assert failure.is_frozen
    assert failure.ended == "showed no sign of life for 20 s"
