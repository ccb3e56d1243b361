"""What is said of the responses in several places is computed in one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hcskit.reporting._summary import summarise


@pytest.fixture
def several() -> pd.DataFrame:
    """Concentrations in two units: 4 nM is more potent than 2 µM, and what has no EC50 comes last."""
    rows = [
        ("weak", "x", "active", 0.0, 0.9, 2.0, "µM"),
        ("weak", "y", "partial", 0.0, 0.3, 1.0, "µM"),
        ("none", "x", "inactive", 0.0, 0.0, np.nan, "nM"),
        ("strong", "x", "active", 0.0, 0.8, 4.0, "nM"),
        ("beyond", "y", "outside the tested range", 0.0, np.nan, np.nan, "nM"),
    ]
    names = ["compound", "readout", "category", "bottom", "top", "ec50", "concentration_unit"]
    bounds = {"ec50_low": 1.0, "ec50_high": [9.0, 9.0, np.nan, 9.0, np.inf], "tested_low": 1.0, "tested_high": 9.0}
    return pd.DataFrame(rows, columns=names).assign(**bounds).set_index(["compound", "readout"])


def test_each_compound_is_told_by_its_lead_the_most_potent_first(several):
    leads = summarise(several, None).leads

    assert leads[["compound", "readout"]].to_numpy().tolist() == [
        ["strong", "x"],
        ["beyond", "y"],
        ["weak", "x"],
        ["none", "x"],
    ]
    assert leads["potency"].tolist() == pytest.approx([4e-9, 9e-9, 2e-6, 1e300])


def test_compounds_keep_their_anchors_and_readouts_their_colours(several):
    summary = summarise(several, None)

    assert summary.anchors == {f: f"compound-{n}" for n, f in enumerate(["weak", "none", "strong", "beyond"], 1)}
    assert list(summary.colours) == ["x", "y"]
    assert len(set(summary.colours.values())) == 2
    pd.testing.assert_frame_equal(summary.table.drop(columns="potency"), several)


def test_what_is_known_is_written_in_the_unit_of_the_response(several):
    rows = [("weak", "", "y", 500.0, "nM"), ("strong", "", "z", 0.005, "µM"), ("unknown", "", "x", 1.0, "nM")]
    truth = pd.DataFrame(rows, columns=["compound", "moa", "phenotype", "ec50", "concentration_unit"])
    summary = summarise(several, truth)

    assert summary.true == {("weak", "y"): "500 nM", ("strong", "x"): "5 nM"}
    assert summary.matched is not None
    assert summary.matched["fold"].tolist() == pytest.approx([2.0, 0.8])
    assert summarise(several, None).true == {}
