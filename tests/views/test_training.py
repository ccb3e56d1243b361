"""Learning curves mark the best epoch; recovered and true EC50 are compared in one unit, in the right readout."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pandas as pd
import pytest

from hcskit.response import lead_readouts, match_truth
from hcskit.views import parity, training_curves


@pytest.fixture
def several() -> pd.DataFrame:
    rows = [
        ("a", "x", "inactive", 0.0, 0.9, np.nan),  # the largest change, but no effect
        ("a", "y", "partial", 0.0, 0.3, 2.0),
        ("b", "x", "active", 0.9, 0.1, 4.0),
        ("b", "y", "active", 0.0, 0.5, 5.0),
        ("c", "x", "inactive", 0.0, 0.0, np.nan),
        ("c", "y", "outside the tested range", 0.0, np.nan, np.nan),
    ]
    table = pd.DataFrame(rows, columns=["compound", "readout", "category", "bottom", "top", "ec50"])
    bounds = {"ec50_low": 1.0, "ec50_high": 9.0, "tested_low": 1.0, "tested_high": 9.0, "concentration_unit": "nM"}
    return table.assign(**bounds).set_index(["compound", "readout"])


def test_the_lead_is_the_largest_effect_in_either_direction(several):
    assert lead_readouts(several).to_dict() == {"a": "y", "b": "x", "c": "y"}


def test_truth_is_compared_in_the_readout_of_its_phenotype(several):
    rows = [("a", "", "x", 1.0, "nM"), ("b", "y", "other", 0.01, "uM"), ("c", "", "none", 3.0, "nM")]
    truth = pd.DataFrame(
        [*rows, ("d", "", "x", 1.0, "nM"), ("a", "", "x", np.nan, "nM")],
        columns=["compound", "moa", "phenotype", "ec50", "concentration_unit"],
    )
    matched = match_truth(several, truth).set_index("compound")

    assert matched["readout"].to_dict() == {"a": "x", "b": "y", "c": "y"}  # phenotype, mechanism, lead
    assert matched.loc["b", "true_ec50"] == pytest.approx(10.0)
    assert matched.loc["b", "fold"] == pytest.approx(0.5)
    assert matched["fold"].isna().to_dict() == {"a": True, "b": False, "c": True}


def test_parity_places_each_compound_at_its_true_and_recovered_ec50(responses, truth):
    view = parity(match_truth(responses, truth))
    points = next(layer for layer in view if type(layer) is hv.Scatter).dframe()

    assert points[["compound", "true_ec50", "ec50"]].to_numpy().tolist() == [["potent", pytest.approx(20.0), 30.0]]
    assert hv.render(view, backend="bokeh").xaxis[0].axis_label == "true EC50 (nM)"


def test_parity_without_any_recovered_ec50_still_draws(responses, truth):
    view = parity(match_truth(responses.assign(category="inactive"), truth))

    assert hv.render(view, backend="bokeh").renderers


def test_the_epoch_of_least_validation_loss_is_marked(history):
    loss, accuracy = training_curves(history)

    for view in (loss, accuracy):
        assert next(layer for layer in view if type(layer) is hv.VLines).dframe().to_numpy().tolist() == [[3.0]]
    assert [layer.label for layer in loss if type(layer) is hv.Curve] == ["training", "validation"]


def test_a_run_without_validation_marks_no_epoch(history):
    loss, _ = training_curves(history.assign(val_loss=np.nan, val_accuracy=np.nan))

    assert not [layer for layer in loss if type(layer) is hv.VLines]
