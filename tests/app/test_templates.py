"""Each session has figures of its own, although HoloViews draws only the first of a kind."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from hcskit.app._templates import figure_of
from hcskit.views import plate_drawing


def _values(figure: Any) -> list[float]:
    return [float(value) for value in figure.renderers[2].data_source.data["value"]]


@pytest.mark.slow
def test_a_copy_shows_its_own_data_and_shares_no_model() -> None:
    first, second = (
        figure_of(plate_drawing(pd.Series(values), label=label), "test of copies")
        for values, label in (({"A01": 1.0, "B02": 2.0}, "one"), ({"H12": 7.0}, "two"))
    )
    assert (_values(first), _values(second)) == ([1.0, 2.0], [7.0])
    own = [{model.id: type(model).__name__ for model in figure.references()} for figure in (first, second)]
    assert not own[0].keys() & own[1].keys()
    assert sorted(own[0].values()) == sorted(own[1].values())
    assert first.y_range.start > first.y_range.end
