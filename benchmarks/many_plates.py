"""The scheduler's share of many large plates: what they cost the driver besides the work on images.

Usage: ``python benchmarks/many_plates.py [PLATES ...]``; 1, 10 and 100 by default.

First, how many tasks the steps make of a plate, and of how many bytes each, as they are sent. Then plates of 1536 wells
with four fields are put through a scheduler by what the steps use themselves; their jobs are of that size, and do
nothing. The scheduler runs in the driver's process, as in a run of the pipeline, so the figures are of both. Each count
of plates has a process of its own.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from distributed.protocol.pickle import dumps

import hcskit
from hcskit.cluster import Cluster, ClusterConfig, _jobs, open_cluster, run_jobs
from hcskit.jobs import RunJobs, side_by_side
from hcskit.recipe import Recipe
from hcskit.simulation import Compound, PlateDesign, simulate

TASKS, BYTES = 1536 * 4 // 16, 4000  # of a plate, and of each task
SMALL = PlateDesign(
    compounds=(Compound("active", "translocation", ec50=50.0),),
    concentrations=(10.0, 30.0, 100.0, 300.0),
    replicates=2,
    fields=4,
    image_size=(64, 64),
)
RECIPE = {
    "data": {"crop": 32, "crops_per_field": 2},
    "model": {"scales": 2, "features": 8, "hidden": 8},
    "optimiser": {"epochs": 1, "batch": 8},
}


def sent_by_steps() -> None:
    """Print how many tasks each step makes of a plate, and of how many bytes."""
    sizes: list[int] = []

    def caught(cluster: Cluster, jobs: Sequence[Callable[[], Any]], *others: Any) -> list[Any]:
        sizes.extend(len(dumps(job)) for job in jobs)  # type: ignore[no-untyped-call]
        return run_jobs(cluster, jobs, *others)

    setattr(_jobs, "run_jobs", caught)  # noqa: B010 - of another type
    with tempfile.TemporaryDirectory() as folder, open_cluster(ClusterConfig(cores=1)) as cluster:
        run, model = Path(folder, "run"), Path(folder, "model")
        export = simulate(Path(folder, "export"), SMALL, seed=1)
        quiet: dict[str, Any] = {"progress": False, "say": lambda _: None, "cluster": cluster}
        steps: dict[str, Callable[[], object]] = {
            "import": lambda: hcskit.import_plates(export.images, run, export.plate_map, **quiet),
            "quality": lambda: hcskit.assess(run, **quiet),
            "predict": lambda: hcskit.predict(run, model, run, **quiet),
        }
        for name, step in steps.items():
            if name == "predict":
                hcskit.train(run, Recipe.model_validate(RECIPE), model, **quiet | {"cluster": None})
            sizes.clear()
            step()
            wells = sum(plate.sizes["well"] for plate in hcskit.open_plates(run).values())
            print(f"{name}: {len(sizes)} tasks for {wells} wells of 4 fields, {max(sizes) / 1e3:.1f} kB at most")


def nothing(_: bytes) -> None:
    """Do what a job does, without an image."""


def plates_through(count: int) -> None:
    """Put plates through a scheduler, and print what it cost this process."""
    process = psutil.Process()
    with open_cluster(ClusterConfig(cores=4)) as cluster:
        client: Any = cluster.client
        scheduler = client.cluster.scheduler
        most, over = [0], threading.Event()

        def watch() -> None:
            while not over.wait(0.05):
                most[0] = max(most[0], len(scheduler.tasks))

        def plate(_: int, run: RunJobs) -> int:
            return len(run([partial(nothing, bytes(BYTES))] * TASKS))

        watcher = threading.Thread(target=watch)
        watcher.start()
        side_by_side(plate, [0], partial(run_jobs, cluster))  # what is loaded the first time
        before, objects = process.memory_info().rss, _objects()
        processor, began = time.process_time(), time.perf_counter()
        done = sum(side_by_side(plate, range(count), partial(run_jobs, cluster)))
        seconds, processor = time.perf_counter() - began, time.process_time() - processor
        grown, more = process.memory_info().rss - before, _objects() - objects
        over.set()
        watcher.join()
    each = 1e3 * processor / done
    print(
        f"{count} plates: {done} tasks, {done * BYTES / 1e6:.0f} MB sent, {seconds:.1f} s; processor time of the driver"
    )
    print(
        f"  {processor:.1f} s ({each:.2f} ms a task); {most[0]} tasks at most at a time; memory + {grown / 1e6:.0f} MB,"
        f" objects {more:+,}"
    )


def _objects() -> int:
    """Count what the garbage collector watches: memory that an allocator keeps for later is no leak, objects are."""
    gc.collect()
    return len(gc.get_objects())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--count"]:
        plates_through(int(sys.argv[2]))
    else:
        for one in sys.argv[1:] or ("1", "10", "100"):
            subprocess.run([sys.executable, __file__, "--count", one], check=True)
        sent_by_steps()
