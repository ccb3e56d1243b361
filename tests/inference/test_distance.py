"""The distance from the negative controls: how strong a phenotype is that nothing on the plate shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import hcskit
from hcskit.data import Normalisation, ScreenData
from hcskit.data._stand_ins import StandIns
from hcskit.inference import distances, write_predictions
from hcskit.inference._strength import known_roles
from hcskit.models.backend import keras
from hcskit.platemap import check_plate_map
from hcskit.recipe import Recipe
from hcskit.response import fit_responses
from hcskit.results import PHENOTYPE_CONTROLS, READOUTS, read_table
from hcskit.screen import PlateInfo, make_plate
from hcskit.simulation import CHANNELS, PlateDesign, simulate_field
from hcskit.training import ModelCard, TrainedModel, save_model
from tests.untrained import card_of

UNITS, EDGE, CROP = 30, 144, 72
DOSES = tuple(float(10 * 3**step) for step in range(8))
EC50 = {"moves": 200.0, "clumps": 700.0}
KIND = {"moves": "translocation", "clumps": "condensation"}


@given(st.integers(0, 2**16))
def test_half_an_effect_is_half_the_distance_in_whatever_direction(seed: int) -> None:
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=UNITS) * rng.lognormal(size=UNITS)
    scale = rng.lognormal(size=UNITS)  # of the features' noise
    calm = rng.normal(size=(8, UNITS)) * scale
    treated = calm.mean(axis=0) + np.array([[0.5], [1.0]]) * 1000 * direction
    found = distances(np.concatenate([calm, treated])[:, np.newaxis], np.arange(10) < 8, np.diag(scale**2)[np.newaxis])
    assert found[8] / found[9] == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("count", [2, 4, 16])
def test_untreated_wells_are_as_far_as_the_negative_controls_themselves(count: int) -> None:
    """However few these are; and a unit is as far again as they lie apart."""
    rng, negative = np.random.default_rng(count), np.arange(count + 40) < count
    squares = []
    for _ in range(300):
        wells = rng.normal(size=(count + 40, 1, UNITS))
        wells[-20:] += np.sqrt((1 + 1 / count) * UNITS) / np.sqrt(UNITS)
        found = distances(wells, negative)[:, 0]
        squares.append([(own**2).mean() for own in (found[:count], found[count:-20], found[-20:])])
    own, untreated, strange = np.mean(squares, axis=0)
    assert own < 0.3
    assert untreated < 0.3
    assert strange == pytest.approx(1, abs=0.3)


def _network() -> keras.Model:
    """See how far the reporter is above the brightest cytoplasm, how bright the nuclei are, and what says nothing."""
    image = keras.Input((CROP, CROP, 2))
    convolve = keras.layers.Conv2D(4, 1, activation="relu")
    pooled = keras.layers.GlobalAveragePooling2D()(convolve(image))
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax")(pooled))
    weights = [[0.0, 1.0, 0.02, 0.01], [1.0, 0.0, 0.0, 0.0]]
    convolve.set_weights([np.array([[weights]]), np.array([-3.0, -6.0, 0.0, 0.01])])
    return model


@pytest.fixture(scope="module")
def plates() -> ScreenData:
    """A plate of untreated wells and of three compounds, two of which move some cells; no positive controls."""
    rows = [("", 0.0, {}) for _ in range(8)]
    for compound in (*EC50, "nothing"):
        for dose in DOSES:
            share = 1 / (1 + (EC50[compound] / dose) ** 1.5) if compound in EC50 else 0.0
            rows += [(compound, dose, {KIND[compound]: share} if compound in EC50 else {})] * 2
    wells = [f"{'ABCDEFGH'[number // 12]}{number % 12 + 1:02d}" for number in range(len(rows))]
    design = PlateDesign(all_or_none=True, vignetting=0.0, image_size=(EDGE, EDGE), pixel_size=1.2, cell_density=1500.0)
    images = [
        simulate_field(design, own, np.random.default_rng([number, 3])) for number, (_, _, own) in enumerate(rows)
    ]
    plate_map = pd.DataFrame(
        {
            "well": wells,
            "compound": [compound for compound, _, _ in rows],
            "concentration": [dose or "" for _, dose, _ in rows],
            "concentration_unit": ["nM" if dose else "" for _, dose, _ in rows],
            "role": ["treatment" if dose else "negative_control" for _, dose, _ in rows],
        }
    )
    info = PlateInfo("p1", tuple(wells), (1,), CHANNELS, (EDGE, EDGE), np.dtype("uint16"), 1.2)
    image = np.stack(images)[:, np.newaxis]
    return ScreenData({"p1": make_plate(info, image, np.ones(image.shape[:3], bool), check_plate_map(plate_map))})


def _model(folder: Path, **prediction: str) -> TrainedModel:
    return hcskit.open_model(save_model(folder, _network(), _model_card(**prediction)))


def _model_card(**prediction: str) -> ModelCard:
    recipe = Recipe.model_validate({"data": {"crop": CROP}, "prediction": {"standardise": False} | prediction})
    stand_in = StandIns(doses="all", compounds=("clumps", "moves", "nothing"), n_compounds=3, n_wells=48)
    light = Normalisation(centre=(200.0, 200.0), scale=(100.0, 100.0))
    own = {
        "dtype": "uint16",
        "normalisation": light,
        "pixel_size_um": 1.2,
        "data": {"p1": 14},
        "stand_ins": (stand_in,),
    }
    return card_of(CHANNELS, (CROP, CROP), recipe, **own)


@pytest.mark.slow
def test_effects_are_found_without_a_positive_control(plates: ScreenData, tmp_path: Path) -> None:
    model = _model(tmp_path / "model")
    told: list[str] = []
    found = hcskit.predict(plates, model, progress=False, say=told.append)
    assert told[0].startswith("No positive controls or series: learned against all wells of clumps, moves, nothing (48")
    write_predictions(tmp_path, plates.plates, found, model.card)
    points = read_table(tmp_path, READOUTS)
    assert set(points["readout"]) == {"distance"}
    assert (points["value"] >= 0).all()
    fits = fit_responses(points).responses.xs("distance", level="readout")
    assert fits.loc["nothing", "category"] == "inactive"
    for compound, true in EC50.items():
        fit = fits.loc[compound]
        assert fit["ec50_low"] < true < fit["ec50_high"]
        assert fit["ec50"] == pytest.approx(true, rel=0.5)
    controls = read_table(tmp_path, PHENOTYPE_CONTROLS)
    assert controls[["readout", "n_negative"]].to_numpy().tolist() == [["distance", 8]]


@pytest.mark.slow
def test_another_plate_of_the_same_name_has_no_stand_ins_of_a_model_that_had_controls(plates: ScreenData) -> None:
    card = _model_card()
    features = {"p1": xr.DataArray(np.zeros(plates.plates["p1"].sizes["well"]), {"well": plates.plates["p1"]["well"]})}
    for stand_ins, expected in ((card.stand_ins, True), ((), False)):
        known = known_roles(features, plates.plates, card.model_copy(update={"stand_ins": stand_ins}))
        assert known is not None
        assert ("positive_control" in set(known["role"])) is expected


@pytest.mark.slow
def test_the_recipe_has_the_last_word_on_what_is_read(plates: ScreenData, tmp_path: Path) -> None:
    for readout, expected in (("strength", "positive_control"), ("distance", "distance")):
        model = _model(tmp_path / readout, readout=readout)
        found = hcskit.predict(plates, model, progress=False, say=lambda _: None)
        write_predictions(tmp_path, plates.plates, found, model.card)
        assert set(read_table(tmp_path, READOUTS)["readout"]) == {expected}
