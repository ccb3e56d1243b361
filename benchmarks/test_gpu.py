"""The published network on a GPU, ours against plain Keras with XLA, in every precision that suits it.

Each configuration runs in a process of its own, for its peak of memory; rounds within it, and what is shown are their
medians. The ratio is to plain Keras in the same precision with XLA, which is Keras's default on a GPU.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hcskit.parallel import device

SCRIPT = Path(__file__).with_name("gpu_step.py")
NETWORKS, COMPILED = ("plain", "hcskit"), ("xla", "graph")


@pytest.mark.gpu
@pytest.mark.benchmark(group="the published network on a GPU")
def test_speed_and_memory(tmp_path: Path, benchmark: Any) -> None:
    if not device().is_gpu:
        pytest.skip("TensorFlow sees no GPU on this machine")

    def run() -> str:
        lines = []
        for precision in sorted(device().precisions):
            found = {
                (network, compiled): _measure(tmp_path / "out.json", network, precision, compiled)
                for network in NETWORKS
                for compiled in COMPILED
            }
            bare = found["plain", "xla"]
            lines += [_line(f"{network} {precision} {how}", found[network, how], bare) for network, how in found]
        return "\n  ".join([device().name, *lines])

    note = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info.update(what="the whole measurement", amount=1, unit="measurements", note=note)


def _measure(out: Path, *arguments: str) -> Any:
    """Return what a process found; None if it could not, such as for want of memory, which is an answer as well."""
    done = subprocess.run([sys.executable, str(SCRIPT), str(out), *arguments], check=False)
    return json.loads(out.read_text(encoding="utf-8")) if done.returncode == 0 else None


def _line(what: str, found: Any, bare: Any) -> str:
    if found is None:
        return f"{what}: failed, its output is above"
    step, prediction = (np.median(found[name]) for name in ("step", "prediction"))
    line = f"{what}: {step:.1f} images/s, predicting {prediction:.1f}, {found['peak'] / 1e9:.2f} GB"
    if bare is None:
        return line
    faster = [rate / np.median(bare[name]) for name, rate in (("step", step), ("prediction", prediction))]
    memory = found["peak"] / bare["peak"]
    return f"{line}; {faster[0]:.2f} and {faster[1]:.2f} × plain with XLA, {memory:.2f} of its memory"
