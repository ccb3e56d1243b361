"""Images of a plate can be compared: one contrast, right wells, right colours, an honest scale."""

from __future__ import annotations

import io

import holoviews as hv
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hcskit.errors import InputError
from hcskit.views import channel_colours, concentration_series, contrast_limits, field_rgb, montage
from hcskit.views._images import jpeg, scale_bar

LIMITS = {"DNA": (0.0, 1000.0)}


def test_the_same_counts_look_the_same_in_every_well(plate):
    limits = contrast_limits(plate)
    dark, bright = (field_rgb(plate, well, 1, limits).astype(int) for well in ("A02", "D03"))

    assert limits["DNA"][0] < 100  # of A01, the darkest well
    assert limits["DNA"][1] > 1400  # of D03, the brightest that was acquired
    assert bright.sum() > 3 * dark.sum()


def test_contrast_ignores_what_was_not_acquired(plate):
    absent = plate.copy(deep=True)
    absent["image"][{"well": -1}] = 60_000  # D04 is not present, whatever its pixels hold

    assert contrast_limits(absent) == contrast_limits(plate)


def test_counts_become_the_colour_of_their_channel(plate):
    image = field_rgb(plate, "A03", 1, LIMITS)  # counts 200 at the top row, one more each row
    red, green, blue = (int(channel_colours(["DNA"])["DNA"][start : start + 2], 16) for start in (1, 3, 5))

    assert image.shape == (40, 40, 3)
    assert image[0, 0].tolist() == pytest.approx([0.2 * red, 0.2 * green, 0.2 * blue], abs=1)
    assert image[39, 0, 2] > image[0, 0, 2]


def test_a_channel_keeps_its_colour_when_shown_alone(plate):
    alone = field_rgb(plate, "C04", 1, {"GFP": (0.0, 500.0)})
    green = channel_colours(["DNA", "GFP"])["GFP"]

    assert alone[0, 0].tolist() == [int(green[start : start + 2], 16) for start in (1, 3, 5)]


def test_the_crop_is_the_middle_and_an_image_is_never_enlarged(plate):
    whole = field_rgb(plate, "A03", 1, LIMITS)

    np.testing.assert_array_equal(field_rgb(plate, "A03", 1, LIMITS, crop=10), whole[15:25, 15:25])
    assert field_rgb(plate, "A03", 1, LIMITS, edge=20).shape == (20, 20, 3)
    assert field_rgb(plate, "A03", 1, LIMITS, edge=400).shape == (40, 40, 3)


def test_a_jpeg_reads_back_nearly_the_same():
    pixels = np.full((32, 32, 3), (10, 200, 90), dtype=np.uint8)
    image = np.asarray(Image.open(io.BytesIO(jpeg(pixels))))

    assert np.abs(image.astype(int) - pixels).max() <= 4


def test_a_series_starts_with_a_control_and_rises(plate):
    series = concentration_series(plate, "potent")

    assert [tile.well for tile in series] == ["A01", "B01", "B02", "B03", "B04"]
    assert [tile.label for tile in series] == ["negative control", "1 nM", "10 nM", "100 nM", "1 µM"]


def test_a_series_leaves_out_what_was_excluded_or_not_acquired(plate):
    excluded = np.zeros((16, 2), dtype=bool)
    excluded[list(plate["well"].values).index("D01"), 0] = True
    series = concentration_series(plate.assign(excluded=(("well", "field"), excluded)), "late")

    assert [(tile.well, tile.field) for tile in series[1:]] == [("D01", 2), ("D02", 1), ("D03", 1)]


def test_a_montage_shows_each_well_and_the_scale(plate):
    view = montage(plate, ["B01", "B02", "C01"], columns=2, edge=40)
    picture = next(layer for layer in view if type(layer) is hv.RGB)
    labels, bar_length = (layer.dframe() for layer in view if type(layer) is hv.Labels)
    bar = next(layer for layer in view if type(layer) is hv.Segments).dframe().iloc[0]

    assert picture.dimension_values(0, expanded=False).size == 2 * 40 + 6
    assert picture.dimension_values(1, expanded=False).size == 2 * 40 + 6
    assert labels["label"].tolist() == ["B01  1 nM", "B02  10 nM", "C01  1 nM"]
    assert bar_length["length"].tolist() == ["10 µm"]
    assert bar["x1"] - bar["x0"] == pytest.approx(10.0)  # a pixel is 1 µm


def test_the_montage_is_upright(plate):
    view = montage(plate, "B03", edge=40)  # counts rise downwards
    picture = next(layer for layer in view if type(layer) is hv.RGB)
    top, bottom = (picture[20.5, place].dframe().iloc[0, 2:].sum() for place in (1.0, 39.0))

    assert top < bottom
    assert hv.render(view, backend="bokeh").y_range.start == 40


def test_without_a_pixel_size_there_is_no_scale_bar(plate):
    bare = plate.copy()
    del bare.attrs["pixel_size_um"]

    assert [type(layer) for layer in montage(bare, "B01")] == [hv.RGB, hv.Labels]


@given(st.floats(0.5, 1e5))
def test_a_scale_bar_is_round_and_fits(width):
    length = scale_bar(width)

    assert 0.1 * width < length <= width / 3.5
    assert f"{length:.0e}"[0] in "125"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "give one of the two"),
        ({"wells": "B01", "compound": "potent"}, "give one of the two"),
        ({"wells": ["B01", "H12"]}, "no well H12"),
        ({"wells": "B01", "field": 9}, "no field 9"),
        ({"wells": "B01", "channels": ["RFP"]}, "no channel RFP"),
        ({"wells": "D04"}, "no field of well D04 was acquired"),
        ({"compound": "absent"}, "no usable image"),
    ],
)
def test_what_cannot_be_shown_is_refused(plate, arguments, complaint):
    with pytest.raises(InputError, match=complaint):
        montage(plate, **arguments)
