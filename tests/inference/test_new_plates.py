"""A model reads a plate of another day: brought to its brightness, and compared with what it learned from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner

import hcskit
from hcskit.actions import embed, predict
from hcskit.cli import main
from hcskit.data import ScreenData
from hcskit.data._stand_ins import StandIns
from hcskit.errors import DriftError, InputError
from hcskit.inference import compare_untreated
from hcskit.models import mcnn
from hcskit.models.backend import keras
from hcskit.recipe import FinetuneSection, Recipe
from hcskit.results import AS_IN_TRAINING, NOT_THIS_ASSAY, PLATE_DRIFT, SALIENCY_MAPS, read_illumination, read_table
from hcskit.simulation import Compound, PlateDesign, simulate
from hcskit.store import open_plates, write_plate
from hcskit.training import TrainedModel, open_model, save_model
from tests.untrained import described_model

GAIN, BACKGROUND = 1.7, 60


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small plate of eight negative and eight positive controls."""
    folder = tmp_path_factory.mktemp("screen")
    design = PlateDesign(
        compounds=(Compound("active", "translocation", ec50=50.0),),
        concentrations=(100.0,),
        replicates=8,
        image_size=(64, 64),
        edge_effect=0.0,
    )
    export = simulate(folder / "export", design, seed=0)
    hcskit.import_plates(export.images, folder, export.plate_map, progress=False)
    hcskit.assess(folder, progress=False, say=lambda _: None)
    return folder


@pytest.fixture(scope="module")
def model(screen: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    """An untrained network that knows what the plate's controls look like."""
    keras.utils.set_random_seed(0)
    recipe = Recipe.model_validate({"data": {"crop": 32}})
    network = mcnn((32, 32, 2), 2, head="pool", scales=2, features=8, hidden=8)
    data = ScreenData(open_plates(screen), read_illumination(screen))
    return described_model(tmp_path_factory.mktemp("model"), network, data, recipe)


def _brighter(data: ScreenData) -> ScreenData:
    """Return plates as a brighter lamp and a lighter medium show them; the illumination keeps its shape."""
    assert data.illumination is not None
    plates = {}
    for name, plate in data.plates.items():
        light = data.illumination.sel(plate=name, drop=True)
        dark = light["dark"]
        image = dark + GAIN * (plate["image"].astype(float) - dark) + BACKGROUND * light["flat"]
        plates[name] = plate.assign(image=image.round().astype(plate["image"].dtype).transpose(*plate["image"].dims))
    return ScreenData(plates, data.illumination)


@pytest.mark.slow
def test_gain_and_background_make_no_difference_where_there_are_negative_controls(
    screen: Path, model: TrainedModel
) -> None:
    data = ScreenData(open_plates(screen), read_illumination(screen))
    plain, brighter = (predict(one, model, progress=False, say=lambda _: None) for one in (data, _brighter(data)))
    np.testing.assert_allclose(brighter.wells["probability"], plain.wells["probability"], atol=5e-3)
    assert plain.strengths is not None
    assert brighter.strengths is not None
    np.testing.assert_allclose(brighter.strengths["strength"], plain.strengths["strength"], atol=0.1)
    profiles = [embed(one, model, progress=False) for one in (data, _brighter(data))]
    assert (profiles[0] - profiles[1]).abs().max(axis=None) < 0.05 * profiles[0].std().max()
    asked = predict(_brighter(data), model, standardise=False, progress=False, say=lambda _: None)
    assert (asked.wells["probability"] - plain.wells["probability"]).abs().max() > 0.02


@pytest.mark.slow
def test_a_plate_without_negative_controls_is_read_as_it_is(screen: Path, model: TrainedModel) -> None:
    data = ScreenData(open_plates(screen), read_illumination(screen))
    bare = {name: plate.drop_vars("role") for name, plate in data.plates.items()}
    found = predict(ScreenData(bare, data.illumination), model, progress=False, say=lambda _: None)
    asked = predict(data, model, standardise=False, progress=False, say=lambda _: None)
    pd.testing.assert_frame_equal(found.wells, asked.wells)
    assert found.drift is None
    assert found.verdicts == {}


@pytest.mark.slow
def test_what_the_controls_look_like_is_compared_with_the_card(screen: Path, model: TrainedModel) -> None:
    data = ScreenData(open_plates(screen), read_illumination(screen))
    same, brighter = (predict(one, model, progress=False, say=lambda _: None) for one in (data, _brighter(data)))
    assert set(same.verdicts.values()) == {AS_IN_TRAINING}
    (verdict,) = brighter.verdicts.values()
    assert verdict.startswith("shifted: DNA background +")
    assert ", GFP background +" in verdict
    assert same.drift is not None
    assert brighter.drift is not None
    ratio = brighter.drift["value"] / same.drift["value"]
    assert ratio.xs("signal", level="quantity").to_numpy() == pytest.approx(GAIN, rel=0.01)
    assert ratio.xs("sharpness", level="quantity").to_numpy() == pytest.approx(1, rel=0.02)
    with pytest.raises(DriftError, match="is shifted: DNA background"):
        predict(_brighter(data), model, strict=True, progress=False, say=lambda _: None)
    # Cells that are further off than any phenotype, in the same light.
    assert model.card.untreated is not None
    far = 20 * max(model.card.untreated.nearest, 1.0)
    strange = compare_untreated({name: own + far for name, own in same.features.items()}, same.light, model.card)
    assert strange is not None
    assert set(strange["verdict"]) == {NOT_THIS_ASSAY}


@pytest.mark.slow
def test_the_command_says_so_in_a_table_and_by_its_exit_code(screen: Path, model: TrainedModel, tmp_path: Path) -> None:
    data = ScreenData(open_plates(screen), read_illumination(screen))
    (name,) = data.plates
    write_plate(_brighter(data).plates[name], tmp_path)
    hcskit.assess(tmp_path, progress=False, say=lambda _: None)
    told = StandIns(doses="highest", compounds=("x", "y"), n_compounds=2, n_wells=4)
    save_model(tmp_path / "model", model.network, model.card.model_copy(update={"stand_ins": (told,)}))
    command = ["predict", str(tmp_path / "model"), str(tmp_path)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    lack = "No positive controls: learned against the highest doses of x, y (4 wells)."
    assert lack in done.stdout
    assert f"plate {name} is shifted: DNA background" in done.stdout
    again = CliRunner().invoke(main, [*command, "--strict"])
    assert again.exit_code == 3
    assert "predictions as before" in again.stdout  # what was measured of the plate is kept with them
    drift = read_table(tmp_path, PLATE_DRIFT)
    xr.testing.assert_allclose(
        drift.drop(columns="verdict").to_xarray(),
        predict(tmp_path, model, progress=False, say=lambda _: None).drift.drop(columns="verdict").to_xarray(),  # type: ignore[union-attr]
    )
    page = hcskit.report(tmp_path).read_text(encoding="utf-8")
    assert f"{name} is unlike the plates that the network learned from: shifted: DNA background" in page
    assert lack in page.partition('<section id="quality"')[0]  # on the first screen
    assert '<section id="looks">' in page
    maps = read_table(tmp_path, SALIENCY_MAPS)
    roles = data.plates[name]["role"].to_series()
    wells = maps.index.unique("well")
    assert roles[wells].tolist() == ["negative_control", "positive_control", "treatment"]


@pytest.fixture(scope="module")
def adapted(screen: Path, model: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    recipe = model.recipe.model_copy(update={"finetune": FinetuneSection(steps=20, learning_rate=3e-3)})
    return hcskit.finetune(screen, model, tmp_path_factory.mktemp("adapted"), recipe, progress=False)


@pytest.mark.slow
def test_fine_tuning_learns_from_the_plate_and_leaves_the_old_model_as_it_is(
    screen: Path, model: TrainedModel, adapted: TrainedModel
) -> None:
    assert open_model(model.folder).card == model.card  # its digest is that of its weights, too
    data = ScreenData(open_plates(screen), read_illumination(screen))
    areas = []
    for one in (model, adapted):
        wells = (
            predict(data, one, progress=False, say=lambda _: None)
            .wells["probability"]
            .xs("positive_control", level="phenotype")
        )
        roles = data.plates["demo"]["role"].to_series().reindex(wells.index.get_level_values("well")).to_numpy()
        own, others = (wells[roles == role].to_numpy() for role in ("positive_control", "negative_control"))
        areas.append((own[:, np.newaxis] > others).mean())
    assert areas[1] > max(0.9, areas[0])


@pytest.mark.slow
def test_the_card_names_what_a_model_was_adapted_from(
    screen: Path, model: TrainedModel, adapted: TrainedModel, tmp_path: Path
) -> None:
    assert adapted.card.parent is not None
    assert (adapted.card.parent.name, adapted.card.parent.weights_sha256) == (
        model.folder.name,
        model.card.weights_sha256,
    )
    assert adapted.card.data == {"demo": 32}
    assert adapted.card.untreated != model.card.untreated
    done = CliRunner().invoke(main, ["finetune", str(adapted.folder), str(screen), "--out", str(tmp_path / "again")])
    assert done.exit_code == 0, done.output
    again = open_model(tmp_path / "again").card.parent
    assert again is not None
    assert again.parent == adapted.card.parent


def test_fine_tuning_refuses_what_does_not_fit(screen: Path, model: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is the folder of the model to start from"):
        hcskit.finetune(screen, model, model.folder, progress=False)
    other = model.card.model_copy(update={"classes": ("negative_control", "round")})
    with pytest.raises(InputError, match="has the class positive_control, and the model knows negative_control, round"):
        hcskit.finetune(screen, replace(model, card=other), tmp_path / "other", progress=False)
