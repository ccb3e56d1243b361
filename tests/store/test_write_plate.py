"""Writing a plate that is at hand: no chunking can corrupt it (dask#12583)."""

from dataclasses import replace
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hcskit.errors import InputError
from hcskit.platemap import check_plate_map
from hcskit.screen import PlateInfo, make_plate
from hcskit.store import at_level, lazy_plates, open_plate, write_plate

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


@pytest.mark.slow
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


def test_a_plate_at_a_lower_level_is_the_mean_of_its_pixels_and_keeps_its_labels(tmp_path: Path) -> None:
    info = replace(INFO, shape=(600, 512), pixel_size=0.5)
    image = np.random.default_rng(1).integers(0, 65536, (3, 2, 2, 600, 512)).astype(np.uint16)
    present = np.ones(SHAPE[:3], bool)
    present[1] = False
    row = {"well": "A01", "compound": "late", "concentration": "3", "concentration_unit": "nM", "role": "treatment"}
    plate_map = check_plate_map(pd.DataFrame([row]))
    write_plate(make_plate(info, image, present, plate_map), tmp_path, progress=False)
    plate = lazy_plates(tmp_path)["P1"]
    half = at_level(plate, 1)
    means = image[0].reshape(2, 2, 300, 2, 256, 2).mean(axis=(3, 5))
    np.testing.assert_allclose(half.image.sel(well="A01"), means, atol=0.51)
    assert not half.image.sel(well="A02").any()
    assert half.attrs["pixel_size_um"] == 1.0
    assert set(half.coords) == set(plate.coords)
    assert half["compound"].equals(plate["compound"])
    assert at_level(plate, 9).sizes == at_level(plate, 1).sizes
