"""Prints, after the table, how each measurement compares with the bare one of its group, from the same run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def bind() -> Iterator[Callable[[int], None]]:
    """Let every thread of this process run on so many cores only, those that libraries have started included."""
    cores = os.sched_getaffinity(0)

    def run_on(allowed: set[int]) -> None:
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # it has just ended
                os.sched_setaffinity(int(thread.name), allowed)

    def bind(count: int) -> None:
        if len(cores) < count:
            pytest.skip(f"this machine has {len(cores)} core")
        run_on(set(sorted(cores)[:count]))

    yield bind
    run_on(cores)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    groups: dict[str, dict[str, Any]] = {}
    for result in (result for result in config._benchmarksession.benchmarks if result.stats.data):  # type: ignore[attr-defined]
        groups.setdefault(result.group, {})[result.extra_info["what"]] = result
    for group, results in groups.items():
        bare = results.get("bare")
        for what, result in results.items():
            amount, unit = result.extra_info["amount"], result.extra_info["unit"]
            ratio = "" if bare is None else f", {bare.stats.median / result.stats.median:.2f} × bare"
            rounds = len(result.stats.data)
            note = f"; {result.extra_info['note']}" if "note" in result.extra_info else ""
            speed = f"{amount / result.stats.median:.1f} {unit}/s"
            terminalreporter.write_line(f"{group}: {what}: {speed} (median of {rounds}{ratio}){note}")
