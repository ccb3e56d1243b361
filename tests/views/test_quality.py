"""Quality views and tables report what was measured, worst first and nothing hidden."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hcskit.views import controls_table, excluded_fields, illumination_map
from hcskit.views._quality import judge_z_prime


def test_a_field_is_listed_once_with_all_its_reasons(quality):
    table = quality.copy()
    table.loc[("P1", "B01", 1, "DNA"), "reason"] = "saturated"
    listed = excluded_fields(table)

    assert listed[["plate", "well", "field"]].to_numpy().tolist() == [["P1", "B01", 1]]
    assert set(listed["reason"].iloc[0].split("; ")) == {"out of focus", "saturated"}


def test_nothing_excluded_is_an_empty_list(quality):
    assert excluded_fields(quality.assign(excluded=False)).empty


@pytest.mark.parametrize(
    ("value", "words"), [(0.5, "excellent"), (0.499, "marginal"), (0.0, "controls overlap"), (np.nan, "not available")]
)
def test_the_judgement_follows_zhang_1999(value, words):
    assert judge_z_prime(value) == words


def test_controls_are_written_with_their_spread(controls):
    row = controls_table(controls).iloc[0]

    assert row["Z′-factor"] == "0.31"
    assert row["separation"] == "marginal"
    assert row["positive controls"] == "0.97 ± 0.03 (n = 1)"


def test_illumination_is_drawn_upright(illumination):
    image = illumination_map(illumination.expand_dims(plate=["P1"]), "P1", "GFP")
    table = image.dframe().set_index(["x", "y"])["brightness"]
    top_left = table[(table.index.get_level_values("x") < 0.25) & (table.index.get_level_values("y") > 0.75)]

    assert top_left.to_numpy() == pytest.approx([0.8])
    assert isinstance(table, pd.Series)
