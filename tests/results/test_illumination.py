"""The illumination of plates beside the result tables."""

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from hcskit.errors import NotAScreenError
from hcskit.results import read_illumination, write_illumination


def test_illumination_comes_back_by_plate(tmp_path: Path) -> None:
    def even(level: float) -> xr.Dataset:
        flat, channel = np.full((1, 2, 3), level, np.float32), np.array(["DNA"], dtype=object)
        return xr.Dataset({"flat": (("channel", "y", "x"), flat), "dark": ("channel", [level])}, {"channel": channel})

    with pytest.raises(NotAScreenError, match=r"there is no illumination in .*; run hcskit quality first"):
        read_illumination(tmp_path)
    write_illumination(tmp_path, "P.1", even(3.0))
    write_illumination(tmp_path, "P.1", even(1.0))
    write_illumination(tmp_path, "P 2", even(2.0))
    (tmp_path / "results" / f".illumination-P3.zarr.{os.getpid() + 1}").mkdir()  # left by a process that was killed
    together = read_illumination(tmp_path)
    assert set(together["plate"].to_numpy()) == {"P.1", "P 2"}
    assert float(together["dark"].sel(plate="P.1", channel="DNA")) == 1.0
    assert (together["flat"].sel(plate="P 2") == 2.0).all()
