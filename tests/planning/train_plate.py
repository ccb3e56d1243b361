"""Train on a plate of noise and print the most memory this process ever held: ``python train_plate.py SIZE RECIPE``."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr

from hcskit.data import ScreenData
from hcskit.platemap import check_plate_map
from hcskit.recipe import Recipe
from hcskit.screen import PlateInfo, make_plate
from hcskit.training import fit


def noise_plate(wells: int, fields: int, channels: int, rows: int, columns: int) -> xr.Dataset:
    """Make a plate whose wells are negative and positive controls in turn."""
    names = tuple(f"A{number + 1:02d}" for number in range(wells))
    roles = ["negative_control" if number % 2 else "positive_control" for number in range(wells)]
    shape = (wells, fields, channels, rows, columns)
    labels = (names, tuple(range(fields)), tuple(f"channel{number}" for number in range(channels)))
    info = PlateInfo("P1", *labels, shape=(rows, columns), dtype=np.dtype(np.uint16))
    image = da.random.default_rng(0).integers(0, 4096, shape, np.uint16, chunks=(1, 1, 1, rows, columns))
    plate_map = pd.DataFrame({"well": names, "compound": "none", "role": roles})
    plate_map = plate_map.assign(concentration=0.0, concentration_unit="nM")
    return make_plate(info, image, np.ones(shape[:3], bool), check_plate_map(plate_map))


def peak_bytes() -> int:
    """Return the peak of this process; unlike getrusage's, it knows nothing of the process that started this one."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found
    return 1024 * int(found[1])


def even_light(plate: xr.Dataset) -> xr.Dataset:
    """Make an illumination that changes nothing."""
    flat = np.ones((1, *(plate.sizes[dim] for dim in ("channel", "y", "x"))), np.float32)
    dark = np.zeros(flat.shape[:2], np.float32)
    return xr.Dataset(
        {"flat": (("plate", "channel", "y", "x"), flat), "dark": (("plate", "channel"), dark)},
        coords={"plate": ["P1"], "channel": plate["channel"].to_numpy()},
    )


if __name__ == "__main__":
    plate = noise_plate(*json.loads(sys.argv[1]))
    with tempfile.TemporaryDirectory() as folder:
        fit(
            ScreenData({"P1": plate}, even_light(plate)),
            Recipe.model_validate_json(sys.argv[2]),
            folder,
            progress=False,
        )
    print(peak_bytes())
