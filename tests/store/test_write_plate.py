"""Writing a plate that is at hand: no chunking can corrupt it (dask#12583)."""

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hcskit.errors import InputError
from hcskit.screen import PlateInfo, make_plate
from hcskit.store import open_plate, write_plate

INFO = PlateInfo("P1", ("A01", "A02", "C07"), (1, 2), ("DNA", "GFP"), (24, 30), np.dtype("uint16"))
SHAPE = (3, 2, 2, 24, 30)
IMAGE = np.random.default_rng(0).integers(0, 65536, SHAPE).astype(np.uint16)


@st.composite
def chunkings(draw: st.DrawFn) -> tuple[tuple[int, ...], ...]:
    """Any way to cut each axis, even or not."""
    chunks = []
    for size in SHAPE:
        cuts = draw(st.sets(st.integers(1, size - 1), max_size=4))
        edges = [0, *sorted(cuts), size]
        chunks.append(tuple(np.diff(edges).tolist()))
    return tuple(chunks)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=chunkings())
def test_any_chunking_gives_the_same_pixels(tmp_path_factory: pytest.TempPathFactory, chunks) -> None:
    plate = make_plate(INFO, da.from_array(IMAGE, chunks=chunks), np.ones(SHAPE[:3], bool))
    path = write_plate(plate, tmp_path_factory.mktemp("chunks"), progress=False)
    np.testing.assert_array_equal(open_plate(path).image.to_numpy(), IMAGE)


def test_the_order_of_dimensions_does_not_matter(tmp_path: Path) -> None:
    plate = make_plate(INFO, IMAGE, np.ones(SHAPE[:3], bool))
    turned = plate.transpose("x", "channel", "well", "y", "field")
    np.testing.assert_array_equal(open_plate(write_plate(turned, tmp_path, progress=False)).image.to_numpy(), IMAGE)


def test_what_a_store_cannot_hold_is_refused(tmp_path: Path) -> None:
    plate = make_plate(INFO, IMAGE.astype(np.float64), np.ones(SHAPE[:3], bool))
    with pytest.raises(InputError, match="its pixels are float64; a store holds unsigned integers"):
        write_plate(plate, tmp_path)
    with pytest.raises(InputError, match="it has no image, present"):
        write_plate(xr.Dataset(attrs={"plate": "P1"}), tmp_path)
    assert not list(tmp_path.iterdir())
