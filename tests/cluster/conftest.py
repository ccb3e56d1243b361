"""A small screen, and workers to lose."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import psutil
import pytest

from hcskit.actions import import_plates, train
from hcskit.cluster import Cluster, ClusterConfig
from hcskit.platemap import read_plate_map
from hcskit.preprocess import estimate_illumination
from hcskit.readers import read_folder
from hcskit.recipe import Recipe
from hcskit.results import write_illumination
from hcskit.simulation import Compound, PlateDesign, dilution_series, simulate
from hcskit.store import open_plates


@pytest.fixture(scope="module", autouse=True)
def _not_measured_in_workers() -> Iterator[None]:
    """Coverage makes TensorFlow a quarter slower, and it is started again and again here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield


@pytest.fixture(scope="session")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two plates of 64×64 pixels, each of 6 wells of a compound and 3 of each control, one field missing."""
    folder = tmp_path_factory.mktemp("screen")
    for seed in (1, 2):
        design = PlateDesign(
            name=f"p{seed}",
            compounds=(Compound("active", "translocation", ec50=50.0),),
            concentrations=dilution_series(3000.0, 30.0, 2),
            replicates=3,
            image_size=(64, 64),
            missing_fields=(("A02", 2),),
        )
        export = simulate(folder / f"export{seed}", design, seed=seed)
        found = read_folder(export.images)
        import_plates(found, folder, {index.plate: read_plate_map(export.plate_map, index.plate) for index in found})
    for name, plate in open_plates(folder).items():
        write_illumination(folder, name, estimate_illumination(plate))
    return folder


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait until something holds; asking takes at most a tenth of a processor from those who are waited for."""

    def until(holds: Callable[[], object], seconds: float = 120.0) -> None:
        end = time.monotonic() + seconds
        begun = time.thread_time()  # of this thread alone, however loaded the machine is
        while not holds():
            assert time.monotonic() < end, "it did not come"
            time.sleep(max(0.01, 10 * (time.thread_time() - begun)))
            begun = time.thread_time()

    return until


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """Quick to train, and long enough to be disturbed."""
    return Recipe.model_validate(
        {
            "data": {"crop": 32, "crops_per_field": 4},
            "model": {"scales": 2, "features": 8, "hidden": 8},
            "optimiser": {"epochs": 12, "batch": 8},
        }
    )


@pytest.fixture(scope="module")
def assert_undisturbed(undisturbed: pd.DataFrame) -> Callable[..., None]:
    """Compare a history with that of a training that nothing disturbed."""

    def check(history: pd.DataFrame, rtol: float = 1e-4) -> None:
        assert history["epoch"].tolist() == undisturbed["epoch"].tolist()
        for name in ("loss", "val_loss"):
            np.testing.assert_allclose(history[name], undisturbed[name], rtol=rtol)

    return check


class Training:
    """A training that runs beside the test."""

    def __init__(self, screen: Path, recipe: Recipe, out: Path) -> None:
        self.screen, self.recipe, self.out = screen, recipe, out
        self.said: list[str] = []
        self.ended: list[pd.DataFrame | Exception] = []

    def start(self, config: ClusterConfig | Cluster) -> None:
        self.thread = Thread(target=self._run, args=(config,))
        self.thread.start()

    def _run(self, config: ClusterConfig | Cluster) -> None:
        try:
            options = {"cluster": config, "say": self.said.append, "progress": False}
            self.ended.append(train(self.screen, self.recipe, self.out, **options).history)
        except Exception as error:  # noqa: BLE001 - goes to whoever waits
            self.ended.append(error)

    @property
    def epochs(self) -> int:
        """How many are done."""
        path = self.out / "history.csv"
        return path.read_text(encoding="utf-8").count("\n") - 1 if path.exists() else 0

    def ranks(self) -> list[psutil.Process]:
        """The processes of its ranks; all nodes are on this machine."""
        return [process for process in psutil.process_iter() if _is_rank(process, self.out)]

    def freeze(self, until: Callable[..., None], after: int = 2) -> int:
        """Stop all ranks after so many epochs; return how many are done."""
        until(lambda: self.epochs >= after or self.ended, 300)
        assert not self.ended, self.ended[0]
        for process in self.ranks():
            process.suspend()
        assert self.epochs < self.recipe.optimiser.epochs
        return self.epochs

    def result(self) -> pd.DataFrame:
        """Wait for the end; return the history, or raise what was raised."""
        self.thread.join(400)
        assert self.ended, "the training hangs"
        if isinstance(self.ended[0], Exception):
            raise self.ended[0]
        return self.ended[0]


def _is_rank(process: psutil.Process, out: Path) -> bool:
    try:
        if "hcskit.cluster.ranks._rank" not in process.cmdline():
            return False
        # Its worker holds the file of its output open.
        return any(Path(file.path).is_relative_to(out) for file in process.parent().open_files())
    except (psutil.Error, AttributeError):  # it is gone, or its parent is
        return False


@pytest.fixture
def training(screen: Path, recipe: Recipe, tmp_path: Path) -> Iterator[Training]:
    """A training in the test's folder; the test starts it."""
    training = Training(screen, recipe, tmp_path)
    yield training
    if hasattr(training, "thread"):
        for rank in training.ranks():  # frozen still, if the test failed
            rank.resume()
        training.thread.join(400)


@pytest.fixture(scope="session")
def listening() -> Callable[[], set[str]]:
    """Tell the addresses at which a process listens; made here, so that it travels to workers whole."""

    def addresses() -> set[str]:
        import psutil

        connections = psutil.Process().net_connections("inet")
        return {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}

    return addresses
