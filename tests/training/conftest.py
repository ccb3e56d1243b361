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

from hcskit.actions import import_plates
from hcskit.cluster.ranks._rendezvous import rendezvous
from hcskit.platemap import read_plate_map
from hcskit.preprocess import estimate_illumination
from hcskit.readers import read_folder
from hcskit.results import write_profile
from hcskit.simulation import Compound, PlateDesign, dilution_series, simulate_plate
from hcskit.store import open_plates

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


@pytest.fixture(scope="session")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small plate, ready to train on."""
    folder = tmp_path_factory.mktemp("screen")
    design = PlateDesign(
        compounds=(Compound("active", "translocation", ec50=50.0),),
        concentrations=dilution_series(3000.0, 4.0, 3),
        image_size=(64, 64),
    )
    export = simulate_plate(folder / "export", design, seed=3)
    found = read_folder(export.images)
    import_plates(found, folder, {index.plate: read_plate_map(export.plate_map, index.plate) for index in found})
    for name, plate in open_plates(folder).items():
        write_profile(folder, name, estimate_illumination(plate))
    return folder
