"""Heat maps keep the plate's geometry, and tell zero, missing and not acquired apart."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bokeh.models.annotations import ColorBar

from hcskit.errors import InputError
from hcskit.views import field_heatmap, plate_drawing, plate_heatmap


def _layers(view):
    """Return a heat map's layers as tables: not acquired, no value, values, negative and positive controls."""
    return [_shown(layer) for layer in view]


def _shown(layer):
    """Leave out the rows that are nowhere."""
    table = layer.dframe()
    return table[table[layer.kdims[0].name].notna()]


def _centres(table):
    return set(zip((table["x0"] + table["x1"]) / 2, (table["y0"] + table["y1"]) / 2, strict=True))


def test_a_value_stands_at_its_row_and_column():
    values = _layers(plate_heatmap(pd.Series({"A01": 1.0, "C11": 7.0})))[2].set_index("well")

    assert values.loc["C11", ["x0", "y0", "x1", "y1"]].tolist() == [10.5, 2.5, 11.5, 3.5]
    assert values.loc["C11", "value"] == 7.0


def test_zero_is_a_value_and_a_missing_well_is_not(plate):
    wells = plate["well"].to_series()
    series = pd.Series(0.0, index=wells[~wells.isin(["D04", "B01"])])
    absent, silent, values, *_ = _layers(plate_heatmap(series, plate=plate))

    assert len(values) == 14
    assert (values["value"] == 0.0).all()
    assert _centres(silent) == {(1.0, 2.0)}  # B01 has images but no value
    assert (4.0, 4.0) in _centres(absent)  # D04 was not acquired
    assert len(absent) == 96 - 15


def test_row_a_is_at_the_top_and_wells_are_square():
    figure = hv.render(plate_heatmap(pd.Series({"A01": 1.0, "P24": 2.0})), backend="bokeh")

    assert figure.y_range.start > figure.y_range.end
    assert figure.frame_width / 24 == figure.frame_height / 16
    assert figure.above
    assert not figure.below


def test_controls_are_marked_and_hover_tells_the_treatment(plate):
    series = pd.Series(0.5, index=plate["well"].to_series())
    _, _, values, negative, positive = _layers(plate_heatmap(series, plate=plate))
    treatment = values.set_index("well")["treatment"]

    assert negative[["column", "row"]].to_numpy().tolist() == [[1, 1], [2, 1]]
    assert positive[["column", "row"]].to_numpy().tolist() == [[3, 1]]
    assert treatment["B02"] == "potent 10 nM"
    assert treatment["A01"] == "negative control"


def test_a_grid_and_a_series_draw_the_same():
    series = pd.Series({"A01": 1.0, "B02": 2.0})
    grid = xr.DataArray(np.full((8, 12), np.nan), dims=("row", "column"))
    grid = grid.assign_coords(row=list("ABCDEFGH"), column=range(1, 13))
    grid[0, 0], grid[1, 1] = 1.0, 2.0
    of_series, of_grid = (_layers(plate_heatmap(values))[2].reset_index(drop=True) for values in (series, grid.T))

    pd.testing.assert_frame_equal(of_series, of_grid)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (pd.Series({"A01": "DMSO"}), "needs numbers"),
        (xr.DataArray(np.zeros((2, 3)), dims=("well", "field")), "well, field"),
        (pd.Series({"7": 1.0}), "not the name of a well"),
    ],
)
def test_what_is_not_a_plate_of_numbers_is_refused(values, complaint):
    with pytest.raises(InputError, match=complaint):
        plate_heatmap(values)


def test_fields_share_their_well_and_show_the_mean_of_their_channels(quality, plate):
    blanks, fields, excluded = (_shown(layer) for layer in field_heatmap(quality, plate))
    blurred = fields[(fields["well"] == "B01") & (fields["field"] == 1)]

    assert blurred["value"].tolist() == [-4.25]
    assert blurred["reason"].tolist() == ["out of focus"]
    assert len(excluded) == 1
    assert excluded["x0"].tolist() == blurred["x0"].tolist()
    assert fields["x0"].between(0.5, 4.5).all()
    assert not fields.duplicated(["x0", "y0"]).any()
    assert {(4.0, 4.0), (2.0, 2.0)} <= _centres(blanks)  # D04, and B02 that lacks a field


def test_the_most_saturated_channel_counts(quality, plate):
    bright = quality.assign(saturation=np.where(quality.index.get_level_values("channel") == "DNA", 0.2, 0.0))
    fields = _shown(list(field_heatmap(bright, plate, "saturation"))[1])

    assert (fields["value"] == 0.2).all()


def _bar(figure):
    return figure.select_one(ColorBar)


def _mapper(figure):
    return figure.renderers[2].glyph.fill_color.transform


def test_amounts_are_drawn_on_a_scale_of_logarithms_with_their_unit():
    doses = pd.Series({"A01": 1e-9, "A02": 3e-8, "A03": 1e-6})
    drawing = plate_drawing(np.log10(doses), unit="M")
    values = drawing.layers[2].data.set_index("well")
    assert values["text"].tolist() == ["1 nM", "30 nM", "1 µM"]
    assert values["value"].tolist() == pytest.approx([-9, np.log10(3e-8), -6])
    names = {-9.0: "1 nM", -8.0: "10 nM", -7.0: "100 nM", -6.0: "1 µM"}
    assert _bar(hv.render(drawing.view(), backend="bokeh")).major_label_overrides == pytest.approx(names)


@pytest.mark.slow
def test_a_swapped_plate_has_the_colours_and_ticks_of_its_own_quantity():
    amounts = plate_drawing(pd.Series({"A01": -9.0, "A02": -6.0}), unit="M", label="concentration")
    residuals = plate_drawing(pd.Series({"A01": -0.2, "A02": 0.2}), cmap="PuOr", label="residual")
    figure = hv.render(amounts.view(), backend="bokeh")
    new = hv.render(residuals.view(), backend="bokeh")
    residuals.swap(figure)
    assert list(_mapper(figure).palette) == list(_mapper(new).palette)
    assert (_mapper(figure).low, _mapper(figure).high) == (-0.2, 0.2)
    assert _bar(figure).major_label_overrides == {}
    assert _bar(figure).title == "residual"
    amounts.swap(figure)
    assert set(_bar(figure).major_label_overrides.values()) == {"1 nM", "10 nM", "100 nM", "1 µM"}
    assert _bar(figure).ticker.ticks == pytest.approx([-9, -8, -7, -6])
