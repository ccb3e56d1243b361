"""What speaks for a phenotype comes from the run's model, beside the server, once for all who look."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import hcskit
from hcskit.app._cells import tile
from hcskit.app._content import Content
from hcskit.app._saliency import Found, Maps, _ask, explained
from hcskit.app._selection import Selection
from hcskit.recipe import Recipe
from hcskit.results import read_illumination, write_illumination
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


def answer(maps: Maps, phenotype: str) -> Found:
    """What is told in the end of a map that is asked for."""
    come = threading.Event()
    watcher = maps.param.watch(lambda _: come.set(), "value")
    found = maps.of(PLACES, phenotype)
    if "is being computed" in found.said:
        assert come.wait(300)
        found = maps.of(PLACES, phenotype)
    maps.param.unwatch(watcher)
    return found


def test_what_the_model_does_not_know_is_said(folder: Path) -> None:
    said = answer(Maps(Content(folder)), "toxic").said
    assert "the model has no phenotype 'toxic'; it has positive_control" in said


def test_what_failed_is_computed_anew(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "run"))
    maps, network = Maps(Content(copy)), copy / "model" / "model.keras"
    network.rename(tmp_path / "away")
    assert "model.keras" in answer(maps, "positive_control").said
    (tmp_path / "away").rename(network)
    assert answer(maps, "positive_control").said == ""


def test_an_answer_is_of_the_light_that_was_measured_last(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "run"))
    first = _ask(Content(copy), tuple(PLACES), "positive_control")
    assert _ask(Content(copy), tuple(PLACES), "positive_control") is first
    write_illumination(copy, "p1", read_illumination(copy, ["p1"]).sel(plate="p1", drop=True))
    assert _ask(Content(copy), tuple(PLACES), "positive_control") is not first
    first.exception(300)
