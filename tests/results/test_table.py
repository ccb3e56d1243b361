"""A declaration finds what does not fit it, and says what was found and what was expected."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from hcskit.errors import InputError
from hcskit.results import PREDICTIONS, Column, Table

CELLS = Table(
    "cells",
    "Cells of each well",
    "my step",
    index=(Column("well", "text", "name of the well"),),
    columns=(
        Column("n", "integer", "number of cells"),
        Column("area", "number", "mean area", "µm²"),
        Column("kept", "truth", "whether the well is used"),
        Column("note", "text", "what was seen", optional=True),
        Column("round_1 …", "number", "roundness in each channel", pattern=r"round_\d+"),
    ),
)


@pytest.fixture
def frame() -> pd.DataFrame:
    values = {"n": [3, 4], "area": [1.5, np.nan], "kept": [True, False], "note": ["", None], "round_1": [0.5, 1.0]}
    return pd.DataFrame(values, pd.Index(["A01", "A02"], name="well"))


def test_what_fits_is_taken(frame: pd.DataFrame) -> None:
    CELLS.check(frame)
    CELLS.check(frame.drop(columns=["note", "round_1"]))
    CELLS.check(frame.astype({"area": "float32", "n": "uint8", "note": "category"}))
    CELLS.check(frame.assign(area=[1, 2], round_23=0.25))
    CELLS.check(frame.iloc[:0].astype(object))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.reset_index(), "table cells: found the index none, expected well"),
        (lambda frame: frame.rename_axis("field"), "table cells: found the index field, expected well"),
        (
            lambda frame: frame.drop(columns="n"),
            "table cells: found no column n, expected n, area, kept, note, round",
        ),
        (lambda frame: frame.assign(n=[1.0, 2.0]), "table cells, column n: found float64, expected integers"),
        (lambda frame: frame.assign(kept=[0, 1]), "table cells, column kept: found int64, expected truth values"),
        (lambda frame: frame.assign(area=True), "table cells, column area: found bool, expected numbers"),
        (lambda frame: frame.assign(note=[1, "a"]), "table cells, column note: found mixed-integer, expected text"),
        (lambda frame: frame.assign(round_1="x"), "table cells, column round_1: found string, expected numbers"),
        (lambda frame: frame.assign(round_x=0.5), "table cells: found the column round_x, expected n, area, kept"),
        (lambda frame: frame.set_axis(pd.Index([1, 2], name="well")), "column well: found int64, expected text"),
    ],
)
def test_what_does_not_fit_is_named(frame: pd.DataFrame, change, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CELLS.check(change(frame))


def test_an_index_may_go_on_where_it_is_declared_to(frame: pd.DataFrame) -> None:
    line = Column("lines", "text", "cell line", pattern="line_.+")
    split = dataclasses.replace(CELLS, index=(*CELLS.index, line))
    split.check(frame)
    split.check(frame.assign(line_a="U2OS").set_index("line_a", append=True))
    assert split.labels == ["well"]
    with pytest.raises(InputError, match="table cells: found the index well, passage, expected well, lines"):
        split.check(frame.assign(passage="3").set_index("passage", append=True))
    with pytest.raises(InputError, match="table cells, column line_a: found int64, expected text"):
        split.check(frame.assign(line_a=3).set_index("line_a", append=True))
    with pytest.raises(InputError, match="table cells: found the index line_a, well"):
        split.check(frame.assign(line_a="U2OS").set_index("line_a", append=True).swaplevel())


def test_a_frame_without_its_labels_is_another_table() -> None:
    frame = pd.DataFrame({"plate": ["P1"], "well": ["A01"], "phenotype": ["sick"], "probability": [0.5]})
    with pytest.raises(InputError, match="table predictions: found the index none, expected plate, well, phenotype"):
        PREDICTIONS.check(frame)


def test_a_table_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CELLS.name = "nuclei"  # type: ignore[misc]
