"""Prints, after the table, how each measurement compares with the bare one of its group, from the same run."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    groups: dict[str, dict[str, Any]] = {}
    for result in config._benchmarksession.benchmarks:  # type: ignore[attr-defined]
        groups.setdefault(result.group, {})[result.extra_info["what"]] = result
    for group, results in groups.items():
        bare = results.get("bare")
        for what, result in results.items():
            amount, unit = result.extra_info["amount"], result.extra_info["unit"]
            ratio = "" if bare is None else f", {bare.stats.median / result.stats.median:.2f} × bare"
            rounds = len(result.stats.data)
            terminalreporter.write_line(
                f"{group}: {what}: {amount / result.stats.median:.1f} {unit}/s (median of {rounds}{ratio})"
            )
