"""Training in several processes on this machine: what they gain, what they cost, and how long an exchange takes.

Each figure is a median over rounds; what is compared was measured by turns, or one right after the other.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hcskit.cluster.ranks._rendezvous import rendezvous
from hcskit.parallel import environment
from hcskit.recipe import ParallelSection

SCRIPT = Path(__file__).with_name("in_rank.py")
ROUNDS, PATIENCE = 7, 900
RANKS = (1, 2, 4)
FUSION = (0, 128, 256)


def _run(out: Path, ranks: int, function: str, section: ParallelSection | None = None) -> Any:
    """Run a function of in_rank.py in ranks that share this machine's cores; return what rank 0 returns."""
    threads = str(max(1, len(os.sched_getaffinity(0)) // ranks))
    own = os.environ | {"OMP_NUM_THREADS": threads, "TF_NUM_INTRAOP_THREADS": threads}
    command = [sys.executable, str(SCRIPT), str(out), function, str(ROUNDS)]
    with rendezvous(["localhost"] * ranks) as places:
        tuned = environment(section or ParallelSection())
        started = [subprocess.Popen(command, env=own | place | tuned) for place in places]
        try:
            assert [process.wait(PATIENCE) for process in started] == [0] * ranks
        finally:
            for process in started:
                process.kill()
    return np.array(pickle.loads(out.read_bytes()))  # noqa: S301


def _show(benchmark: Any, run: Any, amount: int, unit: str) -> None:
    note = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info.update(what="the whole measurement", amount=amount, unit=unit, note=note)


@pytest.mark.benchmark(group="ranks on this machine")
def test_speed(tmp_path: Path, benchmark: Any) -> None:
    def run() -> str:
        speeds = {ranks: np.median(_run(tmp_path / str(ranks), ranks, "speed")) for ranks in RANKS}
        return ", ".join(
            f"{ranks} ranks {speed:.0f} images/s = {speed / speeds[1]:.2f} ×" for ranks, speed in speeds.items()
        )

    _show(benchmark, run, len(RANKS), "measurements")


@pytest.mark.benchmark(group="overhead of one rank")
def test_overhead(tmp_path: Path, benchmark: Any) -> None:
    def run() -> str:
        times = _run(tmp_path / "out", 1, "overhead")  # (round, what, clock)
        one, horovod = np.median(times[:, 1:] / times[:, :1], axis=0) - 1
        return (
            f"plain {1 / np.median(times[:, 0, 0]):.0f} images/s; one rank {one[0]:+.1%} time, {one[1]:+.1%} processor "
            f"time; Horovod made to average over one rank {horovod[0]:+.1%}, {horovod[1]:+.1%}"
        )

    _show(benchmark, run, 1, "measurements")


@pytest.mark.benchmark(group="exchange of 170 MB of gradients, two ranks")
def test_exchange(tmp_path: Path, benchmark: Any) -> None:
    def run() -> str:
        notes = []
        for fusion in FUSION:
            section = ParallelSection(fusion_threshold_mb=fusion)
            whole, half = np.median(_run(tmp_path / str(fusion), 2, "exchange", section), axis=0)
            notes.append(f"fusion {fusion} MiB {1e3 * whole:.0f} ms, in 16 bits {1e3 * half:.0f} ms")
        return "; ".join(notes)

    _show(benchmark, run, len(FUSION), "measurements")
