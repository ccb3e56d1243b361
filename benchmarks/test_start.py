"""Starting: `import hcskit`, `dir(hcskit)` and `hcskit --help`, each in a fresh process; beside Python alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

STARTS = {
    "bare": "pass",
    "import hcskit": "import hcskit",
    "dir(hcskit)": "import hcskit; dir(hcskit)",
    "hcskit --help": "from hcskit.cli import main; main(['--help'])",
}
ROUNDS = 20


@pytest.mark.parametrize("what", STARTS)
@pytest.mark.benchmark(group="start")
def test_start(what: str, benchmark: Any) -> None:
    command = [sys.executable, "-c", STARTS[what]]
    benchmark.extra_info.update(what=what, amount=1, unit="starts")
    benchmark.pedantic(
        subprocess.run, (command,), {"check": True, "stdout": subprocess.DEVNULL}, rounds=ROUNDS, warmup_rounds=2
    )
    benchmark.extra_info["note"] = f"{benchmark.stats.stats.median * 1000:.0f} ms"
