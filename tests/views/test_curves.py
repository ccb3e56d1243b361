"""A dose-response plot shows the right wells at the right places, and claims nothing beyond the fit."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcskit.errors import InputError
from hcskit.views import dose_response
from hcskit.views._curves import _Axis

INACTIVE = "<script>alert(1)</script>"


def _parts(view, kind):
    return [layer.dframe() for layer in view if type(layer) is kind]


def test_controls_of_the_compounds_plates_stand_left_of_all_concentrations(responses, points, curves):
    view = dose_response(responses, points, curves, "potent", "nuclear")
    wells = _parts(view, hv.Scatter)[0]
    controls = wells[wells["dose"] == "0 nM"]
    treated = wells[wells["dose"] != "0 nM"]

    assert controls["well"].tolist() == ["A01", "A02"]
    assert set(controls["plate"]) == {"P1"}  # the controls of P2 saw none of this compound
    assert controls["x"].max() < 0.8
    assert treated["x"].tolist() == [1.0, 10.0, 100.0, 1000.0]


def test_the_ec50_stands_at_half_the_effect_with_its_interval(responses, points, curves):
    view = dose_response(responses, points, curves, "potent", "nuclear")

    assert _parts(view, hv.VLines)[0].to_numpy().ravel().tolist() == [30.0]
    assert _parts(view, hv.Segments)[0].iloc[0].tolist() == [20.0, 0.5, 45.04, 0.5]
    assert _parts(view, hv.Points)[0].iloc[0, :2].tolist() == [30.0, 0.5]


def test_an_open_interval_ends_at_the_edge_of_the_plot(responses, points, curves):
    open_ended = responses.assign(ec50_high=np.inf)
    segment = _parts(dose_response(open_ended, points, curves, "potent"), hv.Segments)[0].iloc[0]

    assert 1000.0 < segment["x1"] < 10_000.0


@pytest.mark.parametrize(("compound", "lines"), [(INACTIVE, 0), ("late", 1)])
def test_no_ec50_is_drawn_where_none_is_known(responses, points, curves, compound, lines):
    view = dose_response(responses, points, curves, compound, "nuclear")

    assert _parts(view, hv.VLines) == []
    assert len(_parts(view, hv.Curve)) == lines
    assert len(_parts(view, hv.Scatter)) == 1


def test_the_true_ec50_is_marked_in_the_unit_of_the_axis(responses, points, curves, truth):
    view = dose_response(responses, points, curves, "potent", truth=truth)
    marks = _parts(view, hv.Points)[-1]

    assert marks.iloc[0, 0] == pytest.approx(20.0)  # 0.02 µM on an axis in nM


def test_the_plot_says_what_it_shows(responses, points, curves):
    figure = hv.render(dose_response(responses, points, curves, "potent", "nuclear"), backend="bokeh")

    assert figure.title.text == "potent · nuclear · active"
    assert figure.xaxis[0].axis_label == "concentration (nM)"
    assert list(figure.xaxis[0].major_label_overrides.values())[:2] == ["0", "1"]


def test_every_readout_is_drawn_and_named_with_its_ec50(responses, points, curves):
    second = responses.rename(index={"nuclear": "dead"}, level="readout").assign(category="inactive")
    both = pd.concat([responses, second])
    view = dose_response(both, pd.concat([points, points.assign(readout="dead")]), curves, "potent")
    labels = [layer.label for layer in view if type(layer) is hv.Scatter]

    assert labels == ["dead: no effect", "nuclear: 30 nM (20 – 45)"]


@pytest.mark.parametrize(("compound", "readout"), [("absent", None), ("potent", "absent")])
def test_an_unknown_curve_is_refused(responses, points, curves, compound, readout):
    with pytest.raises(InputError, match="absent"):
        dose_response(responses, points, curves, compound, readout)


def test_a_compound_of_which_no_well_is_left_is_refused(responses, points, curves):
    with pytest.raises(InputError, match="nothing to draw"):
        dose_response(responses, points[points["compound"] != "potent"], curves, "potent")


@given(st.floats(1e-9, 1e6), st.floats(1.0, 1e6))
def test_zero_is_left_of_the_break_and_all_is_within_the_limits(low, ratio):
    axis = _Axis(low, low * ratio, "nM")
    left, right = axis.limits

    assert left < axis.zero < axis.low <= axis.high < right
    assert all(left < place <= right for place, _ in axis.ticks)
