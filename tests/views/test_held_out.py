"""Calibration and confusion count fields, each by its most probable phenotype."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import pytest

from hcskit.errors import InputError
from hcskit.views import calibration, confusion, pace_curves


def held_out(fields: list[tuple[str, dict[str, float]]]) -> pd.DataFrame:
    rows = [
        ("P1", "A01", number, label, 0, phenotype, probability)
        for number, (label, read) in enumerate(fields)
        for phenotype, probability in read.items()
    ]
    return pd.DataFrame(rows, columns=["plate", "well", "field", "label", "fold", "phenotype", "probability"])


FIELDS = held_out(
    [
        ("toxic", {"toxic": 0.95, "healthy": 0.05}),
        ("toxic", {"toxic": 0.92, "healthy": 0.08}),
        ("toxic", {"toxic": 0.35, "healthy": 0.65}),
        ("healthy", {"toxic": 0.4, "healthy": 0.6}),
    ]
)


def layer(view: Any, kind: type) -> pd.DataFrame:
    return next(one for one in view if type(one) is kind).dframe()


def test_a_row_of_the_confusion_adds_up_to_one() -> None:
    table = layer(confusion(FIELDS), hv.Rectangles).set_index(["label", "said"])
    assert table["fields"].to_dict() == {("healthy", "healthy"): 1, ("toxic", "healthy"): 1, ("toxic", "toxic"): 2}
    assert table["share"].groupby("label").sum().tolist() == pytest.approx([1.0, 1.0])
    assert (table.loc[("toxic", "healthy"), ["x0", "y0"]] == [0.5, 1.5]).all()


def test_calibration_tells_how_often_what_is_said_is_right() -> None:
    table = layer(calibration(FIELDS), hv.Points)
    assert table[["sure", "right", "fields"]].to_numpy().tolist() == [
        [pytest.approx(0.625), 0.5, 2],
        [pytest.approx(0.935), 1.0, 2],
    ]
    bars = layer(calibration(FIELDS), hv.Segments)
    assert bars[["low", "high"]].iloc[0].tolist() == pytest.approx([0.0945, 0.9055], abs=1e-3)  # Wilson, 1 of 2


def test_without_a_held_out_field_both_say_so() -> None:
    for draw in (calibration, confusion):
        with pytest.raises(InputError, match="no field was held out"):
            draw(FIELDS.assign(probability=np.nan))


def test_the_pace_shows_what_the_history_has(history: pd.DataFrame) -> None:
    rate = pace_curves(history.assign(learning_rate=0.1, images_per_second=np.nan))
    assert [one.opts.get("plot").kwargs["title"] for one in rate] == ["learning rate"]
    with pytest.raises(InputError, match="neither a learning rate nor images a second"):
        pace_curves(history)
