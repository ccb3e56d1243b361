"""What speaks for a phenotype comes from the run's model, beside the server, once for all who look."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import hcskit
from hcskit.app._cells import tile
from hcskit.app._content import Content
from hcskit.app._saliency import Maps, explained
from hcskit.app._selection import Selection
from hcskit.recipe import Recipe
from hcskit.results import write_illumination
from hcskit.store import write_plate
from tests.inference.test_saliency import CROP, EDGE, mixed_plate, seeing_network
from tests.untrained import described_model

pytestmark = pytest.mark.slow
PLACES = [("p1", "B01", 1), ("p1", "A03", 1)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was imported, measured and trained."""
    data = mixed_plate()
    folder = tmp_path_factory.mktemp("run")
    write_plate(data.plates["p1"], folder, progress=False)
    even = np.ones((len(data.channels), EDGE, EDGE), np.float32)
    light = {"flat": (("channel", "y", "x"), even), "dark": ("channel", np.zeros(len(even), np.float32))}
    write_illumination(folder, "p1", xr.Dataset(light, {"channel": np.array(data.channels, dtype=object)}))
    recipe = Recipe.model_validate({"data": {"crop": CROP}, "prediction": {"standardise": False}})
    described_model(folder / "model", seeing_network(), data, recipe)
    return folder


def test_maps_come_later_and_lie_over_the_cells_and_are_made_once(folder: Path) -> None:
    content, phenotype = Content(folder), "positive_control"
    assert explained(content) == [phenotype]
    first, second = Maps(content), Maps(content)
    come = threading.Event()
    first.param.watch(lambda _: come.set(), "value")
    assert "is being computed" in first.of(PLACES, phenotype).said or come.wait(300)
    assert come.wait(300)
    found = first.of(PLACES, phenotype)
    assert found.said == ""
    expected = hcskit.saliency(folder, folder / "model", PLACES, phenotype, progress=False)
    for number, place in enumerate(PLACES):
        own = found.map_of(place)
        assert own is not None
        assert own.to_numpy() == pytest.approx(expected[number].to_numpy(), abs=1e-5)
        assert second.of(PLACES, phenotype).map_of(place) is own or (second.of(PLACES, phenotype).said == "")
    looked = Selection(explain=phenotype)
    over = tile(content, looked, 0, PLACES[0][:2], 1, 0, found.map_of(PLACES[0]), found.limit)
    assert f"orange speaks for {phenotype}" in over
    assert over != tile(content, looked, 0, PLACES[0][:2], 1, 0)


def test_what_the_model_does_not_know_is_said(folder: Path) -> None:
    maps, come = Maps(Content(folder)), threading.Event()
    maps.param.watch(lambda _: come.set(), "value")
    maps.of(PLACES, "toxic")
    assert come.wait(300)
    assert "the model has no phenotype 'toxic'; it has positive_control" in maps.of(PLACES, "toxic").said
