"""Numbers written for people say what is known, and no more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcskit.response import EFFECTS
from hcskit.views._style import category_colours, format_ec50, format_number, log_ticks


@given(st.floats(1e-4, 9.9e6))
def test_a_number_reads_back_to_three_digits(value):
    text = format_number(value)

    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.006)
    assert "e" not in text


@given(st.floats(1e-12, 1e12), st.floats(1.5, 1e6))
def test_ticks_of_a_logarithmic_axis_lie_on_it_and_rise(low, ratio):
    ticks = [place for place, _ in log_ticks(low, low * ratio)]

    assert ticks == sorted(set(ticks))
    assert all(low <= place <= low * ratio for place in ticks)
    assert len(ticks) >= (2 if ratio >= 100 else 0)


def _row(**values):
    known = {"category": "active", "ec50": 12.34, "ec50_low": 9.81, "ec50_high": 15.06, "concentration_unit": "uM"}
    return pd.Series(known | {"tested_low": 1.0, "tested_high": 100.0} | values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "12.3 µM (9.81 – 15.1)"),
        ({"category": "partial", "ec50_high": np.inf}, "12.3 µM (9.81 – ∞)"),
        ({"category": "inactive"}, "–"),
        ({"category": "not fitted", "ec50": np.nan}, "–"),
        # The estimate beyond the range is never shown; nor is a bound that lies beyond it.
        ({"category": EFFECTS[2], "ec50": 400.0, "ec50_low": 60.0, "ec50_high": np.inf}, "> 60 µM"),
        ({"category": EFFECTS[2], "ec50": np.nan, "ec50_low": 300.0, "ec50_high": np.inf}, "> 100 µM"),
        ({"category": EFFECTS[2], "ec50": np.nan, "ec50_low": 0.0, "ec50_high": 0.2}, "< 1 µM"),
        ({"category": EFFECTS[2], "ec50": np.nan, "ec50_low": 0.0, "ec50_high": 3.0}, "< 3 µM"),
    ],
)
def test_an_ec50_is_written_as_exactly_as_it_is_known(values, text):
    assert format_ec50(_row(**values)) == text


def test_more_names_than_colours_still_get_one_each():
    names = [f"readout {index}" for index in range(10)]

    assert list(category_colours(names)) == names
