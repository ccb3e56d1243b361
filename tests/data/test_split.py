"""Splits never put fields of one well, or of one group, on both sides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcskit.data import split_folds, split_groups
from hcskit.errors import InputError


def _fields(wells: int, fields: int, plates: int = 1) -> pd.DataFrame:
    rows = [
        (f"p{plate}", f"A{well:02d}", field, "xy"[well % 2], f"c{well % 3}")
        for plate in range(plates)
        for well in range(1, wells + 1)
        for field in range(fields)
    ]
    return pd.DataFrame(rows, columns=["plate", "well", "field", "label", "compound"])


@pytest.mark.slow
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


@pytest.mark.slow
@given(share=st.floats(0.05, 0.5), seed=st.integers(0, 99))
def test_of_wells_alike_the_fraction_is_held_out(share: float, seed: int) -> None:
    table = _fields(20, 3)
    held = table[split_groups(table, "well", share, seed)]
    assert all(abs(count - max(share * 10, 1)) <= 0.5 + 1e-9 for count in held.groupby("label")["well"].nunique())


def test_plates_are_chosen_by_what_they_hold_of_each_class() -> None:
    """A tenth of the fields: not the plates that hold most of a rare class."""
    counts = {"x": [90, 5, 5, 20, 20], "y": [1, 50, 1, 1, 7], "z": [30, 30, 30, 3, 30]}
    rows = [
        (f"p{plate}", f"A{label}{number}", label)
        for label, own in counts.items()
        for plate, count in enumerate(own)
        for number in range(count)
    ]
    table = pd.DataFrame(rows, columns=["plate", "well", "label"])
    for seed in range(5):
        assert set(table["plate"][split_groups(table, "plate", 0.1, seed)]) <= {"p2", "p3"}


def test_no_class_is_held_out_whole_for_the_sake_of_another() -> None:
    """Without p0, the class w cannot be held out: p1 is the last of x, p2 the last of z."""
    rows = [("p0", "x"), ("p0", "y"), ("p0", "z"), ("p1", "x"), ("p1", "y"), ("p1", "w"), ("p2", "z"), ("p2", "w")]
    table = pd.DataFrame(rows, columns=["plate", "label"]).assign(well=[f"A{n}" for n in range(len(rows))])
    for seed in range(9):
        held = split_groups(table, "plate", 0.25, seed)
        assert held.any()
        assert set(table["label"][~held]) == set("wxyz")


def test_splitting_by_field_is_refused() -> None:
    with pytest.raises(InputError, match="both sides"):
        split_groups(_fields(6, 2), "field", 0.25, 0)


def test_a_class_with_one_well_is_refused() -> None:
    with pytest.raises(InputError, match="only one well"):
        split_groups(_fields(2, 3), "well", 0.25, 0)


def test_an_unknown_column_is_named() -> None:
    with pytest.raises(InputError, match="batch"):
        split_groups(_fields(6, 2), "batch", 0.25, 0)


@pytest.mark.slow
@given(
    wells=st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 7)), min_size=1, max_size=40),
    fields=st.integers(1, 2),
    folds=st.integers(1, 9),
    by=st.sampled_from(["well", "batch"]),
    seed=st.integers(0, 99),
)
def test_each_group_is_held_out_once_and_leaves_two_of_each_class(
    wells: list[tuple[str, int]], fields: int, folds: int, by: str, seed: int
) -> None:
    rows = [("p", f"A{n}", f, *well) for n, well in enumerate(wells) for f in range(fields)]
    table = pd.DataFrame(rows, columns=["plate", "well", "field", "label", "batch"])
    groups = table.groupby("label")[by].nunique()
    try:
        fold = split_folds(table, by, folds, seed)
    except InputError:
        # One group a fold is always possible, where a class has three.
        assert groups.min() < 3 or folds != table[by].nunique()
        return
    dealt = table.assign(fold=fold)
    assert set(fold) == set(range(folds))
    assert dealt.groupby(by)["fold"].nunique().eq(1).all()
    for number in range(folds):
        assert dealt[dealt["fold"] != number].groupby("label")[by].nunique().min() >= 2
        assert dealt[dealt["fold"] != number]["label"].nunique() == len(groups)
    if by == "well":
        own = dealt.drop_duplicates("well")
        assert np.ptp(pd.crosstab(own["label"], own["fold"]).to_numpy(), axis=1).max() <= 1


def test_plates_that_hold_every_class_are_dealt_out_evenly() -> None:
    table = _fields(6, 2, plates=7)
    dealt = table.assign(fold=split_folds(table, "plate", 3, 0)).groupby("fold")["plate"].nunique()
    assert sorted(dealt) == [2, 2, 3]


def test_folds_get_equal_shares_of_what_plates_hold() -> None:
    """Plates of 1 to 40 crops: no fold is left with the small ones."""
    sizes = {"x": [40, 20, 10, 9, 8, 7, 6], "y": [1, 30, 3, 2, 16, 15, 13]}
    rows = [
        (f"p{plate}", f"A{label}{number}", label)
        for label, own in sizes.items()
        for plate, count in enumerate(own)
        for number in range(count)
    ]
    table = pd.DataFrame(rows, columns=["plate", "well", "label"])
    for seed in range(5):
        counts = pd.crosstab(split_folds(table, "plate", 2, seed), table["label"])
        assert (counts / counts.sum()).min().min() > 0.35


@pytest.mark.parametrize(
    ("plates", "folds", "said"),
    [(2, 2, "class 'x' has 2 plates"), (5, 6, "with 5 plates there can be 2 to 5"), (3, 2, "there can be 3 folds")],
)
def test_a_screen_says_how_many_folds_it_can_give(plates: int, folds: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        split_folds(_fields(6, 2, plates), "plate", folds, 0)


def test_by_compound_negative_controls_are_held_out_well_by_well() -> None:
    table = _fields(12, 2)
    table["compound"] = ["DMSO" if label == "x" else name for label, name in zip(table.label, table.well, strict=True)]
    table["label"] = table["label"].replace("x", "negative_control")
    held = split_groups(table, "compound", 0.5, 0)
    assert set(table["label"][held]) == set(table["label"][~held]) == {"negative_control", "y"}
    assert set(split_folds(table, "compound", 3, 0)[table["compound"] == "DMSO"]) == {0, 1, 2}
