"""The flat field and the offset are found again from simulated plates, however uneven their wells."""

from dataclasses import dataclass
from functools import cache

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from hcskit.errors import InputError
from hcskit.preprocess import correct_illumination, estimate_illumination, shrink_illumination
from hcskit.screen import PlateInfo, make_plate
from hcskit.simulation import CHANNELS, DARK, PlateDesign, simulate_field, vignetting

DESIGN = PlateDesign(image_size=(128, 128), pixel_size=1.6, vignetting=0.4)


@dataclass(frozen=True)
class Kind:
    density: float = 1.0
    brightness: float = 1.0


USUAL, EMPTY, GLARING, SPARSE = Kind(), Kind(density=0.01), Kind(brightness=2.5), Kind(density=0.15)


def simulated(*parts: tuple[Kind, int]) -> np.ndarray:
    """Images (well, 1, channel, y, x), so many of each kind."""
    kinds = [kind for kind, number in parts for _ in range(number)]
    return np.stack([field(number, kind) for number, kind in enumerate(kinds)])[:, np.newaxis]


@cache
def field(number: int, kind: Kind) -> np.ndarray:
    strengths, rng = {"translocation": number % 7 / 6}, np.random.default_rng(number)
    return simulate_field(DESIGN, strengths, rng, density=kind.density, brightness=kind.brightness)


def as_plate(image: np.ndarray) -> xr.Dataset:
    wells = tuple(f"{'ABCDEFGHIJKLMNOP'[number // 24]}{number % 24 + 1:02d}" for number in range(len(image)))
    info = PlateInfo("P1", wells, (1,), CHANNELS[: image.shape[2]], image.shape[3:], image.dtype)
    return make_plate(info, da.from_array(image, chunks=(1, 1, 1, -1, -1)), np.ones(image.shape[:3], bool))


def errors(illumination: xr.Dataset) -> np.ndarray:
    """Root mean square error of each channel's flat field."""
    truth = np.stack([vignetting(DESIGN, channel) for channel in CHANNELS])
    return np.sqrt(((illumination["flat"].to_numpy() / truth - 1) ** 2).mean(axis=(1, 2)))


UNCORRECTED = np.array([np.std(1 / vignetting(DESIGN, channel)) for channel in CHANNELS])


@pytest.fixture(scope="module")
def usual() -> xr.Dataset:
    return as_plate(simulated((USUAL, 120)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "parts",
    [
        [(USUAL, 120)],
        [(USUAL, 30), (EMPTY, 90)],
        [(USUAL, 116), (GLARING, 4)],
        [(USUAL, 30), (EMPTY, 86), (GLARING, 4)],
        [(USUAL, 40), (SPARSE, 80)],
    ],
    ids=["usual", "mostly empty", "a few glaring", "empty and glaring", "sparse"],
)
def test_flat_field_and_offset_are_found_again(parts: list[tuple[Kind, int]]) -> None:
    illumination = estimate_illumination(as_plate(simulated(*parts)))
    assert (UNCORRECTED > 0.12).all()
    assert (errors(illumination) < 0.05).all(), errors(illumination)
    np.testing.assert_allclose(illumination["dark"], DARK, atol=20)
    np.testing.assert_allclose(illumination["flat"].mean(["y", "x"]), 1.0, rtol=1e-5)


@pytest.mark.slow
def test_correction_makes_the_plate_even(usual: xr.Dataset) -> None:
    corrected = correct_illumination(usual["image"], estimate_illumination(usual)).mean(["well", "field"])
    raw = usual["image"].mean(["well", "field"])

    def unevenness(image: xr.DataArray) -> np.ndarray:
        coarse = image.coarsen(y=32, x=32).mean()
        return np.asarray(coarse.std(["y", "x"]) / coarse.mean(["y", "x"]))

    assert (unevenness(corrected) < 0.5 * unevenness(raw)).all()


def test_an_exact_model_is_solved_exactly() -> None:
    """Noise-free uniform fields of known light: nothing but the model is left."""
    light = np.linspace(100, 2000, 60)[:, np.newaxis, np.newaxis, np.newaxis]
    flat = vignetting(DESIGN, "DNA")
    image = np.rint(DARK + flat * light[:, np.newaxis]).astype(np.uint16)
    illumination = estimate_illumination(as_plate(image))
    np.testing.assert_allclose(illumination["flat"][0], flat, rtol=2e-3)
    np.testing.assert_allclose(illumination["dark"], DARK, atol=1.0)


def test_correction_is_the_formula_and_lazy() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(100, 4000, (2, 1, 2, 8, 8)).astype(np.uint16)
    flat, dark = rng.uniform(0.5, 1.5, (2, 8, 8)).astype(np.float32), np.array([90.0, 110.0], np.float32)
    # Its channels in another order: they are met by label.
    illumination = xr.Dataset(
        {"flat": (("channel", "y", "x"), flat[::-1]), "dark": ("channel", dark[::-1])}, {"channel": ["GFP", "DNA"]}
    )
    light = correct_illumination(as_plate(image)["image"], illumination)
    assert isinstance(light.data, da.Array)
    assert light.dtype == np.float32
    assert light.dims == ("well", "field", "channel", "y", "x")
    expected = (image.astype(np.float64) - dark[:, np.newaxis, np.newaxis]) / flat
    np.testing.assert_allclose(light, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "image",
    [
        simulated((USUAL, 15)),
        np.full((30, 1, 2, 128, 128), 500, np.uint16),
        np.zeros((30, 1, 2, 128, 128), np.uint16),
    ],
    ids=["15 fields", "even", "black"],
)
def test_where_nothing_can_be_told_nothing_is_corrected(image: np.ndarray) -> None:
    illumination = estimate_illumination(as_plate(image))
    assert (illumination["flat"] == 1).all()
    assert (illumination["dark"] == 0).all()


@pytest.mark.slow
def test_absent_fields_do_not_count(usual: xr.Dataset) -> None:
    """Their zeros would be taken for dark fields."""
    holes = usual.copy()
    absent = np.arange(120) % 2 == 1
    holes["image"] = usual["image"].where(~xr.DataArray(absent, dims="well"), 0)
    holes["present"] = usual["present"] & ~xr.DataArray(absent, dims="well")
    alone = estimate_illumination(usual.isel(well=~absent))
    xr.testing.assert_identical(estimate_illumination(holes), alone)
    with pytest.raises(InputError, match="plate P1 has no usable field"):
        estimate_illumination(holes.isel(well=absent))


def test_smaller_images_are_corrected_by_a_smaller_illumination():
    flat = np.broadcast_to(np.linspace(0.5, 1.5, 64), (1, 64, 64))
    whole = xr.Dataset({"flat": (("channel", "y", "x"), flat), "dark": ("channel", [100.0])}, {"channel": ["DNA"]})
    image = whole["flat"].coarsen(y=4, x=4).mean() * 1000 + 100
    even = correct_illumination(image, shrink_illumination(whole, (16, 16)))
    assert even.to_numpy() == pytest.approx(np.full((1, 16, 16), 1000.0), rel=0.02)
