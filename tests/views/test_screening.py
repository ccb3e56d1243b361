"""The views of a whole screen show what is in the tables, and nothing else."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import pytest

from hcskit.errors import InputError
from hcskit.views import (
    has_umap,
    neighbour_map,
    plate_panels,
    potency_effect,
    principal_components,
    profile_map,
    replicate_pairs,
)
from hcskit.views import z_prime_by_plate as z_prime_view
from tests.small_run import DOSES, HOSTILE


def marks(view: Any, column: str) -> pd.DataFrame:
    """The rows of the layer that has a column."""
    layer = next(layer for layer in view if column in [str(dim) for dim in layer.dimensions()])
    table = layer.dframe()
    return table[table[column].notna() & (table[column] != "")]


def test_each_well_of_each_plate_is_drawn_once_in_its_own_place() -> None:
    wells = pd.MultiIndex.from_product([["P1", "P2", "P3"], ["A01", "A02", "H12"]], names=["plate", "well"])
    drawn = marks(plate_panels(pd.Series(np.arange(9.0), index=wells)), "plate").set_index(["plate", "well"])
    assert drawn["value"].to_dict() == dict(zip(wells, range(9), strict=True))
    first, last = (drawn.xs(well, level="well") for well in ("A01", "H12"))
    assert (last["y0"] - first["y0"] == 7).all()
    assert (last["x0"] - first["x0"] == 11).all()
    assert len(set(zip(drawn["x0"], drawn["y0"], strict=True))) == 9


def test_the_factor_of_a_hopeless_plate_is_drawn_at_the_end_of_the_axis_and_told() -> None:
    controls = pd.DataFrame({"plate": ["P1", "P2"], "readout": "toxic", "z_prime": [0.7, -40.0]})
    drawn = marks(z_prime_view(controls), "text")
    assert drawn["z"].tolist() == [0.7, -1.0]
    assert drawn["text"].tolist() == ["0.7", "−40"]
    with pytest.raises(InputError, match="two wells or more of either control"):
        z_prime_view(controls.assign(z_prime=np.nan))


def test_plates_stand_in_the_order_of_their_acquisition_where_it_is_known() -> None:
    controls = pd.DataFrame({"plate": ["P1", "P2", "P3"], "readout": "toxic", "z_prime": [0.7, 0.6, 0.5]})
    times = {"P1": 86400.0 * 2, "P2": 86400.0 * 3, "P3": 86400.0}
    view = z_prime_view(controls, times)
    drawn = marks(view, "when")
    assert drawn.sort_values("place")["plate"].tolist() == ["P3", "P1", "P2"]
    assert drawn.set_index("plate")["when"]["P3"] == "1970-01-02 00:00 UTC"
    label = hv.render(view, backend="bokeh").xaxis[0].axis_label
    assert label == "plate, in the order of acquisition"
    untimed = z_prime_view(controls, {"P1": 5.0, "P2": np.nan})
    assert marks(untimed, "when").sort_values("place")["plate"].tolist() == ["P1", "P2", "P3"]
    assert "in the order of import" in hv.render(untimed, backend="bokeh").xaxis[0].axis_label


def test_replicates_are_paired_within_a_treatment_and_told_apart_by_plate() -> None:
    wells = [("P1", "A01", 1.0, 0.1), ("P1", "A02", 1.0, 0.2), ("P2", "A01", 1.0, 0.3), ("P1", "B01", 9.0, 0.9)]
    table = pd.DataFrame(wells, columns=["plate", "well", "concentration", "value"])
    points = table.assign(readout="toxic", role="treatment", compound="a", concentration_unit="nM")
    view = replicate_pairs(points, "toxic")
    pairs = {layer.label.split(":")[0]: layer.dframe() for layer in view if layer.label}
    assert pairs["one plate"][["one", "other"]].to_numpy().tolist() == [[0.1, 0.2]]
    assert sorted(pairs["two plates"]["wells"]) == ["P1 A01, P2 A01", "P1 A02, P2 A01"]
    with pytest.raises(InputError, match="no treatment has two wells"):
        replicate_pairs(points[points["concentration"] == 9.0], "toxic")


def test_a_compound_stands_at_its_potency_and_one_without_beyond_the_tested_range(responses: pd.DataFrame) -> None:
    drawn = marks(potency_effect(responses, list(responses.index)), "compound").set_index("compound")
    assert drawn.loc["potent", "ec50"] == pytest.approx(30e-9)
    assert drawn.loc["potent", "effect"] == 1.0
    assert (drawn.loc[[HOSTILE, "late"], "ec50"] > max(DOSES) * 1e-9).all()


def test_principal_components_are_those_of_the_correlation_matrix() -> None:
    rng = np.random.default_rng(0)
    wells = pd.MultiIndex.from_product([["P1"], [f"{row}{column:02d}" for row in "AB" for column in range(1, 13)]])
    values = rng.normal(size=(24, 1)) * [1.0, 5.0, -3.0] + rng.normal(size=(24, 3))
    profiles = pd.DataFrame(values, index=wells.set_names(["plate", "well"])).add_prefix("f").assign(constant=1.0)
    found, shares = principal_components(profiles)
    eigenvalues, vectors = np.linalg.eigh(np.corrcoef(values.T))
    assert shares == pytest.approx(eigenvalues[:-3:-1] / 3)
    oracle = (values - values.mean(0)) / values.std(0) @ vectors[:, -1]
    assert abs(np.corrcoef(found["first"], oracle)[0, 1]) == pytest.approx(1.0)
    with pytest.raises(InputError, match="expected three wells or more"):
        principal_components(profiles.iloc[:2])


def test_the_map_is_coloured_by_numbers_or_by_names() -> None:
    wells = pd.MultiIndex.from_product([["P1"], [f"A{column:02d}" for column in range(1, 11)]], names=["plate", "well"])
    profiles = pd.DataFrame(np.random.default_rng(1).normal(size=(10, 4)), index=wells).add_prefix("f")
    by_number = marks(profile_map(profiles, pd.Series(np.arange(9.0), index=wells[:9])), "told")
    assert by_number["told"].tolist() == [str(number) for number in range(9)] + ["–"]
    names = pd.Series(list("aaabbcdefg"), index=wells)
    layers = {layer.label: len(layer) for layer in profile_map(profiles, names)}
    assert layers["a"] == 3
    assert sum(layers.values()) == 10


def test_neighbours_stay_neighbours_or_the_package_is_named() -> None:
    index = pd.MultiIndex.from_product([["P1"], [f"{row}{column:02d}" for row in "AB" for column in range(1, 13)]])
    values = np.repeat([[0.0, 0.0], [9.0, 9.0]], 12, axis=0) + np.random.default_rng(0).normal(0, 0.1, (24, 2))
    profiles = pd.DataFrame(values, index=index.set_names(["plate", "well"]), columns=["a", "b"])
    if not has_umap():
        with pytest.raises(InputError, match="pip install umap-learn"):
            profile_map(profiles, pd.Series(dtype=object), method="umap")
        return
    places = neighbour_map(profiles).to_numpy()
    near = np.linalg.norm(places[:, None] - places, axis=-1).argsort(axis=1)[:, 1]
    assert ((near < 12) == (np.arange(24) < 12)).all()
