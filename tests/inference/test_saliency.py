"""The places that speak for a phenotype are the cells that show it."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.typing import NDArray

import hcskit
from hcskit.data import ScreenData
from hcskit.errors import InputError
from hcskit.inference import positions
from hcskit.models.backend import keras
from hcskit.platemap import check_plate_map
from hcskit.recipe import Recipe
from hcskit.screen import PlateInfo, make_plate
from hcskit.simulation import CHANNELS, PlateDesign, simulate_field
from hcskit.simulation._cells import grow
from hcskit.training import TrainedModel
from hcskit.views import overlay_saliency
from tests.untrained import described_model

EDGE, CROP = 160, 80
DESIGN = PlateDesign(all_or_none=True, vignetting=0.0, image_size=(EDGE, EDGE), pixel_size=1.2, cell_density=500.0)
WELLS = {"A01": 0.0, "A02": 0.0, "A03": 1.0, "A04": 1.0, "B01": 0.4}
MIXED = ("p1", "B01", 1)


def _rng(well: str) -> np.random.Generator:
    return np.random.default_rng([list(WELLS).index(well), 7])


def mixed_plate() -> ScreenData:
    """A plate of untreated and positive wells, and one in which two of five cells respond."""
    images = [simulate_field(DESIGN, {"translocation": share}, _rng(well)) for well, share in WELLS.items()]
    plate_map = pd.DataFrame(
        {
            "well": list(WELLS),
            "compound": ["", "", "x", "x", "x"],
            "concentration": ["", "", 2, 2, 1],
            "concentration_unit": ["", "", "nM", "nM", "nM"],
            "role": [*["negative_control"] * 2, *["positive_control"] * 2, "treatment"],
        }
    )
    info = PlateInfo("p1", tuple(WELLS), (1,), CHANNELS, (EDGE, EDGE), np.dtype("uint16"), DESIGN.pixel_size)
    image = np.stack(images)[:, np.newaxis]
    return ScreenData({"p1": make_plate(info, image, np.ones(image.shape[:3], bool), check_plate_map(plate_map))})


@pytest.fixture(scope="module")
def data() -> ScreenData:
    return mixed_plate()


def seeing_network() -> keras.Model:
    """See how far the reporter is above the brightest cytoplasm, and two things that say nothing of the phenotype."""
    image = keras.Input((CROP, CROP, 2))
    convolve = keras.layers.Conv2D(3, 1, activation="relu")
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.AveragePooling2D(4)(convolve(image)))
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax")(pooled))
    convolve.set_weights([np.array([[[[0.0, 0.02, 0.01], [1.0, 0.0, 0.0]]]]), np.array([-3.0, 0.0, 0.01])])
    return model


@pytest.fixture(scope="module")
def model(data: ScreenData, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    recipe = Recipe.model_validate({"data": {"crop": CROP}, "prediction": {"standardise": False}})
    return described_model(tmp_path_factory.mktemp("model"), seeing_network(), data, recipe)


@pytest.fixture(scope="module")
def found(data: ScreenData, model: TrainedModel) -> xr.DataArray:
    places = [("p1", well, 1) for well in ("B01", "A01", "A03")]
    return hcskit.saliency(data, model, places, "positive_control", progress=False)


def _cells() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the pixels of the nuclei of the mixed well whose cells respond, and of those that do not."""
    cells = grow(DESIGN, {"translocation": WELLS["B01"]}, copy.deepcopy(_rng("B01")), density=1.0, brightness=1.0)
    y, x = np.mgrid[:EDGE, :EDGE]
    inside = np.stack([np.hypot(y - cell.y, x - cell.x) < cell.nucleus[1] for cell in cells])
    responds = np.array([cell.nuclear_fraction > 0.3 for cell in cells])
    return inside[responds].any(0), inside[~responds].any(0)


@pytest.mark.slow
def test_the_mean_over_a_field_is_its_strength(data: ScreenData, model: TrainedModel, found: xr.DataArray) -> None:
    features = hcskit.predict(data, model, progress=False, say=lambda _: None).features["p1"]
    role = data.plates["p1"]["role"].sel(well=features["well"]).to_numpy()
    strengths = positions(features, np.zeros(len(role)), role == "negative_control", [role == "positive_control"])
    told = pd.Series(strengths[:, 0, 0], features["well"].to_numpy())[found["well"].to_numpy()]
    assert found.mean(["y", "x"]).to_numpy() == pytest.approx(told.to_numpy(), abs=1e-3)


def test_the_cells_that_respond_speak_for_the_phenotype_and_the_others_do_not(found: xr.DataArray) -> None:
    moved, resting = _cells()
    own = found[0].to_numpy()
    assert moved.sum() > 500
    assert resting.sum() > 500
    # How probable it is that a pixel of a cell that responds has the higher value.
    chosen = np.random.default_rng(0).choice(own[resting], 500)
    assert (own[moved][:, np.newaxis] > chosen).mean() + (own[moved][:, np.newaxis] == chosen).mean() / 2 > 0.9


def test_a_field_loses_its_strength_without_the_places_that_speak_for_it(
    data: ScreenData, model: TrainedModel, found: xr.DataArray
) -> None:
    """The deletion test: untreated pixels are put in place of a fifth of all."""
    own, plate = found[0].to_numpy(), data.plates["p1"]
    calm = plate["image"].sel(well="A01")

    def strength(deleted: NDArray[np.bool_]) -> float:
        mixed = plate["image"].where(~xr.DataArray(deleted, dims=("y", "x")) | (plate["well"] != "B01"), calm)
        changed = ScreenData({"p1": plate.assign(image=mixed.transpose(*plate["image"].dims).astype("uint16"))})
        return float(hcskit.saliency(changed, model, [MIXED], "positive_control", progress=False).mean())

    first = own >= np.quantile(own, 0.8)
    anywhere = np.random.default_rng(0).permutation(first.reshape(EDGE // 8, 8, EDGE // 8, 8).any((1, 3)).ravel())
    blocks = anywhere.reshape(EDGE // 8, EDGE // 8).repeat(8, 0).repeat(8, 1)
    assert blocks.sum() >= first.sum()
    whole = float(own.mean())
    assert strength(first) < 0.3 * whole
    assert strength(blocks) > strength(first) + 0.3 * whole


def test_what_is_drawn_is_coloured_where_it_speaks(data: ScreenData, found: xr.DataArray) -> None:
    drawn = overlay_saliency(data.plates["p1"], found[0]).astype(float)
    assert drawn.shape == (EDGE, EDGE, 3)
    own = found[0].to_numpy()
    orange, grey = own > 0.7 * own.max(), np.abs(own) < 0.01 * own.max()
    assert (drawn[orange][:, 0] - drawn[orange][:, 2]).mean() > 50
    assert np.abs(drawn[grey][:, 0] - drawn[grey][:, 2]).mean() < 10


@pytest.mark.parametrize(
    ("places", "phenotype", "message"),
    [
        ([("p1", "H12", 1)], "positive_control", "no usable field .*H12"),
        ([MIXED], "round", "no phenotype 'round'; it has positive_control"),
    ],
)
def test_what_cannot_be_told_is_refused(
    places: list[tuple[str, str, int]], phenotype: str, message: str, data: ScreenData, model: TrainedModel
) -> None:
    with pytest.raises(InputError, match=message):
        hcskit.saliency(data, model, places, phenotype, progress=False)
