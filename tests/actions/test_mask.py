"""Masked wells: out of the fits, kept with their reason, and back as if nothing had been."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from hcskit.actions import mask_wells, masked_readouts, unmask_wells
from hcskit.errors import InputError, StoreError
from hcskit.locks import locked
from hcskit.response import fit_responses
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


def test_a_run_that_is_being_written_is_not_masked(fitted_run: Path) -> None:
    with locked(fitted_run), pytest.raises(StoreError, match="being written by process"):
        mask_wells(fitted_run, [BUBBLE], "dust")
