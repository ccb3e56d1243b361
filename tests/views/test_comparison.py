"""Several compounds in one plot, whose layers stay while their data are swapped."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import pytest

from hcskit.views import base_unit, compare_responses
from tests.small_run import HOSTILE

KEYS = [("potent", "nuclear"), (HOSTILE, "nuclear"), ("late", "nuclear")]


@pytest.fixture
def tables(responses: pd.DataFrame, points: pd.DataFrame, curves: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    return responses, points, curves


def drawn(plot: Any) -> list[tuple[int, list[str]]]:
    """How many finite places each layer draws, and in which colours it would."""
    found = []
    for subplot in plot.subplots.values():
        data, glyph = subplot.handles["source"].data, subplot.handles["glyph"]
        first = np.concatenate([np.atleast_1d(np.ravel(np.asarray(own, float))) for own in next(iter(data.values()))])
        mapped = [name for name in ("line_color", "fill_color") if "transform" in str(getattr(glyph, name, ""))]
        found.append((int(np.isfinite(first).sum()), mapped))
    return found


def test_swapped_data_are_drawn_as_if_the_plot_were_new(tables: tuple[pd.DataFrame, ...]) -> None:
    views = {count: compare_responses(*tables, KEYS[:count]) for count in (0, 1, 3)}
    swapped = hv.renderer("bokeh").get_plot(
        hv.DynamicMap(lambda count: views[count], kdims="count").redim.values(count=[0, 1, 3])
    )
    for count in (0, 3, 1, 0, 1):
        swapped.update((count,))
        new = hv.renderer("bokeh").get_plot(views[count])
        assert drawn(swapped) == drawn(new)
        assert swapped.state.x_range.start == pytest.approx(new.state.x_range.start)
        assert swapped.state.y_range.end == pytest.approx(new.state.y_range.end)


def test_what_is_drawn_stands_where_the_tables_say(tables: tuple[pd.DataFrame, ...]) -> None:
    layers = list(compare_responses(*tables, KEYS))
    assert len(layers) == len(list(compare_responses(*tables, [])))
    band, line, tested, wells, masked, _, ec50 = layers
    assert len(line.split()) == len(band.split()) == 2  # what has no effect is drawn by its wells alone
    assert tested.dframe()[["x0", "x1"]].to_numpy() == pytest.approx(np.array([[1e-9, 1e-6]] * 3))
    assert ec50.dframe()["x"].tolist() == pytest.approx([30e-9])
    shown = wells.dframe().query("compound == 'potent'")
    assert sorted(shown["x"]) == pytest.approx([1e-9, 1e-8, 1e-7, 1e-6])
    assert masked.dframe()["x"].isna().all()


def test_masked_wells_are_crosses(tables: tuple[pd.DataFrame, ...]) -> None:
    responses, points, curves = tables
    hidden = points["well"] == "B02"
    layers = list(compare_responses(responses, points[~hidden], curves, KEYS[:1], masked=points[hidden]))
    assert layers[4].dframe()["well"].tolist() == ["B02", ""]
    assert "B02" not in layers[3].dframe()["well"].tolist()


def test_units_that_cannot_be_compared_are_not_mixed(tables: tuple[pd.DataFrame, ...]) -> None:
    responses, points, curves = tables
    other = responses.copy()
    other.loc[KEYS[2], "concentration_unit"] = "ng/mL"
    assert base_unit("ng/mL") == "g/L"
    wells = list(compare_responses(other, points, curves, KEYS))[3].dframe()
    assert "late" not in set(wells["compound"])
