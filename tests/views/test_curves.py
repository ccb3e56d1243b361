"""Responses are drawn where the tables say, and claim nothing beyond the fit; their data can be swapped in a plot."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import pytest

from hcskit.errors import InputError
from hcskit.views import base_unit, compare_responses, dose_response, most_potent, response_label
from tests.small_run import HOSTILE

KEYS = [("potent", "nuclear"), (HOSTILE, "nuclear"), ("late", "nuclear")]
LAYERS = ("bands", "networks", "lines", "bars", "wells", "masked", "ends", "ec50", "truth", "break")


@pytest.fixture
def tables(responses: pd.DataFrame, points: pd.DataFrame, curves: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    return responses, points, curves


def layers(view: hv.Overlay) -> dict[str, pd.DataFrame]:
    """What each layer draws, without the rows that are nowhere."""
    return {name: layer.dframe().dropna() for name, layer in zip(LAYERS, view, strict=False)}


def drawn(plot: Any) -> list[tuple[int, list[str]]]:
    """How many finite places each layer draws, and which of its colours are taken from the palette."""
    found = []
    for subplot in plot.subplots.values():
        data, glyph = subplot.handles["source"].data, subplot.handles["glyph"]
        first = np.concatenate([np.atleast_1d(np.ravel(np.asarray(own, float))) for own in next(iter(data.values()))])
        mapped = [name for name in ("line_color", "fill_color") if "transform" in str(getattr(glyph, name, ""))]
        found.append((int(np.isfinite(first).sum()), mapped))
    return found


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 2])
def test_one_compound_has_its_colour_too(tables: tuple[pd.DataFrame, ...], count: int) -> None:
    plot = hv.renderer("bokeh").get_plot(compare_responses(*tables, KEYS[:count]))
    assert [colours for _, colours in drawn(plot)].count([]) == 2  # the true EC50 and the line of the break


def test_what_is_drawn_stands_where_the_tables_say(tables: tuple[pd.DataFrame, ...]) -> None:
    view = compare_responses(*tables, KEYS)
    assert len(list(view)) == len(list(compare_responses(*tables, [])))
    found = layers(view)
    assert found["bars"][["x0", "x1"]].to_numpy() == pytest.approx(np.array([[1e-9, 1e-6]] * 3))
    assert found["ec50"][["x", "value"]].to_numpy() == pytest.approx(np.array([[30e-9, 0.5]]))
    assert found["ends"][["x0", "x1"]].to_numpy() == pytest.approx(np.array([[20e-9, 45.04e-9]]))
    potent = found["wells"].query("compound == 'potent'")
    assert sorted(potent["x"]) == pytest.approx([1e-9, 1e-8, 1e-7, 1e-6])
    assert found["masked"].empty


def test_what_has_no_effect_is_drawn_by_its_wells_alone(tables: tuple[pd.DataFrame, ...]) -> None:
    found = layers(compare_responses(*tables, KEYS[1:2]))
    assert found["ec50"].empty
    assert found["ends"].empty
    assert found["lines"].empty
    assert len(found["wells"].query("compound == @HOSTILE")) == 4
    beyond = layers(compare_responses(*tables, KEYS[2:]))
    assert beyond["ec50"].empty  # outside the tested range: no place is claimed
    assert len(beyond["lines"]) == 20


def test_controls_of_the_compounds_plates_stand_left_of_all_concentrations(tables: tuple[pd.DataFrame, ...]) -> None:
    view = compare_responses(*tables, KEYS[:1])
    wells = layers(view)["wells"]
    controls = wells[wells["dose"] == "0"]
    assert controls["well"].tolist() == ["A01", "A02"]
    assert set(controls["plate"]) == {"P1"}  # the controls of P2 saw none of this compound
    assert controls["x"].max() < list(view)[9].dframe().to_numpy().item() < 1e-9


def test_an_open_interval_ends_at_the_edge_of_the_plot(tables: tuple[pd.DataFrame, ...]) -> None:
    responses, points, curves = tables
    open_ended = responses.assign(ec50_high=np.inf)
    end = layers(compare_responses(open_ended, points, curves, KEYS[:1]))["ends"].iloc[0]
    assert 1e-6 < end["x1"] < 1e-5


def test_masked_wells_are_crosses(tables: tuple[pd.DataFrame, ...]) -> None:
    responses, points, curves = tables
    hidden = points["well"] == "B02"
    found = layers(compare_responses(responses, points[~hidden], curves, KEYS[:1], masked=points[hidden]))
    assert found["masked"]["well"].tolist() == ["B02"]
    assert "B02" not in found["wells"]["well"].tolist()


def test_units_that_cannot_be_compared_are_not_mixed(tables: tuple[pd.DataFrame, ...]) -> None:
    responses, points, curves = tables
    other = responses.copy()
    other.loc[KEYS[2], "concentration_unit"] = "ng/mL"
    assert base_unit("ng/mL") == "g/L"
    assert "late" not in set(layers(compare_responses(other, points, curves, KEYS))["wells"]["compound"])


def test_each_network_of_an_ensemble_is_a_line(tables: tuple[pd.DataFrame, ...]) -> None:
    responses, points, curves = tables
    ensemble = points.assign(network_1=points["value"] - 0.1, network_2=points["value"] + 0.1)
    view = compare_responses(responses, ensemble, curves, KEYS[:1], networks=True)
    lines = [line.dframe().dropna() for line in list(view)[1].split()]
    own = points.query("compound == 'potent' and role == 'treatment'").sort_values("concentration")
    assert len([line for line in lines if len(line)]) == 2
    assert lines[0]["y"].to_numpy() == pytest.approx(own["value"].to_numpy() - 0.1)
    assert len(list(compare_responses(responses, ensemble, curves, KEYS[:1]))[1].dframe().dropna()) == 0


def test_the_true_ec50_is_marked_in_the_unit_of_the_axis(tables: tuple[pd.DataFrame, ...], truth: pd.DataFrame) -> None:
    marks = layers(dose_response(*tables, "potent", truth=truth))["truth"]
    assert marks["x"].tolist() == pytest.approx([0.02e-6])


@pytest.mark.slow
def test_the_plot_says_what_it_shows(tables: tuple[pd.DataFrame, ...]) -> None:
    figure = hv.render(dose_response(*tables, "potent", "nuclear"), backend="bokeh")
    assert figure.title.text == "potent · nuclear · active"
    assert figure.xaxis[0].axis_label == "concentration"
    assert figure.yaxis[0].axis_label == "nuclear"
    assert list(figure.xaxis[0].major_label_overrides.values())[:2] == ["0", "1 nM"]


@pytest.mark.parametrize(("factor", "measure"), [(1.0, "probability"), (1.2, "strength")])
def test_the_axis_tells_a_probability_from_a_strength(points: pd.DataFrame, factor: float, measure: str) -> None:
    read = points.assign(probability=points["value"] / factor)
    assert response_label(read, ["nuclear"]) == f"{measure} of nuclear"
    two = pd.concat([read, read.assign(readout="dead")])
    assert response_label(two, ["nuclear", "dead"]) == f"{measure} of each phenotype"


@pytest.mark.slow
def test_every_readout_is_named_with_its_ec50(tables: tuple[pd.DataFrame, ...]) -> None:
    responses, points, curves = tables
    second = responses.rename(index={"nuclear": "dead"}, level="readout").assign(category="inactive")
    both = pd.concat([points, points.assign(readout="dead")])
    figure = hv.render(dose_response(pd.concat([responses, second]), both, curves, "potent"), backend="bokeh")
    assert [item.label.value for item in figure.legend[0].items] == ["nuclear: 30 nM (20 – 45)", "dead: no effect"]


def test_the_most_potent_are_those_with_an_effect(responses: pd.DataFrame) -> None:
    micromolar = responses.copy()
    micromolar.loc["potent", ["ec50", "concentration_unit"]] = [30.0, "uM"]
    assert most_potent(responses) == [KEYS[0], KEYS[2]]
    assert most_potent(micromolar) == [KEYS[2], KEYS[0]]
    assert most_potent(responses, most=1) == KEYS[:1]


@pytest.mark.parametrize(("compound", "readout"), [("absent", None), ("potent", "absent")])
def test_an_unknown_curve_is_refused(tables: tuple[pd.DataFrame, ...], compound: str, readout: str | None) -> None:
    with pytest.raises(InputError, match="absent"):
        dose_response(*tables, compound, readout)


def test_a_compound_of_which_no_well_is_left_is_refused(tables: tuple[pd.DataFrame, ...]) -> None:
    responses, points, curves = tables
    with pytest.raises(InputError, match="nothing to draw"):
        dose_response(responses, points[points["compound"] != "potent"], curves, "potent")


def test_an_effective_concentration_is_marked_as_the_ec50_is(tables: tuple[pd.DataFrame, ...]) -> None:
    row = {"concentration": 10.0, "low": 8.0, "high": np.inf, "response": 0.1}
    effective = pd.DataFrame([row], index=pd.MultiIndex.from_tuples(KEYS[:1]))
    found = layers(compare_responses(*tables, KEYS, effective=effective))
    assert found["ec50"][["x", "value"]].to_numpy() == pytest.approx(np.array([[30e-9, 0.5], [10e-9, 0.1]]))
    assert found["ends"][["x0", "y0", "x1"]].to_numpy()[1] == pytest.approx([8e-9, 0.1, 3e-6])
    beyond = layers(compare_responses(*tables, KEYS, effective=effective.assign(concentration=np.nan)))
    assert len(beyond["ec50"]) == len(beyond["ends"]) == 1
