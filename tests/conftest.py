"""What all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner, Result
from hypothesis import settings

from hcskit.actions import import_plates
from hcskit.cli import main
from hcskit.plate import parse_well
from hcskit.platemap import check_plate_map, read_plate_map
from hcskit.preprocess import estimate_illumination
from hcskit.readers import read_folder
from hcskit.results import write_illumination
from hcskit.simulation import Compound, PlateDesign, dilution_series, simulate
from hcskit.store import open_plates

# TensorFlow reads it once, when it is first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

pytest_plugins = ["tests.fitted_run", "tests.small_run"]  # fixtures of the tests of views, reports, runs and dashboards

ROOT = Path(__file__).resolve().parents[1]

# How long an example takes depends on what else the machine does.
settings.register_profile("hcskit", deadline=None)
settings.load_profile("hcskit")

# A shell's background job starts with Ctrl-C ignored, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


#: Tests of minutes.
LONGEST = (
    "cluster/test_slurm",
    "parallel/test_parallel",
    "cluster",
    "test_notebooks",
    "pipeline",
    "planning",
    "faults",
    "watch",
    "test_wheel",
    "training",
    "app",
    "actions",
    "response",
    "parallel",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first: with two workers, none then ends with a long file while the other idles."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def rank(item: pytest.Item) -> tuple[int, bool]:
        among = (number for number, start in enumerate(LONGEST) if item.nodeid.startswith(f"tests/{start}"))
        return next(among, len(LONGEST)), item.path not in slow

    items.sort(key=rank)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real plates: HCSKIT_TEST_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("HCSKIT_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real plates are not at {folder}; HCSKIT_TEST_DATA names their folder")
    return folder


@pytest.fixture(autouse=True)
def _gpu(request: pytest.FixtureRequest) -> None:
    """Skip the tests marked ``gpu`` where there is none."""
    if request.node.get_closest_marker("gpu"):
        from hcskit.parallel import device  # loads TensorFlow, which most tests do not need

        if not device().is_gpu:
            pytest.skip("TensorFlow sees no GPU on this machine")


CHANNELS = ("DNA", "GFP")
Label = tuple[str, int, str]


def stamp(label: Label) -> int:
    """A count that no other (well, field up to 3, channel) has, on a plate of up to 1536 wells; never zero."""
    well = parse_well(label[0])
    return ((well.row * 48 + well.column) * 4 + label[1]) * 4 + CHANNELS.index(label[2]) + 1


@pytest.fixture(scope="session")
def code() -> Callable[[Label], int]:
    return stamp


@pytest.fixture(scope="session")
def export() -> Callable[..., Path]:
    """Write images as hcskit.simulation names them: given ones, or ones that are full of their own code."""

    def write(
        folder: Path, images: Mapping[Label, np.ndarray] | Iterable[Label], plate: str = "P1", shape=(16, 24), **options
    ) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        if not isinstance(images, Mapping):
            images = {label: np.full(shape, stamp(label), np.uint16) for label in images}
        for (well, field, channel), image in images.items():
            path = folder / f"{plate}_{well}_f{field:02d}_{channel}.tif"
            tifffile.imwrite(path, image, photometric="minisblack", metadata=None, **options)
        return folder

    return write


@pytest.fixture(scope="session")
def treated() -> Callable[[Iterable[str]], pd.DataFrame]:
    """Plate map with a treatment in every well."""

    def table(wells: Iterable[str]) -> pd.DataFrame:
        names = list(wells)
        doses = [10.0 * (number + 1) for number in range(len(names))]
        columns = {"well": names, "compound": "A", "concentration": doses, "concentration_unit": "nM"}
        return check_plate_map(pd.DataFrame({**columns, "role": "treatment"}))

    return table


@pytest.fixture(scope="session")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small plate, ready to train on."""
    folder = tmp_path_factory.mktemp("screen")
    design = PlateDesign(
        compounds=(Compound("active", "translocation", ec50=50.0),),
        concentrations=dilution_series(3000.0, 4.0, 3),
        image_size=(64, 64),
    )
    export = simulate(folder / "export", design, seed=3)
    found = read_folder(export.images)
    import_plates(found, folder, {index.plate: read_plate_map(export.plate_map, index.plate) for index in found})
    for name, plate in open_plates(folder).items():
        write_illumination(folder, name, estimate_illumination(plate))
    return folder


@pytest.fixture
def hcskit() -> Iterator[Any]:
    """Run the command in this process."""

    def hcskit(*arguments: str | Path) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    before = signal.getsignal(signal.SIGTERM)
    yield hcskit
    signal.signal(signal.SIGTERM, before)
