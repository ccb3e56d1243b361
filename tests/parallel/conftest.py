"""Ranks on this machine: processes that find one another over loopback."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hcskit.cluster.ranks._rendezvous import rendezvous

SCRIPT = Path(__file__).with_name("in_rank.py")
#: Ranks share the cores: one thread each, as a cluster would set it.
THREADS = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
# Nor is coverage measured in them: it makes TensorFlow a quarter slower.
ALONE = {name: value for name, value in os.environ.items() if not name.startswith(("HOROVOD_", "COVERAGE_"))}
PATIENCE = 240.0


def _start(out: Path, function: str, arguments: tuple[object, ...], settings: Mapping[str, str]) -> Any:
    command = [sys.executable, SCRIPT, out, function, *map(str, arguments)]
    return subprocess.Popen(command, env=ALONE | THREADS | settings)


def _wait(processes: list[Any], outs: list[Path]) -> list[Any]:
    """Wait for all ranks to end by themselves; the first to fail is the one to blame."""
    failed: list[int] = []
    end = time.monotonic() + PATIENCE
    try:
        while any(process.poll() is None for process in processes):
            assert time.monotonic() < end, "the ranks did not end"
            failed += [rank for rank, process in enumerate(processes) if process.poll() and rank not in failed]
            time.sleep(0.05)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    answers = [pickle.loads(out.read_bytes()) if out.exists() else None for out in outs]  # noqa: S301
    failed += [rank for rank, process in enumerate(processes) if process.returncode and rank not in failed]
    if failed:
        raise RuntimeError(f"rank {failed[0]}: {answers}") from answers[failed[0]]
    return answers


@pytest.fixture(scope="session")
def run_ranks(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Any]]:
    """Run a function of in_rank.py in so many ranks, 0 for a process that is none; return what each of them returns."""

    def run(size: int, function: str, *arguments: object) -> list[Any]:
        folder = tmp_path_factory.mktemp("ranks")
        outs = [folder / str(rank) for rank in range(max(size, 1))]
        if size == 0:
            return _wait([_start(outs[0], function, arguments, {})], outs)
        with rendezvous(["localhost"] * size) as environments:
            return _wait([_start(out, function, arguments, e) for out, e in zip(outs, environments, strict=True)], outs)

    return run
