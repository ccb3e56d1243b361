"""A simulated plate as another program would meet it: files, tables, and the truth found again from the pixels."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.ndimage import binary_dilation, gaussian_filter, label
from scipy.optimize import curve_fit
from skimage.filters import threshold_otsu

from hcskit.errors import InputError, StoreError
from hcskit.platemap import read_plate_map
from hcskit.simulation import Compound, PlateDesign, SimulatedPlate, dilution_series, lay_out, simulate

SMALL = PlateDesign(
    name="small",
    compounds=(Compound("A", "translocation", ec50=10.0), Compound("B", "condensation", ec50=10.0)),
    concentrations=(1.0, 100.0),
    replicates=1,
    image_size=(128, 128),
    missing_wells=("B03",),
    missing_fields=(("A02", 2),),
    blurred_fields=(("A03", 1),),
)


def hashes(plate: SimulatedPlate) -> dict[str, str]:
    files = sorted(path for path in plate.folder.rglob("*") if path.is_file())
    return {str(f.relative_to(plate.folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def image(plate: SimulatedPlate, well: str, field: int, channel: str) -> np.ndarray:
    return tifffile.imread(plate.images / f"{plate.design.name}_{well}_f{field:02d}_{channel}.tif")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SimulatedPlate:
    return simulate(tmp_path_factory.mktemp("small"), SMALL, seed=1)


@pytest.mark.slow
def test_same_seed_same_files_other_seed_other_pixels(small: SimulatedPlate, tmp_path: Path) -> None:
    again = simulate(tmp_path / "again", SMALL, seed=1)
    other = simulate(tmp_path / "other", SMALL, seed=2)
    assert hashes(again) == hashes(small)
    differing = {name for name, value in hashes(other).items() if value != hashes(small)[name]}
    assert differing == {name for name in hashes(small) if name.endswith(".tif")}


def test_what_is_missing_changes_no_other_field(small: SimulatedPlate, tmp_path: Path) -> None:
    whole = simulate(tmp_path, replace(SMALL, missing_wells=(), missing_fields=()), seed=1)
    absent = {
        f"images/small_{field}_{channel}.tif"
        for field in ("A02_f02", "B03_f01", "B03_f02")
        for channel in ("DNA", "GFP")
    }
    assert set(hashes(whole)) - set(hashes(small)) == absent
    assert hashes(small).items() <= hashes(whole).items()


def test_fields_and_wells_differ_from_each_other(small: SimulatedPlate) -> None:
    digests = [value for name, value in hashes(small).items() if name.endswith(".tif")]
    assert len(set(digests)) == len(digests) == (8 * 2 - 3) * 2


def test_images_are_what_a_reader_expects(small: SimulatedPlate) -> None:
    with tifffile.TiffFile(small.images / "small_A01_f01_DNA.tif") as file:
        page = file.pages[0]
        assert (page.shape, page.dtype, len(file.pages)) == ((128, 128), np.uint16, 1)
        numerator, denominator = page.tags["XResolution"].value
    assert 1e4 / (numerator / denominator) == pytest.approx(SMALL.pixel_size)  # micrometre from pixels per centimetre


def test_camera_range_is_used_without_saturation(small: SimulatedPlate) -> None:
    pixels = np.stack([tifffile.imread(path) for path in small.images.iterdir()])
    assert pixels.max() < 4095
    assert np.percentile(pixels, 99) > 600
    assert 100 < np.percentile(pixels, 1) < 200  # offset and background


def test_blurred_field_is_out_of_focus(small: SimulatedPlate) -> None:
    def sharpness(field: int) -> float:
        smooth = gaussian_filter(image(small, "A03", field, "DNA").astype(float), 1.0)
        return float(np.var(np.diff(smooth, 2, axis=0)) / smooth.std() ** 2)

    assert sharpness(1) < sharpness(2) / 10


def test_plate_map_passes_the_check_and_lists_what_was_not_acquired(small: SimulatedPlate) -> None:
    table = read_plate_map(small.plate_map)
    assert list(table.index) == ["A01", "A02", "A03", "A04", "B01", "B02", "B03", "B04"]
    assert dict(table.loc["A02", ["compound", "concentration", "role"]]) == {
        "compound": "A",
        "concentration": 1.0,
        "role": "treatment",
    }
    assert set(table["role"]) == {"treatment", "negative_control", "positive_control"}
    negative = table[table["role"] == "negative_control"]
    assert set(negative["moa"]) == {""}
    assert negative["concentration"].isna().all()
    assert set(table.loc[table["role"] == "positive_control", "moa"]) == {"PI3K inhibitor", "antimitotic"}


def test_default_plate_map_and_truth_agree_in_units(tmp_path: Path) -> None:
    """Concentrations of a compound reported in another unit are converted, and its EC50 lies among them."""
    design = PlateDesign()
    doses = [treatment for treatment in lay_out(design) if treatment.role == "treatment"]
    for compound in design.compounds:
        own = sorted({dose.concentration for dose in doses if dose.compound == compound.name})
        assert {dose.concentration_unit for dose in doses if dose.compound == compound.name} == {compound.unit}
        assert compound.ec50 is None or own[2] < compound.ec50 < own[-3]
        assert own[-1] == {"nM": 3000.0, "uM": 3.0}[compound.unit]


def test_truth_gives_inactive_compounds_no_ec50(tmp_path: Path) -> None:
    design = replace(SMALL, compounds=(Compound("A", "translocation", ec50=10.0, moa="X"), Compound("B")))
    truth = pd.read_csv(simulate(tmp_path, design).truth).set_index("compound")
    assert truth.loc["A", "ec50"] == 10.0
    assert truth.loc["B", ["ec50", "phenotype", "hill_slope"]].isna().all()
    assert truth.loc["B", "maximum_effect"] == 0.0


def nucleus_to_cytoplasm(plate: SimulatedPlate, well: str) -> float:
    """Ratio of GFP in Otsu nuclei to GFP in a ring around them, over a well."""
    inside, ring = [], []
    for field in range(1, plate.design.fields + 1):
        dna, gfp = (image(plate, well, field, channel).astype(float) - 100.0 for channel in ("DNA", "GFP"))
        nuclei = dna > threshold_otsu(dna)
        inside.append(gfp[nuclei])
        ring.append(gfp[binary_dilation(nuclei, iterations=6) & ~binary_dilation(nuclei, iterations=2)])
    return float(np.concatenate(inside).mean() / np.concatenate(ring).mean())


def nuclear_area(plate: SimulatedPlate, well: str) -> float:
    """Median area of Otsu nuclei, in pixels, over a well."""
    areas = []
    for field in range(1, plate.design.fields + 1):
        dna = np.log(image(plate, well, field, "DNA") - 100.0)  # dim and bright nuclei alike
        areas += np.bincount(label(gaussian_filter(dna, 1.0) > threshold_otsu(dna))[0].ravel())[1:].tolist()
    return float(np.median([area for area in areas if area > 30]))


def hill(log_dose: np.ndarray, bottom: float, top: float, log_ec50: float, slope: float) -> np.ndarray:
    return bottom + (top - bottom) / (1.0 + np.exp(-slope * (log_dose - log_ec50)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phenotype", "readout", "sign"), [("translocation", nucleus_to_cytoplasm, 1), ("condensation", nuclear_area, -1)]
)
def test_truth_is_found_again_from_the_pixels(tmp_path: Path, phenotype: str, readout, sign: int) -> None:
    compound = Compound("A", phenotype, ec50=30.0, hill_slope=1.2)
    design = PlateDesign(
        compounds=(compound,),
        concentrations=dilution_series(2000.0, 4.0, 8),
        fields=5,
        image_size=(128, 128),
    )
    plate = simulate(tmp_path, design, seed=5)
    doses = read_plate_map(plate.plate_map).query("role == 'treatment'")
    measured = pd.Series([readout(plate, well) for well in doses.index], index=doses["concentration"])
    means = sign * measured.groupby(level=0).mean()
    assert means.iloc[-2:].mean() > means.iloc[2:6].mean() > means.iloc[:2].mean()
    assert np.corrcoef(means, [compound.strength(dose) for dose in means.index])[0, 1] > 0.93
    start = (measured.iloc[0], measured.iloc[-1], np.log(30.0), 1.0)
    log_ec50 = curve_fit(hill, np.log(measured.index.to_numpy()), measured.to_numpy(), start)[0][2]
    assert 0.5 < np.exp(log_ec50) / compound.ec50 < 2.0


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        simulate(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(InputError, match="is a file"):
        simulate(tmp_path / "notes.txt", SMALL)


def test_a_negative_seed_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seed -1"):
        simulate(tmp_path / "plate", SMALL, seed=-1)
    assert not (tmp_path / "plate").exists()


def test_a_killed_run_leaves_no_plate_map(tmp_path: Path) -> None:
    def interrupted(wells):
        yield wells[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, SMALL, progress=interrupted)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
    with pytest.raises(InputError, match="did not finish"):
        simulate(tmp_path, SMALL)


def test_a_folder_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="could not be written"):
        simulate(tmp_path / "file" / "plate", SMALL)


def test_progress_sees_every_acquired_well(tmp_path: Path) -> None:
    seen: list[str] = []

    def watch(wells):
        for treatment in wells:
            seen.append(treatment.well.name)
            yield treatment

    simulate(tmp_path, replace(SMALL, image_size=(32, 32)), progress=watch)
    assert seen == ["A01", "A02", "A03", "A04", "B01", "B02", "B04"]
