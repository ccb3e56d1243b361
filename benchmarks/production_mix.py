"""What production costs: one figure, plates a day a core, and where it comes from.

``python benchmarks/production_mix.py`` runs the stated mix, whole pipelines with their notebooks and reports, and
prints the figure. Other questions, each a word on the command line:

``overhead``
    twenty plates of six wells in a run, one by itself, and three of 96: what a plate costs besides its images
``sizes``
    seconds of each step for 96 and 384 wells
``workers``
    two workers of one thread against one, in import, quality and prediction, with fields of 512 × 512 pixels
``memory``
    the peak memory of each step for 48 and 1536 wells

Plates are simulated beforehand, else with fields of 128 × 128 pixels: small, so that the share of what is not image
work is at its largest. Processor time is that of all processes that a run starts.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import hcskit
from hcskit.cluster import Cluster, ClusterConfig, open_cluster
from hcskit.pipeline import Pipeline, run_pipeline
from hcskit.recipe import Recipe
from hcskit.results import RunRecord
from hcskit.simulation import Compound, PlateDesign, SimulatedPlate, dilution_series, simulate

#: Of a plate of so many wells: how many compounds there are, each in a row with two controls, and at how many doses.
LAYOUTS = {6: (1, 4), 12: (1, 10), 48: (4, 10), 56: (8, 5), 96: (8, 10), 384: (16, 22), 1536: (32, 46)}
#: Of each kind of plate: how many wells it has, and how many such plates there are.
MIX = {"12 wells, known model": (12, 1), "96 wells, known model": (96, 1), "96 wells, trained": (96, 1)}
SIDE = 512  # pixels of a field where the work on images counts
DAY = 86_400
RECIPE = {
    "data": {"crop": 64, "crops_per_field": 2},
    "model": {"scales": 2, "features": 16, "hidden": 16},
    "optimiser": {"epochs": 8, "batch": 16},
}
QUIET: dict[str, Any] = {"say": lambda _: None}


def design(name: str, wells: int, side: int = 128) -> PlateDesign:
    """Return a plate of compounds that act like the positive control, at doses that span a factor of 20,000."""
    compounds, doses = LAYOUTS[wells]
    return PlateDesign(
        name=name,
        compounds=tuple(Compound(f"C{number:03d}", "translocation", ec50=50.0) for number in range(compounds)),
        concentrations=dilution_series(3000.0, 3.0 ** (9 / (doses - 1)), doses),
        replicates=1,
        fields=1,
        image_size=(side, side),
    )


@dataclass
class Cost:
    """Seconds by the clock, and of processor time; peak memory in bytes."""

    seconds: float = 0.0
    processor: float = 0.0
    memory: float = 0.0
    _seen: dict[int, float] = field(default_factory=dict)


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure what this process and all that it starts take: each is looked at until it ends."""
    cost, over, own = Cost(), threading.Event(), psutil.Process()

    def look() -> None:
        for one in [own, *own.children(recursive=True)]:
            try:
                times = one.cpu_times()
            except psutil.Error:
                continue
            cost._seen[one.pid] = times.user + times.system

    def watch() -> None:
        while not over.wait(0.1):
            look()

    look()
    before, began = dict(cost._seen), time.perf_counter()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield cost
    finally:
        over.set()
        watcher.join()
        look()
        cost.seconds = time.perf_counter() - began
        cost.processor = sum(seen - before.get(pid, 0.0) for pid, seen in cost._seen.items())


def screened(exports: list[SimulatedPlate], model: Path, run: Path) -> dict[str, Cost]:
    """Run the pipeline of a known model over plates, step after step, and return the cost of each."""
    given = {"source": [str(one.images) for one in exports], "plate_map": str(exports[0].plate_map)}
    costs = {}
    for step in Pipeline.open("predict_screen").notebooks:
        with measured() as costs[step.name]:
            run_pipeline("predict_screen", {**given, "model": str(model)}, run, last=step.name, **QUIET)
    record = RunRecord.read(run)
    assert record is not None
    for done in record.steps:
        costs[done.name].memory = done.peak_memory_bytes or 0
    return costs


def table(title: str, columns: dict[str, dict[str, float]]) -> None:
    """Print a column for each run, and a row for each step."""
    rows = list(dict.fromkeys(step for column in columns.values() for step in column))
    print(f"\n{title}\n\n| step | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {row} | {' | '.join(f'{column.get(row, 0.0):.2f}' for column in columns.values())} |", flush=True)


class Bench:
    """Plates and a model in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.model = folder, folder / "model"
        (trained,) = self.plates("teacher", 1, 56)
        hcskit.import_plates(trained.images, folder / "taught", trained.plate_map, **QUIET, progress=False)
        hcskit.assess(folder / "taught", **QUIET, progress=False)
        hcskit.train(folder / "taught", Recipe.model_validate(RECIPE), self.model, **QUIET, progress=False)

    def plates(self, name: str, count: int, wells: int, **options: int) -> list[SimulatedPlate]:
        """Simulate plates of so many wells."""
        names = [f"{name}{number}" for number in range(count)]
        return [simulate(self.folder / one, design(one, wells, **options), seed=seed) for seed, one in enumerate(names)]

    def mix(self) -> None:
        """Print plates a day a core for the mix."""
        plates = {
            what: self.plates(f"mix{number}-", count, wells)
            for number, (what, (wells, count)) in enumerate(MIX.items())
        }
        recipe = self.folder / "recipe.yaml"
        Recipe.model_validate(RECIPE).to_yaml(recipe)
        costs: dict[str, Cost] = {}
        for what, exports in plates.items():
            with measured() as costs[what]:
                for number, one in enumerate(exports):
                    run = self.folder / f"run {what} {number}"
                    given = {"source": str(one.images), "plate_map": str(one.plate_map)}
                    if "trained" in what:
                        run_pipeline("dose_response", given | {"recipe": str(recipe)}, run, **QUIET)
                    else:
                        run_pipeline("predict_screen", given | {"model": str(self.model)}, run, **QUIET)
            cost = costs[what]
            each = f"{cost.seconds / len(exports):.1f} s and {cost.processor / len(exports):.1f} s of a core each"
            print(f"{len(exports)} plates, {what}: {each}", flush=True)
        total = sum(cost.processor for cost in costs.values()) / sum(count for _, count in MIX.values())
        print(f"{total:.1f} s of a core a plate: {DAY / total:.0f} plates a day a core")

    def overhead(self) -> None:
        """Print what small plates cost, together and one by one."""
        small, whole = self.plates("small", 20, 6), self.plates("whole", 3, 96)
        runs = {"20 plates of 6 wells": small, "one of them": small[:1], "3 plates of 96 wells": whole}
        columns = {}
        for what, exports in runs.items():
            costs, count = screened(exports, self.model, self.folder / what), len(exports)
            columns[f"{what}: seconds"] = {name: one.seconds / count for name, one in costs.items()}
            columns[f"{what}: processor"] = {name: one.processor / count for name, one in costs.items()}
        for column in columns.values():
            column["all"] = sum(column.values())
        table("a plate, seconds", columns)

    def sizes(self) -> None:
        """Print the seconds of each step by the size of the plate."""
        columns = {}
        for wells in (96, 384):
            costs = screened(self.plates(f"wells{wells}-", 1, wells), self.model, self.folder / f"run{wells}")
            columns[f"{wells} wells: seconds"] = {name: one.seconds for name, one in costs.items()}
            columns[f"{wells} wells: processor"] = {name: one.processor for name, one in costs.items()}
        table("a plate, seconds", columns)

    def memory(self) -> None:
        """Print the peak memory of each step by the size of the plate."""
        columns = {}
        for wells in (48, 1536):
            costs = screened(self.plates(f"peak{wells}-", 1, wells), self.model, self.folder / f"peak-run{wells}")
            columns[f"{wells} wells"] = {name: one.memory / 1e9 for name, one in costs.items()}
        table("peak memory, GB", columns)

    def workers(self) -> None:
        """Print what a second worker gains, by the clock and by processor time, as if driver and workers took turns."""
        exports = self.plates("wide", 2, 48, side=SIDE)
        took: dict[str, dict[str, float]] = {}
        with open_cluster(ClusterConfig(workers=2, cores=1)) as two:
            self._verbs(exports, two, self.folder / "wide-first")  # what is loaded the first time
            for turn in range(2):
                took |= self._verbs(exports, two, self.folder / f"wide2-{turn}", f"2 workers, round {turn + 1}")
            two.client.retire_workers(list(two.client.scheduler_info()["workers"])[:1])
            one = Cluster(two.client, two.config.model_copy(update={"workers": 1}))
            for turn in range(2):
                took |= self._verbs(exports, one, self.folder / f"wide1-{turn}", f"1 worker, round {turn + 1}")
        table("seconds of each step, and processor time of the driver, and of the worker that takes most", took)
        for name in ("import", "quality", "predict"):
            for what in (name, f"{name}: processor"):
                alone, both = (
                    min(took[f"{count}, round {turn}"][what] for turn in (1, 2)) for count in ("1 worker", "2 workers")
                )
                print(f"{what}: {alone / both:.2f} ×")

    def _verbs(
        self, exports: list[SimulatedPlate], cluster: Cluster, run: Path, title: str = ""
    ) -> dict[str, dict[str, float]]:
        options: dict[str, Any] = {**QUIET, "progress": False, "cluster": cluster}
        sources = [one.images for one in exports]
        verbs: dict[str, Callable[[], object]] = {
            "import": lambda: hcskit.import_plates(sources, run, exports[0].plate_map, **options),
            "quality": lambda: hcskit.assess(run, **options),
            "predict": lambda: hcskit.predict(run, self.model, run, **options),
        }
        took = {}
        for name, verb in verbs.items():
            before, own, began = cluster.client.run(time.process_time), time.process_time(), time.perf_counter()
            verb()
            took[name], own = time.perf_counter() - began, time.process_time() - own
            after = cluster.client.run(time.process_time)
            took[f"{name}: driver"], took[f"{name}: worker"] = own, max(after[one] - before[one] for one in after)
            took[f"{name}: processor"] = took[f"{name}: driver"] + took[f"{name}: worker"]
        return {title: took}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place))
        for question in sys.argv[1:] or ["mix"]:
            getattr(bench, question)()
