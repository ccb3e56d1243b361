"""Masked wells: out of the fits, kept with their reason, and back as if nothing had been."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hcskit.actions import fit_wells, mask_wells, masked_as_fitted, masked_readouts, read_masks, unmask_wells
from hcskit.errors import InputError, StoreError
from hcskit.locks import locked
from hcskit.response import fit_responses, hill
from hcskit.response._points import REQUIRED
from hcskit.results import CURVES, POINTS, READOUTS, RESPONSES, read_table, write_table
from hcskit.run import open_run
from tests.fitted_run import BUBBLE, TRUE_EC50

KEYS = {"points": ["plate", "well", "readout"], "curves": ["compound", "readout", "concentration"]}


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    run = open_run(folder)
    tidy = {name: run.read(name).sort_values(keys).reset_index(drop=True) for name, keys in KEYS.items()}
    return {"responses": run.responses, "hits": run.hits, **tidy}


def assert_same(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found[name], frame)


def two_plates() -> pd.DataFrame:
    """Two plates with a compound each, of all and of 15 % of the effect of the positive controls; one of controls."""
    rng, rows = np.random.default_rng(3), []
    for plate, top in (("P1", 1.0), ("P2", 0.15), ("controls", 0.0)):
        wells = [("negative_control", "", 0.0, 0.0)] * 6 + [("positive_control", "pos", 1.0, 1.0)] * 4
        if top:
            doses = np.repeat(np.geomspace(1.0, 1000.0, 6), 2)
            effects = hill(doses, 0.0, top, 40.0, 1.5)
            wells += [("treatment", f"of {plate}", dose, effect) for dose, effect in zip(doses, effects, strict=True)]
        for number, (role, compound, dose, effect) in enumerate(wells):
            place = (plate, f"{'ABCD'[number // 6]}{number % 6 + 1:02d}", role, compound, dose, "nM")
            rows.append((*place, "intensity", 500 + 400 * effect + rng.normal(0, 8)))
    return pd.DataFrame(rows, columns=list(REQUIRED))


@pytest.fixture
def small_run(tmp_path: Path) -> Path:
    """What prediction would leave of them."""
    write_table(tmp_path, READOUTS, two_plates())
    return tmp_path


@pytest.mark.slow
def test_a_masked_run_is_fitted_with_the_options_of_the_first_fit(small_run: Path) -> None:
    def fit() -> None:
        fit_wells(small_run, method="percent-inhibition", level=0.9, least_effect=0.2, say=lambda _: None)

    fit()
    before = tables(small_run)
    assert before["responses"].loc["of P1", "top"].item() == pytest.approx(100, abs=5)
    assert before["responses"].loc["of P2", "category"].item() == "inactive"
    wells = [("P1", "A02"), ("P1", "B02"), ("P1", "C05")]  # a control of each kind, a treatment
    mask_wells(small_run, wells, "air bubble")
    masked, masks = tables(small_run), read_masks(small_run)
    fit()
    assert_same(masked, tables(small_run))
    crosses = masked_as_fitted(two_plates(), masks, masked["responses"])
    assert list(zip(crosses["plate"], crosses["well"], strict=True)) == wells
    own = before["points"].set_index(["plate", "well"])["value"]
    assert crosses["value"].iloc[-1] == pytest.approx(own[wells[-1]], abs=2)  # of 100
    unmask_wells(small_run, wells)
    assert_same(tables(small_run), before)


@pytest.mark.slow
@pytest.mark.parametrize("wells", [[BUBBLE], [("P1", "B01")], [("P1", "C03"), ("P1", "D05"), ("P1", "A12")]])
def test_a_masked_run_is_as_if_fitted_without_the_wells(fitted_run: Path, wells: list[tuple[str, str]]) -> None:
    before = tables(fitted_run)
    masks = mask_wells(fitted_run, wells, " air bubble ", who="ada")
    fits = fit_responses(masked_readouts(fitted_run))
    whole = {"responses": fits.responses, "points": fits.points, "curves": fits.curves}
    expected = {
        name: frame.sort_values(KEYS[name]).reset_index(drop=True) for name, frame in whole.items() if name in KEYS
    }
    assert_same(tables(fitted_run), {"responses": fits.responses, "hits": fits.hits, **expected})
    assert masks.index.tolist() == sorted(wells)
    assert set(masks["reason"]) == {"air bubble"}
    assert set(masks["who"]) == {"ada"}
    assert unmask_wells(fitted_run, wells).empty
    assert_same(tables(fitted_run), before)


@pytest.mark.slow
def test_masking_a_bad_well_brings_the_fit_nearer_to_the_truth(fitted_run: Path) -> None:
    key = ("potent", "PI3K inhibitor")
    before = open_run(fitted_run).responses.loc[key]
    mask_wells(fitted_run, [BUBBLE], "air bubble")
    after = open_run(fitted_run).responses.loc[key]
    unmask_wells(fitted_run, [BUBBLE])
    assert after["n_missing"] == before["n_missing"] + 1
    assert abs(after["ec50"] / TRUE_EC50["potent"] - 1) < 0.1
    assert after["rmse"] < before["rmse"] or "C03" in before["deviating_wells"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wells", "reason", "message"),
    [
        ([BUBBLE], "  ", "with a reason"),
        ([("P1", "Z99")], "dust", "P1 Z99 has no readout"),
        ([], "dust", "no well is named"),
    ],
)
def test_what_cannot_be_masked_changes_nothing(
    fitted_run: Path, wells: list[tuple[str, str]], reason: str, message: str
) -> None:
    before = tables(fitted_run)
    with pytest.raises(InputError, match=message):
        mask_wells(fitted_run, wells, reason)
    with pytest.raises(InputError, match="is not masked"):
        unmask_wells(fitted_run, [BUBBLE])
    assert_same(tables(fitted_run), before)


def test_a_well_of_a_plate_of_controls_is_masked_without_fitting(small_run: Path) -> None:
    fits = fit_responses(two_plates())  # without hits: they take seconds
    for table, frame in ((RESPONSES, fits.responses), (POINTS, fits.points), (CURVES, fits.curves)):
        write_table(small_run, table, frame)
    fitted = RESPONSES.path(small_run).read_bytes()
    assert mask_wells(small_run, [("controls", "A02")], "dust").index.tolist() == [("controls", "A02")]
    left = pd.MultiIndex.from_frame(read_table(small_run, POINTS)[["plate", "well"]])
    assert ("controls", "A02") not in left
    assert ("controls", "A01") in left
    with pytest.raises(InputError, match="no well is named"):
        unmask_wells(small_run, [])
    assert unmask_wells(small_run, [("controls", "A02")]).empty
    pd.testing.assert_frame_equal(read_table(small_run, POINTS), fits.points)
    assert RESPONSES.path(small_run).read_bytes() == fitted


@pytest.mark.slow
def test_a_mask_that_cannot_be_written_whole_is_not_listed(small_run: Path) -> None:
    fit_wells(small_run, say=lambda _: None)
    before = tables(small_run)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A table of masks has room, one of fits has not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (RESPONSES.path(small_run).stat().st_size // 2, limits[1]))
    try:
        with pytest.raises(StoreError, match="could not be written"):
            mask_wells(small_run, [("P1", "C05")], "dust")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read_masks(small_run).empty
    assert_same(tables(small_run), before)


def test_a_run_that_is_being_written_is_not_masked(fitted_run: Path) -> None:
    with locked(fitted_run), pytest.raises(StoreError, match="being written by process"):
        mask_wells(fitted_run, [BUBBLE], "dust")
