"""A training step of the published network, against the same table of layers as the framework computes it.

All in one process, by turns; medians over rounds. The peak of memory is that of a process that does nothing else. The
processor's seconds are shown as well, as they say the same on a machine that is shared.
"""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("mcnn_step.py")
ROUNDS, BATCH, MATRIX = 3, 8, 3072
PRECISIONS = ("float32", "bfloat16")
#: Floating-point operations of a training step of the plain network, an image: 25.7 G multiply-adds forward, twice that
#: backward, but for the gradient of the images, which nothing uses.
OPERATIONS = {"step": 2 * 75.0e9, "prediction": 2 * 25.7e9}


def _run(out: Path, function: str, argument: str) -> Any:
    subprocess.run([sys.executable, str(SCRIPT), str(out), function, argument], check=True)
    return pickle.loads(out.read_bytes())  # noqa: S301


def _show(benchmark: Any, run: Any) -> None:
    note = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info.update(what="the whole measurement", amount=1, unit="measurements", note=note)


@pytest.mark.benchmark(group="a step of the published network")
def test_speed(tmp_path: Path, benchmark: Any) -> None:
    def run() -> str:
        times = {what: np.array(rows) for what, rows in _run(tmp_path / "out", "speed", str(ROUNDS)).items()}
        if importlib.util.find_spec("torch"):
            times["PyTorch step"] = np.array(_run(tmp_path / "torch", "torch_speed", str(ROUNDS)))
        rates = {what: 2 * MATRIX**3 / np.median(times[f"{what} product"][:, 0]) / 1e9 for what in PRECISIONS}
        lines = [", ".join(f"matrix product {rate:.0f} GFLOP/s in {what}" for what, rate in rates.items())]
        lines += [_line(what, times) for what in times if not what.endswith("product")]
        return "\n  ".join([*lines, *([] if "PyTorch step" in times else ["PyTorch: not installed"])])

    _show(benchmark, run)


def _line(what: str, times: dict[str, Any]) -> str:
    kind = what.split()[-1]
    wall, processor = np.median(times[f"plain {kind}"] / times[what], axis=0)
    rate = BATCH / np.median(times[what][:, 0])
    return (
        f"{what}: {rate:.2f} images/s, {OPERATIONS[kind] * rate / 1e9:.0f} GFLOP/s of the plain network's arithmetic, "
        f"{wall:.2f} × plain ({processor:.2f} × by processor time)"
    )


@pytest.mark.benchmark(group="memory of a step of the published network")
def test_memory(tmp_path: Path, benchmark: Any) -> None:
    def run() -> str:
        peaks = {w: _run(tmp_path / "out", "memory", w) for w in ("plain", "hcskit", "hcskit bfloat16")}
        return ", ".join(f"{w} {peak:.2f} GB = {peak / peaks['plain']:.2f} of plain" for w, peak in peaks.items())

    _show(benchmark, run)
