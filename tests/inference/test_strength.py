"""The strength of a phenotype is where a well lies between the controls, whatever else differs between wells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hcskit import training
from hcskit.actions import predict
from hcskit.data import ScreenData
from hcskit.data._stand_ins import StandIns
from hcskit.inference import (
    gather_features,
    gather_predictions,
    gather_strengths,
    positions,
    readout_points,
)
from hcskit.platemap import check_plate_map
from hcskit.recipe import Recipe
from hcskit.screen import PlateInfo, make_plate
from hcskit.training import ModelCard, gather_unevenness
from tests.untrained import card_of

UNITS = 40


def _mixed(shares: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return features (well, network, unit) of wells that are mixed from an untreated and two positive profiles."""
    rng = np.random.default_rng(seed)
    profiles = rng.normal(0, 1, (3, 2, UNITS))
    weights = np.column_stack([1 - shares.sum(axis=1), shares])
    return np.asarray(np.einsum("wp,pnu->wnu", weights, profiles))


@pytest.mark.slow
def test_one_phenotype_is_the_projection_on_the_line_between_the_controls() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 1, UNITS))
    negative, positive = np.arange(9) < 3, (np.arange(9) >= 3) & (np.arange(9) < 5)
    found = positions(x, np.zeros(9), negative, [positive])[:, 0, 0]
    begin, end = x[negative, 0].mean(axis=0), x[positive, 0].mean(axis=0)
    # The point of the line that is nearest to a well: an independent way to the same number.
    grid = np.linspace(-5, 5, 200_001)
    nearest = [grid[((begin + grid[:, np.newaxis] * (end - begin) - own[0]) ** 2).sum(axis=1).argmin()] for own in x]
    np.testing.assert_allclose(found, nearest, atol=1e-4)
    assert found[negative].mean() == pytest.approx(0)
    assert found[positive].mean() == pytest.approx(1)


@given(st.integers(0, 2**16), st.floats(0, 1), st.floats(0, 1))
def test_a_mixture_is_read_as_its_share_whatever_the_other_phenotype_does(
    seed: int, first: float, second: float
) -> None:
    shares = np.array([[0, 0], [1, 0], [0, 1], [first, 0], [0, second]])
    own = np.eye(5, dtype=bool)
    found = positions(_mixed(shares, seed), np.zeros(5), own[0], [own[1], own[2]])
    assert found[:3, :, 0] == pytest.approx(np.array([[0, 0], [1, 1], [0, 0]]), abs=0.25)  # the ridge's part
    assert found[3, :, 0] == pytest.approx(np.full(2, first), abs=1e-9)
    assert found[4, :, 1] == pytest.approx(np.full(2, second), abs=1e-9)


def test_phenotypes_that_look_alike_do_not_turn_noise_into_opposites() -> None:
    rng = np.random.default_rng(0)
    line = rng.normal(size=UNITS)
    profiles = np.stack([np.zeros(UNITS), line, line + 0.01 * rng.normal(size=UNITS)])
    wells = np.concatenate([profiles, 0.5 * line + 0.1 * rng.normal(size=(50, UNITS))])[:, np.newaxis]
    own = np.eye(53, dtype=bool)
    found = positions(wells, np.zeros(53), own[0], [own[1], own[2]])[3:, 0]
    assert np.abs(found - 0.5).max() < 0.3


def test_each_plate_has_its_own_ends_and_lends_them_to_one_that_lacks_controls() -> None:
    profile = np.arange(UNITS, dtype=float)
    shares = np.array([0, 1, 0.3])
    plates = [shares[:, np.newaxis] * profile, 7 + 0.5 * shares[:, np.newaxis] * profile]
    x, plate = np.concatenate(plates)[:, np.newaxis], np.repeat([0, 1], 3)
    negative, positive = np.tile([True, False, False], 2), np.tile([False, True, False], 2)
    assert positions(x, plate, negative, [positive])[:, 0, 0] == pytest.approx(np.tile(shares, 2))
    # Without its own positive controls the second plate's lines are as long as the first's.
    first = positions(x, plate, negative, [positive & (plate == 0)])[:, 0, 0]
    assert first == pytest.approx(np.concatenate([shares, 0.5 * shares]))
    assert np.isnan(positions(x, plate, negative, [np.zeros(6, bool)])).all()
    assert np.isnan(positions(x, plate, np.zeros(6, bool), [positive])).all()


def test_what_differs_between_the_crops_of_a_well_does_not_hide_how_far_it_has_come() -> None:
    rng = np.random.default_rng(0)
    line, nuisance = rng.normal(size=(2, UNITS))
    share = np.repeat([0, 1, 0.5], (4, 4, 40))
    # How many cells a crop has moves all features together, and few controls do not average that out.
    dense = 5 * rng.normal(size=(len(share), 4))
    crops = share[:, None, None] * line + dense[..., None] * nuisance + 0.1 * rng.normal(size=(len(share), 4, UNITS))
    fields = pd.DataFrame({"plate": "P1", "well": [f"w{number:02d}" for number in range(len(share))], "field": 1})
    each = list(crops[:, :, np.newaxis])
    wells, spread = gather_features(fields, each)["P1"], gather_unevenness(fields, each)["P1"]
    expected = np.mean([np.cov(own.T) for own in crops], axis=0)
    np.testing.assert_allclose(spread[0], expected, rtol=1e-4, atol=1e-4)
    plain, turned = (
        positions(wells, np.zeros(len(share)), share == 0, [share == 1], own)[8:, 0, 0] for own in (None, spread)
    )
    assert np.abs(turned - 0.5).max() < 0.1 < 0.5 < np.abs(plain - 0.5).max()
    # A scale of one feature means nothing; a crop to each well tells nothing of how crops differ.
    scaled = positions(wells * 7, np.zeros(len(share)), share == 0, [share == 1], spread * 49)[8:, 0, 0]
    np.testing.assert_allclose(scaled, turned)
    alone = gather_unevenness(fields, [own[:1] for own in each])["P1"]
    np.testing.assert_allclose(positions(wells, np.zeros(len(share)), share == 0, [share == 1], alone)[8:, 0, 0], plain)


def _card(classes: str) -> ModelCard:
    recipe = Recipe.model_validate({"data": {"classes": classes}})
    return card_of(("grey",), (8, 8), recipe, classes=("negative_control", "round", "long", "green"))


def test_strengths_join_the_treatments_and_what_has_none_keeps_its_probability() -> None:
    shares = {"A01": (0, 0), "A02": (0, 0), "A03": (1, 0), "A04": (0, 1), "B01": (0.2, 0), "B02": (0, 0.7)}
    wells = tuple(shares)
    plate_map = pd.DataFrame(
        {
            "well": wells,
            "compound": ["", "", "r", "l", "x", "x"],
            "concentration": ["", "", 1, 1, 1, 2],
            "concentration_unit": ["", "", *["nM"] * 4],
            "role": [*["negative_control"] * 2, *["positive_control"] * 2, *["treatment"] * 2],
            "moa": ["", "", "round", "long", "", ""],
        }
    )
    info = PlateInfo("P1", wells, (1, 2), ("grey",), (8, 8), np.dtype("uint8"), 0.6)
    image, present = np.ones((6, 2, 1, 8, 8), "uint8"), np.ones((6, 2, 1), bool)
    plates = {"P1": make_plate(info, image, present, check_plate_map(plate_map))}
    fields = pd.DataFrame(
        [("P1", well, field) for well in wells for field in (1, 2)], columns=["plate", "well", "field"]
    )
    mixed = _mixed(np.array(list(shares.values()), float), 0).repeat(2, axis=0)
    # Crops and fields of a well differ, and not in their mean.
    features = [own + np.array([-1, 0, 1])[:, None, None] + (-1) ** number for number, own in enumerate(mixed)]
    card = _card("moa")
    read = gather_features(fields, features), gather_unevenness(fields, features)
    strengths = gather_strengths(*read, plates, card)
    assert strengths is not None
    assert strengths.index.unique("phenotype").tolist() == ["round", "long"]
    assert strengths.xs(("P1", "B01", "round")).tolist() == pytest.approx([0.2] * 3)
    assert strengths.xs(("P1", "B02", "long")).tolist() == pytest.approx([0.7] * 3)
    said = [np.full((3, 2, 4), [0.1, 0.2, 0.3, 0.4])] * len(fields)
    predictions = gather_predictions(fields, said, card.classes)
    points = readout_points(plates, predictions.wells, card.negative_class, strengths).set_index(["well", "readout"])
    assert points.index.unique("readout").tolist() == ["round", "long", "green"]
    told = points[["value", "probability", "n_fields"]].xs("B01", level="well").to_dict("index")
    assert told["round"] == pytest.approx({"value": 0.2, "probability": 0.2, "n_fields": 2})
    assert told["green"] == pytest.approx({"value": 0.4, "probability": 0.4, "n_fields": 2})
    assert gather_strengths(*read, plates, _card("batch")) is None
    assert gather_strengths(*read, plates, _card("compound")) is None


def test_without_controls_a_strength_is_told_between_the_ends_of_the_series_learned_from() -> None:
    doses = np.geomspace(1, 1000, 4)
    share = np.array([0, 0.2, 0.9, 1])
    wells = ("A01", "A02", "A03", "A04")
    plate_map = pd.DataFrame(
        {"well": wells, "compound": "x", "concentration": doses, "concentration_unit": "nM", "role": "treatment"}
    )
    info = PlateInfo("P1", wells, (1,), ("grey",), (8, 8), np.dtype("uint8"), 0.6)
    image, present = np.ones((4, 1, 1, 8, 8), "uint8"), np.ones((4, 1, 1), bool)
    plates = {"P1": make_plate(info, image, present, check_plate_map(plate_map))}
    fields = pd.DataFrame({"plate": "P1", "well": wells, "field": 1})
    each = list(_mixed(np.column_stack([share, 0 * share]), 0)[:, np.newaxis])
    read = gather_features(fields, each), gather_unevenness(fields, each)
    ends = [StandIns(doses=end, compounds=("x",), n_compounds=1, n_wells=1) for end in ("lowest", "highest")]
    known = {"classes": ("negative_control", "positive_control"), "data": {"P1": 4}, "stand_ins": tuple(ends)}
    card = _card("role").model_copy(update=known)
    strengths = gather_strengths(*read, plates, card)
    assert strengths is not None
    assert strengths["strength"].tolist() == pytest.approx(share.tolist(), abs=1e-6)
    # A model from elsewhere knows what a phenotype is; the highest doses of this plate need not show it.
    for other in ({"data": {"P0": 4}}, {"stand_ins": ()}):
        assert gather_strengths(*read, plates, card.model_copy(update=other)) is None


def _field(rings: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return 64×64 pixels with 16 cells, of which so many are rings and the others discs of as much light."""
    y, x = np.mgrid[:16, :16] - 7.5
    image = np.full((64, 64), 20.0)
    for place, cell in enumerate(rng.permutation(16)):
        radius = np.hypot(y - rng.uniform(-2, 2), x - rng.uniform(-2, 2))
        shape = np.abs(radius - 4) < 1 if cell < rings else radius < 2.8
        row, column = divmod(place, 4)
        image[16 * row : 16 * (row + 1), 16 * column : 16 * (column + 1)] += 100 * shape
    return rng.poisson(image).clip(0, 255).astype(np.uint8)


@pytest.mark.slow
def test_a_network_taught_extremes_reads_the_share_of_cells_that_respond(tmp_path: Path) -> None:
    rings = [0] * 4 + [16] * 4 + [0, 4, 8, 12, 16] * 3
    wells = [f"{row}{column:02d}" for row in "AB" for column in range(1, 13)][: len(rings)]
    roles = ["negative_control"] * 4 + ["positive_control"] * 4 + ["treatment"] * 15
    treated = [role != "negative_control" for role in roles]
    plate_map = pd.DataFrame(
        {
            "well": wells,
            "compound": ["x" if own else "" for own in treated],
            "concentration": [1 + count if own else "" for own, count in zip(treated, rings, strict=True)],
            "concentration_unit": ["nM" if own else "" for own in treated],
            "role": roles,
        }
    )
    rng = np.random.default_rng(0)
    image = np.stack([[[_field(count, rng)] for _ in range(2)] for count in rings])
    info = PlateInfo("P1", tuple(wells), (1, 2), ("grey",), (64, 64), image.dtype, 0.6)
    plate = make_plate(info, image, np.ones(image.shape[:3], bool), check_plate_map(plate_map))
    recipe = Recipe.model_validate(
        {
            "data": {"crop": 64, "crops_per_field": 6},
            "split": {"validation": 0},
            "model": {"scales": 2, "features": 32, "hidden": 16},
            "optimiser": {"epochs": 12, "warmup_epochs": 0, "learning_rate": 0.003},
            "prediction": {"weights": "last"},
        }
    )
    screen = ScreenData({"P1": plate})
    training.fit(screen, recipe, tmp_path, progress=False)
    strengths = predict(screen, tmp_path, progress=False).strengths
    assert strengths is not None
    found = strengths["strength"].xs("positive_control", level="phenotype").droplevel("plate")[wells[8:]].to_numpy()
    means = found.reshape(3, 5).mean(axis=0)
    assert (np.diff(means) > 0.1).all()
    assert means == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=0.15)
