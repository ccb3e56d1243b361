"""What makes data unfit to learn from is known from tables and numbers alone, and told all at once."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from hcskit.data import check_learnable, label_wells, with_stand_ins
from hcskit.data._stand_ins import describe_stand_ins
from hcskit.errors import InputError
from hcskit.recipe import Recipe


def wells(negative: int = 3, positive: int = 3, plates: int = 1) -> pd.DataFrame:
    """Return the plate maps of plates alike, as one table."""
    roles = ["negative_control"] * negative + ["positive_control"] * positive + ["treatment"]
    names = [f"A{number:02d}" for number in range(1, len(roles) + 1)]
    rows = [(f"p{plate}", well, role) for plate in range(plates) for well, role in zip(names, roles, strict=True)]
    return pd.DataFrame(rows, columns=["plate", "well", "role"])


def recipe(**sections: Any) -> Recipe:
    return Recipe.model_validate(sections)


def check(table: pd.DataFrame, how: Recipe, **known: Any) -> None:
    check_learnable(label_wells(table, how.data), how, **known)


def test_one_well_of_a_class_is_refused_by_the_plate_map_alone() -> None:
    check(wells(positive=2), recipe())
    with pytest.raises(InputError, match=r"class 'positive_control' has only one well \(p0/A04\)"):
        check(wells(positive=1), recipe())
    check(wells(positive=1), recipe(split={"validation": 0}, prediction={"weights": "last"}))


def test_a_class_of_one_plate_cannot_be_split_by_plate() -> None:
    table, how = wells(plates=2), recipe(split={"by": "plate"})
    check(table, how)
    one = table[(table["plate"] == "p0") | (table["role"] == "negative_control")]
    with pytest.raises(InputError, match=r"class 'positive_control' has only one plate \(p0\)"):
        check(one, how)
    with pytest.raises(InputError, match=r"'negative_control' has only one plate .*'positive_control' has only one"):
        check(wells(), how)


def test_wells_without_a_class_are_one_fault() -> None:
    table = wells().assign(moa=["", "", "", "kinase", "", "", "kinase"])
    with pytest.raises(InputError, match="well A05, A06 has nothing in the column 'moa'"):
        label_wells(table, recipe(data={"classes": "moa"}).data)
    with pytest.raises(InputError, match=r"no column 'batch'.*it has well, role, moa"):
        label_wells(table, recipe(data={"classes": "batch"}).data)


def series(**roles: str) -> pd.DataFrame:
    """Return a plate of two compounds at four doses, another at one, and a well of each given role."""
    doses = [("x", 1.0), ("x", 10.0), ("x", 100.0), ("x", 1000.0), ("y", 3.0), ("y", 30.0), ("y", 300.0), ("y", 0.3)]
    rows = [("treatment", *own) for own in [*doses, ("z", 5.0)]] + [(role, "", float("nan")) for role in roles.values()]
    table = pd.DataFrame(rows, columns=["role", "compound", "concentration"])
    return table.assign(plate="p", well=[f"A{number:02d}" for number in range(1, len(table) + 1)])


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ({}, {"negative_control": {("x", 1.0), ("y", 0.3)}, "positive_control": {("x", 1000.0), ("y", 300.0)}}),
        (
            {"a": "negative_control"},
            {"negative_control": {("", None)}, "positive_control": {("x", 1000.0), ("y", 300.0)}},
        ),
        ({"a": "positive_control"}, {"negative_control": {("x", 1.0), ("y", 0.3)}, "positive_control": {("", None)}}),
        (
            {"a": "negative_control", "b": "positive_control"},
            {"negative_control": {("", None)}, "positive_control": {("", None)}},
        ),
    ],
)
def test_the_ends_of_dose_series_stand_in_for_controls_that_are_not_there(
    roles: dict[str, str], expected: dict[str, set[tuple[str, float | None]]]
) -> None:
    table = series(**roles)
    fields = label_wells(table, recipe().data)
    found: dict[str, set[tuple[str, float | None]]] = {}
    for row in fields.itertuples():
        dose = None if pd.isna(row.concentration) else float(row.concentration)  # type: ignore[arg-type]
        found.setdefault(str(row.label), set()).add((str(row.compound), dose))
    assert found == expected
    told = {own.doses: (own.compounds, own.n_wells) for own in describe_stand_ins(fields)}
    ends = {"negative_control": "lowest", "positive_control": "highest"}
    assert told == {end: (("x", "y"), 2) for role, end in ends.items() if len(expected[role]) == 2}
    if len(roles) < 2:
        with pytest.raises(InputError, match="at least two classes"):
            label_wells(table, recipe(data={"stand_ins": False}).data)


def test_without_series_or_positive_controls_all_treated_wells_are_learned_against() -> None:
    table = series(a="negative_control").assign(concentration=5.0)
    table["compound"] = [f"x{number}" if not number % 9 else f"y{number}" for number in range(len(table))]
    fields = label_wells(table, recipe().data)
    assert fields["label"].value_counts().to_dict() == {"positive_control": 9, "negative_control": 1}
    (told,) = describe_stand_ins(fields)
    assert str(told).startswith(
        "No positive controls or series: learned against all wells of x0, y1, y2, y3, y4 and 4 more (9 wells)."
    )
    with pytest.raises(InputError, match="at least two classes"):  # against what?
        label_wells(table[table["role"] == "treatment"], recipe().data)


@pytest.mark.parametrize(
    ("how", "known", "fault"),
    [
        (recipe(), {"image_shape": (300, 200)}, "crop of 256 pixels is larger than the image, 300×200"),
        (recipe(data={"binning": 2}), {"image_shape": (512, 510)}, "256×255 after binning by 2"),
        (recipe(data={"crop": None}, prediction={"views": 8}), {"image_shape": (300, 200)}, "8 views need square"),
        (recipe(data={"channels": ["DNA", "ER"]}), {"channels": ("DNA", "GFP")}, "no channel ER; they have DNA, GFP"),
        (recipe(), {"ranks": 17}, r"a batch of 16 crops \(16 in an epoch, .* cannot be shared by 17 ranks"),
    ],
)
def test_images_and_ranks_are_judged_where_they_are_known(how: Recipe, known: dict[str, Any], fault: str) -> None:
    table = wells().assign(field=1)
    check(table, how)
    with pytest.raises(InputError, match=fault):
        check(table, how, **known)


def test_all_faults_are_told_at_once() -> None:
    how = recipe(data={"channels": ["ER"]})
    with pytest.raises(InputError) as caught:
        check(wells(positive=1), how, image_shape=(64, 64), channels=["DNA"])
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    for fault, line in zip(("only one well", "larger than the image", "no channel ER"), lines[1:], strict=True):
        assert fault in line


def test_a_series_that_plates_have_in_units_of_their_own_is_one_series() -> None:
    rows = [("nM", 10.0), ("nM", 100.0), ("nM", 1e3), ("nM", 1e4), ("uM", 0.01), ("uM", 0.1), ("uM", 1.0), ("uM", 10.0)]
    table = pd.DataFrame(rows, columns=["concentration_unit", "concentration"]).assign(role="treatment", compound="x")
    roles = with_stand_ins(table, recipe().data)["role"].tolist()
    assert roles == 2 * ["negative_control", "treatment", "treatment", "positive_control"]
