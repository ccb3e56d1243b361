"""Opening a plate of 1536 wells, 4 fields and 4 channels, and reading one well of it; beside what others need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ngio
import numpy as np
import pytest
import xarray as xr

import hcskit
from hcskit.plate import FORMATS, Well
from hcskit.screen import PlateInfo, make_plate
from hcskit.store import _layout, write_plate

SHAPE = (1080, 1080)
ROUNDS = 5


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One real well, linked to all 1536 places: 50 GB of pixels in 40 MB."""
    info = PlateInfo("big", ("A01",), (1, 2, 3, 4), ("DNA", "ER", "RNA", "AGP"), SHAPE, np.dtype("uint16"), 0.6)
    light = np.random.default_rng(0).poisson(800, (1, 4, 4, *SHAPE)).astype(np.uint16)
    path = write_plate(make_plate(info, light, np.ones((1, 4, 4))), tmp_path_factory.mktemp("bench"), progress=False)
    first = _layout.well_folder(path, "A01")
    format = FORMATS[1536]
    wells = tuple(Well(row, column).name for row in range(format.rows) for column in range(format.columns))
    for well in wells[1:]:
        shutil.copytree(first, _layout.well_folder(path, well), copy_function=os.link)
    for row in {_layout.well_folder(path, well).parent for well in wells}:
        _layout.write_group(row, {})
    whole = _layout.plate_attributes(
        replace(info, wells=wells), np.ones((1536, 4, 4), bool), None, fingerprint="", complete=True
    )
    _layout.write_group(path, whole)
    return path


def _hcskit(plate: Path) -> Any:
    return hcskit.open_screen(plate)["big"]


def _hcskit_well(opened: Any) -> Any:
    return opened["image"].sel(well="P24").to_numpy()


def _ngio(plate: Path) -> Any:
    return ngio.open_ome_zarr_plate(plate).get_images(
        max_workers=1
    )  # as hcskit.open_screen: every image, ready to be read


def _ngio_well(opened: Any) -> Any:
    return [opened[f"P/24/{field}"].get_image().get_as_numpy() for field in range(1, 5)]


def _xarray(plate: Path) -> Any:
    # The lower levels have other sizes under the same dimension names, which a Dataset cannot hold.
    return xr.open_datatree(plate, engine="zarr", consolidated=False, drop_variables=["1", "2", "3"], cache=False)


def _xarray_well(opened: Any) -> Any:
    return [opened[f"/P/24/{field}"]["0"].to_numpy() for field in range(1, 5)]


OPENERS: dict[str, tuple[Callable[[Path], Any], Callable[[Any], Any]]] = {
    "hcskit": (_hcskit, _hcskit_well),
    "ngio": (_ngio, _ngio_well),
    "xarray zarr": (_xarray, _xarray_well),
}


@pytest.mark.parametrize("what", OPENERS)
def test_open_the_plate(what: str, plate: Path, benchmark: Any) -> None:
    benchmark.group = "open 1536 wells × 4 fields × 4 channels"
    benchmark.extra_info.update(what=what, amount=1, unit="plates")
    benchmark.pedantic(OPENERS[what][0], (plate,), rounds=ROUNDS if what == "hcskit" else 1)


@pytest.mark.parametrize("what", OPENERS)
def test_read_one_well(what: str, plate: Path, benchmark: Any) -> None:
    opener, well = OPENERS[what]
    opened = opener(plate)
    benchmark.group = "then read one well, 16 images of 1080×1080"
    benchmark.extra_info.update(what=what, amount=1, unit="wells")
    assert np.sum([np.size(pixels) for pixels in well(opened)]) == 16 * SHAPE[0] * SHAPE[1]
    benchmark.pedantic(well, (opened,), rounds=ROUNDS)


FRESH = """
import sys, time
import hcskit
from hcskit import open_screen
start = time.perf_counter()
plate = open_screen(sys.argv[1])["big"]
opened = time.perf_counter()
plate["image"].sel(well="P24").to_numpy()
print(opened - start, time.perf_counter() - opened)
"""


@pytest.mark.benchmark(group="the same in a fresh process")
def test_a_fresh_process(plate: Path, benchmark: Any) -> None:
    """Print how long opening and the first well take, without the imports."""

    def run() -> list[str]:
        return subprocess.run(
            [sys.executable, "-c", FRESH, str(plate)], capture_output=True, text=True, check=True
        ).stdout.split()

    times = [run() for _ in range(ROUNDS)]
    opened, well = (np.median([float(time[number]) for time in times]) for number in (0, 1))
    note = f"open {1e3 * opened:.0f} ms, first well {1e3 * well:.0f} ms (median of {ROUNDS})"
    benchmark.extra_info.update(what="hcskit", amount=1, unit="processes", note=note)
    benchmark.pedantic(run, rounds=1)
