"""Focus and saturation: the bad fields are found, and only those."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hcskit.preprocess import Limits, assess_fields
from hcskit.screen import PlateInfo, make_plate
from hcskit.simulation import CHANNELS, PlateDesign, simulate_field

DESIGN = PlateDesign(image_size=(96, 96), pixel_size=1.6)
WELLS = tuple(f"A{column:02d}" for column in range(1, 13))
BLURRED = ("A05", 2)


def as_plate(image: np.ndarray, present: np.ndarray | None = None) -> xr.Dataset:
    wells, fields = WELLS[: len(image)], tuple(range(1, image.shape[1] + 1))
    info = PlateInfo("P1", wells, fields, CHANNELS, image.shape[3:], image.dtype)
    lazy = da.from_array(image, chunks=(1, 1, 1, *image.shape[3:]))
    return make_plate(info, lazy, np.ones(image.shape[:3], bool) if present is None else present)


def even(shape: tuple[int, int], dark: float = 0.0) -> xr.Dataset:
    flat = np.ones((2, *shape), np.float32)
    illumination = {"flat": (("channel", "y", "x"), flat), "dark": ("channel", [dark] * 2)}
    return xr.Dataset(illumination, {"channel": list(CHANNELS)})


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    def field(number: int, well: int, place: int) -> np.ndarray:
        strength = {"translocation": well / 11}
        in_focus = (WELLS[well], place + 1) != BLURRED
        return simulate_field(DESIGN, strength, np.random.default_rng(number), in_focus=in_focus)

    return np.stack([[field(2 * well + place, well, place) for place in range(2)] for well in range(12)])


@pytest.mark.slow
def test_a_blurred_field_is_left_out_in_all_channels_and_no_other(pixels: np.ndarray) -> None:
    table = assess_fields(as_plate(pixels), even((96, 96), dark=100.0))
    assert list(table.index.names) == ["plate", "well", "field", "channel"]
    assert list(table.columns) == ["focus", "focus_z", "saturation", "mean", "sd", "reason", "excluded"]
    assert len(table) == 12 * 2 * 2
    bad = table[table["excluded"]]
    assert set(bad.index) == {("P1", *BLURRED, channel) for channel in CHANNELS}
    assert set(bad["reason"]) == {"out of focus"}
    assert set(table.loc[~table["excluded"], "reason"]) == {""}


def test_blur_in_one_channel_alone_is_a_phenotype(pixels: np.ndarray) -> None:
    mixed = pixels.copy()
    mixed[4, 1, 1] = pixels[4, 0, 1]  # the blurred field's GFP from its sharp neighbour
    table = assess_fields(as_plate(mixed), even((96, 96), dark=100.0))
    assert table.loc[("P1", *BLURRED, "DNA"), "focus_z"] < Limits().focus_z
    assert not table["excluded"].any()


@pytest.mark.parametrize("ceiling", [1023, 4095, 16383, 65535])
def test_saturated_pixels_are_counted(pixels: np.ndarray, ceiling: int) -> None:
    image = np.minimum(pixels[:3, :1] // 4, 900)
    image[0, 0, 0].flat[:100] = ceiling
    image[1, 0, 1].flat[:92] = ceiling  # 1% of 9216 pixels is 92.16
    table = assess_fields(as_plate(image), even((96, 96)))["saturation"]
    assert table[("P1", "A01", 1, "DNA")] == 100 / 9216
    assert table[("P1", "A02", 1, "GFP")] == 92 / 9216
    assert (table.drop([("P1", "A01", 1, "DNA"), ("P1", "A02", 1, "GFP")]) == 0).all()
    reasons = assess_fields(as_plate(image), even((96, 96)), Limits(focus_z=-np.inf))["reason"]
    assert set(reasons[reasons != ""].index) == {("P1", "A01", 1, channel) for channel in CHANNELS}
    assert set(reasons) == {"", "overexposed"}


def test_a_plate_below_its_ceiling_is_not_saturated(pixels: np.ndarray) -> None:
    """The brightest pixel of a plate is not at the camera's maximum for being the brightest."""
    table = assess_fields(as_plate(np.minimum(pixels[:2], 3000)), even((96, 96)))
    assert (table["saturation"] == 0).all()
    full = assess_fields(as_plate(np.full((1, 1, 2, 8, 8), 255, np.uint8)), even((8, 8)))
    assert (full["saturation"] == 1).all()


def test_mean_and_spread_are_of_the_corrected_light() -> None:
    image = np.full((1, 1, 2, 8, 8), 300, np.uint16)
    illumination = even((8, 8), dark=100.0)
    illumination["flat"][:, :, :4] = 0.5
    table = assess_fields(as_plate(image), illumination)
    np.testing.assert_allclose(table["mean"], 300.0)
    np.testing.assert_allclose(table["sd"], 100.0)


def test_a_field_without_all_channels_is_left_out_and_an_absent_one_is_not_there(pixels: np.ndarray) -> None:
    present = np.ones((12, 2, 2), bool)
    present[2, 0, 1] = False
    present[7, 1] = False
    table: pd.DataFrame = assess_fields(as_plate(pixels, present), even((96, 96), dark=100.0))
    assert ("P1", "A08", 2, "DNA") not in table.index
    assert table.loc[("P1", "A03", 1, "DNA"), "reason"] == "a channel was not acquired"
    assert len(table) == 48 - 3


def test_every_reason_is_given(pixels: np.ndarray) -> None:
    present = np.ones((12, 2, 2), bool)
    present[4, 1, 1] = False
    reasons = assess_fields(as_plate(pixels, present), even((96, 96), dark=100.0))["reason"]
    assert reasons["P1", "A05", 2, "DNA"] == "out of focus; a channel was not acquired"
