"""Single fields: the microscope's faults are as stated, and the cells do what they should."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label
from scipy.special import logit
from skimage.filters import threshold_otsu

from hcskit.errors import InputError
from hcskit.simulation import DARK, PlateDesign, simulate_field, vignetting
from hcskit.simulation._cells import grow


def design(**changes: object) -> PlateDesign:
    return PlateDesign(**{"image_size": (128, 128)} | changes)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def count_nuclei(dna: np.ndarray) -> int:
    smooth = gaussian_filter(dna.astype(float), 1.0)
    return int(label(smooth > threshold_otsu(smooth))[1])


def test_flat_field_divides_out_exactly_without_noise() -> None:
    tilted = simulate_field(design(noise=0.0, vignetting=0.4), {}, rng())
    plain = simulate_field(design(noise=0.0, vignetting=0.0), {}, rng())
    for index, channel in enumerate(("DNA", "GFP")):
        flat = vignetting(design(vignetting=0.4), channel)
        np.testing.assert_allclose((tilted[index] - DARK) / flat, plain[index] - DARK, atol=0.6 / flat.min() + 0.6)


def test_mean_image_of_noisy_bare_fields_shows_the_flat_field() -> None:
    bare = design(cell_density=1e-6)
    generator = rng()
    mean = np.mean([simulate_field(bare, {}, generator) for _ in range(40)], axis=0) - DARK
    for index, channel in enumerate(("DNA", "GFP")):
        seen = gaussian_filter(mean[index] / mean[index].mean(), 3.0, mode="nearest")
        flat = vignetting(bare, channel)
        assert np.ptp(flat) > 0.25
        np.testing.assert_allclose(seen, flat, atol=0.03)


def test_flat_fields_have_mean_one_and_differ_between_channels() -> None:
    dna, gfp = (vignetting(design(), channel) for channel in ("DNA", "GFP"))
    assert dna.mean() == pytest.approx(1.0, abs=1e-5)
    assert gfp.mean() == pytest.approx(1.0, abs=1e-5)
    assert np.abs(dna - gfp).max() > 0.05
    with pytest.raises(InputError, match="DNA, GFP"):
        vignetting(design(), "RFP")


def test_noise_is_that_of_a_photon_counter() -> None:
    """The difference of two exposures of a bare field has twice the variance of shot and read noise."""
    bare = design(cell_density=1e-6, vignetting=0.0)
    first, second = (simulate_field(bare, {}, rng(seed)).astype(float)[0] for seed in (1, 2))
    background = first.mean() - DARK
    assert background == pytest.approx(35.0, rel=0.02)
    assert np.var(first - second) / 2 == pytest.approx(background / 4.0 + 3.0**2 + 1 / 12, rel=0.05)


@pytest.mark.slow
def test_cell_number_follows_density_and_condensation_loses_cells() -> None:
    def cells(strengths: dict[str, float], density: float) -> float:
        fields = (
            simulate_field(design(image_size=(256, 256)), strengths, rng(seed), density=density) for seed in range(6)
        )
        return float(np.mean([count_nuclei(field[0]) for field in fields]))

    full, half, lost = cells({}, 1.0), cells({}, 0.5), cells({"condensation": 1.0}, 1.0)
    assert full == pytest.approx(800 * 0.2048**2, rel=0.25)
    assert half < 0.7 * full
    assert lost < 0.85 * full


def test_brightness_scales_the_light() -> None:
    dim, bright = (simulate_field(design(noise=0.0), {}, rng(), brightness=value) for value in (0.5, 1.0))
    background = simulate_field(design(noise=0.0, cell_density=1e-6), {}, rng()).astype(float)
    np.testing.assert_allclose(2.0 * (dim - background), bright - background, atol=2.0)


def test_cells_of_a_well_respond_around_its_strength() -> None:
    """The log odds of the cells' responses spread by the cell variability around those of the well."""
    many = {"image_size": (1024, 1024), "cell_density": 1200.0}

    def moved(strength: float, variability: float) -> np.ndarray:
        cells = grow(
            design(cell_variability=variability, **many),
            {"translocation": strength},
            rng(),
            density=1.0,
            brightness=1.0,
        )
        return np.array([cell.nuclear_fraction for cell in cells])

    rest, full = (moved(strength, 0.7)[0] for strength in (0.0, 1.0))
    responses = (moved(0.3, 0.7) - rest) / (full - rest)
    assert np.ptp(moved(0.3, 0.0)) == 0.0
    assert np.mean(logit(responses)) == pytest.approx(logit(0.3), abs=0.12)
    assert np.std(logit(responses)) == pytest.approx(0.7, rel=0.12)


def test_field_without_cells_is_background() -> None:
    field = simulate_field(design(cell_density=1e-6, noise=0.0), {}, rng())
    np.testing.assert_allclose(field[0] - DARK, 35.0 * vignetting(design(), "DNA"), atol=0.51)


@pytest.mark.parametrize("strengths", [{"apoptosis": 0.5}, {"translocation": 1.1}, {"translocation": float("nan")}])
def test_unknown_phenotype_or_strength_is_refused(strengths: dict[str, float]) -> None:
    with pytest.raises(InputError, match="phenotype"):
        simulate_field(design(), strengths, rng())


@pytest.mark.parametrize("phenotype", ["translocation", "condensation"])
def test_all_or_none_cells_respond_fully_or_not_at_all_in_the_share_that_the_strength_says(phenotype: str) -> None:
    one, generator = design(all_or_none=True, image_size=(1024, 1024)), rng()
    share = 0.3

    def looks(strength: float) -> np.ndarray:
        cells = grow(one, {phenotype: strength}, generator, density=1.0, brightness=1.0)
        return np.array([(cell.nuclear_fraction, cell.irregularity) for cell in cells])

    ends = [looks(strength)[0] for strength in (0.0, 1.0)]
    found = looks(share)
    full = (found == ends[1]).all(axis=1)
    assert (full | (found == ends[0]).all(axis=1)).all()
    assert full.mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / len(found)))
