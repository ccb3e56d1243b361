"""Prints, after the table, how each measurement compares with the bare one of its group, from the same run."""

from __future__ import annotations

from typing import Any

import pytest


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
