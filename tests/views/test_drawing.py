"""Data that are swapped into a figure are those that HoloViews would have put there."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import pytest

from hcskit.views import Drawing, field_drawing, plate_drawing, response_drawing
from tests.small_run import HOSTILE


def shown(figure: Any) -> list[dict[str, list[Any]]]:
    """What the glyphs of a figure use: rows without places are left out."""
    found = []
    for renderer in figure.renderers:
        data = renderer.data_source.data
        given = renderer.glyph.properties_with_values().values()
        fields = sorted({spec.field for spec in given if hasattr(spec, "field")})
        columns = {name: [np.ravel(np.asarray(value)).tolist() for value in data[name]] for name in fields}
        rows = zip(*columns.values(), strict=True)
        kept = [row for row in rows if not any(value in ([np.nan], []) or _nowhere(value) for value in row)]
        found.append({name: [row[place] for row in kept] for place, name in enumerate(columns)})
    return found


def _nowhere(value: list[Any]) -> bool:
    return all(isinstance(one, float) and (np.isnan(one) or one == 1e-30) for one in value)


@pytest.fixture
def drawings(responses, points, curves, plate, quality, truth) -> dict[str, tuple[Drawing, Drawing]]:
    """Of each kind a drawing to begin with, and another one."""
    tables = responses, points, curves
    keys = [("potent", "nuclear"), (HOSTILE, "nuclear"), ("late", "nuclear")]
    values = pd.Series(np.arange(4.0), index=["A01", "A02", "B01", "D04"])
    return {
        "curves": (response_drawing(*tables, []), response_drawing(*tables, keys, truth=truth)),
        "plate": (plate_drawing(values.iloc[:1], plate=plate), plate_drawing(values, plate=plate, label="other")),
        "fields": (field_drawing(quality, plate, "mean"), field_drawing(quality * 1, plate, "sd")),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["curves", "plate", "fields"])
def test_a_swapped_figure_is_the_figure_that_would_be_made(drawings: dict[str, Any], kind: str) -> None:
    first, second = drawings[kind]
    swapped, made = (hv.render(drawing.view(), backend="bokeh") for drawing in (first, second))
    second.swap(swapped)
    assert shown(swapped) == shown(made)
    assert any(any(columns.values()) for columns in shown(made))
    for figure in (swapped, made):
        assert (figure.x_range.start, figure.x_range.end) == pytest.approx(second.xlim)
    # Row A of a plate stays at the top.
    assert (swapped.y_range.start, swapped.y_range.end) == (made.y_range.start, made.y_range.end)
    assert swapped.yaxis[0].axis_label == made.yaxis[0].axis_label
    assert swapped.xaxis[0].major_label_overrides == made.xaxis[0].major_label_overrides


@pytest.mark.slow
def test_one_well_of_one_value_has_a_colour() -> None:
    figure = hv.render(plate_drawing(pd.Series({"A01": 3.0})).view(), backend="bokeh")
    assert hasattr(figure.renderers[2].glyph.fill_color.transform, "palette")
