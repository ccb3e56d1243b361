"""Training on a cluster of this machine: how long until the first step, and what a lost worker costs."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from hcskit.actions import import_plates, train
from hcskit.cluster import ClusterConfig
from hcskit.platemap import read_plate_map
from hcskit.preprocess import estimate_illumination
from hcskit.readers import read_folder
from hcskit.recipe import Recipe
from hcskit.results import write_illumination
from hcskit.simulation import PlateDesign, simulate
from hcskit.store import open_plates

ROUNDS = 3
TWO = ClusterConfig(workers=2)
RECIPE = Recipe.model_validate(
    {
        "data": {"crop": 64, "crops_per_field": 4},
        "model": {"scales": 2, "features": 16, "hidden": 16},
        "optimiser": {"epochs": 8, "batch": 16},
    }
)


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("screen")
    export = simulate(folder / "export", PlateDesign(image_size=(128, 128)))
    found = read_folder(export.images)
    import_plates(found, folder, {index.plate: read_plate_map(export.plate_map, index.plate) for index in found})
    for name, plate in open_plates(folder).items():
        write_illumination(folder, name, estimate_illumination(plate))
    return folder


def _train(screen: Path, out: Path, *, kill_after: int | None = None) -> tuple[float, float]:
    """Train with two workers, one of which may be killed; return the seconds until the first step, and in all."""
    ended: list[float] = []

    def run() -> None:
        train(screen, RECIPE, out, cluster=TWO, say=lambda _: None, progress=False)
        ended.append(time.perf_counter())

    started = time.perf_counter()
    training = Thread(target=run)
    training.start()
    first = _wait_for_epoch(out, 1, training)
    if kill_after is not None:
        _wait_for_epoch(out, kill_after, training)
        _workers()[0].kill()
    training.join()
    seconds = pd.read_csv(out / "history.csv")["seconds"]
    return first - float(seconds.iloc[0]) - started, ended[0] - started


def _wait_for_epoch(out: Path, number: int, training: Thread) -> float:
    history = out / "history.csv"
    while not (history.exists() and len(pd.read_csv(history)) >= number):
        assert training.is_alive(), "the training failed"
        time.sleep(0.05)
    return time.perf_counter()


def _workers() -> list[psutil.Process]:
    """Those that have ranks."""
    children = psutil.Process().children(recursive=True)
    return [child.parent() for child in children if "hcskit.cluster.ranks._rank" in child.cmdline()]


@pytest.mark.benchmark(group="a lost worker, two workers of one rank")
def test_loss(screen: Path, tmp_path: Path, benchmark: Any) -> None:
    def run() -> str:
        calm, lossy = [], []
        for number in range(ROUNDS):
            calm.append(_train(screen, tmp_path / f"calm{number}"))
            lossy.append(_train(screen, tmp_path / f"lossy{number}", kill_after=RECIPE.optimiser.epochs // 2))
        (first, whole), (_, longer) = np.median(calm, axis=0), np.median(lossy, axis=0)
        return (
            f"{first:.1f} s from the call to the first step; {whole:.1f} s in all, {longer:.1f} s with a loss: "
            f"{longer - whole:.1f} s lost = {(longer - whole) / first:.2f} × the start"
        )

    benchmark.extra_info.update(what="the whole measurement", amount=2 * ROUNDS, unit="trainings")
    benchmark.extra_info["note"] = benchmark.pedantic(run, rounds=1)
