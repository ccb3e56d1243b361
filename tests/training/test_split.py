"""Splits never put fields of one well, or of one group, on both sides."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcskit.errors import InputError
from hcskit.training import split_groups


def _fields(wells: int, fields: int, plates: int = 1) -> pd.DataFrame:
    rows = [
        (f"p{plate}", f"A{well:02d}", field, "xy"[well % 2], f"c{well % 3}")
        for plate in range(plates)
        for well in range(1, wells + 1)
        for field in range(fields)
    ]
    return pd.DataFrame(rows, columns=["plate", "well", "field", "label", "compound"])


@given(
    wells=st.integers(4, 12),
    fields=st.integers(1, 3),
    share=st.floats(0.05, 0.9),
    seed=st.integers(0, 99),
    by=st.sampled_from(["well", "plate"]),
)
def test_no_group_is_on_both_sides(wells: int, fields: int, share: float, seed: int, by: str) -> None:
    table = _fields(wells, fields, plates=3)
    held = split_groups(table, by, share, seed)
    keys = ["plate", "well"] if by == "well" else ["plate"]
    assert not table.assign(held=held).drop_duplicates([*keys, "held"]).duplicated(keys).any()
    for side in (held, ~held):
        assert set(table["label"][side]) == {"x", "y"}


def test_splitting_by_field_is_refused() -> None:
    with pytest.raises(InputError, match="both sides"):
        split_groups(_fields(6, 2), "field", 0.25, 0)


def test_a_class_with_one_well_is_refused() -> None:
    with pytest.raises(InputError, match="only one well"):
        split_groups(_fields(2, 3), "well", 0.25, 0)


def test_an_unknown_column_is_named() -> None:
    with pytest.raises(InputError, match="batch"):
        split_groups(_fields(6, 2), "batch", 0.25, 0)
