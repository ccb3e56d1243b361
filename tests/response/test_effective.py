"""Effective concentrations of compounds that have been fitted, by their formula and by the fits of the whole screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hcskit.errors import InputError
from hcskit.response import effective_concentrations, fit_compounds, fit_responses, hill
from hcskit.results import READOUTS, RESPONSES, read_table
from tests.fitted_run import LONG, READOUT

DOSES = np.repeat(np.geomspace(1.0, 1000.0, 10), 2)


def wells(ec50: float, compound: str = "one") -> pd.DataFrame:
    names = [f"{row}{column:02d}" for row in "AB" for column in range(1, 13)]
    rng = np.random.default_rng(1)
    concentration = np.concatenate([DOSES, np.zeros(4)])
    return pd.DataFrame(
        {
            "plate": "P1",
            "well": names,
            "role": np.where(concentration > 0, "treatment", "negative_control"),
            "compound": np.where(concentration > 0, compound, ""),
            "concentration": concentration,
            "concentration_unit": "nM",
            "readout": "dead",
            "value": hill(concentration, 0.0, 1.0, ec50, 1.5) + rng.normal(0, 0.01, 24),
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_it_lies_where_the_formula_says(share: float) -> None:
    table = wells(40.0)
    row = effective_concentrations(table, fit_responses(table).responses, ["one"], share).loc[("one", "dead")]
    truth = 40.0 * (share / (1 - share)) ** (1 / 1.5)
    assert row["low"] < truth < row["high"]
    assert row["concentration"] == pytest.approx(truth, rel=0.1)
    assert row["response"] == pytest.approx(share, abs=0.02)
    assert (row["note"], row["concentration_unit"]) == ("", "nM")


def test_outside_the_tested_range_one_end_is_claimed() -> None:
    table = wells(500.0)
    responses = fit_responses(table).responses
    high = effective_concentrations(table, responses, ["one"], 0.95).loc[("one", "dead")]
    assert np.isnan(high["concentration"])
    assert high["high"] == np.inf
    assert high["low"] > 500


@pytest.mark.slow
def test_some_compounds_of_a_run_are_as_among_all(fitted_run: Path) -> None:
    readouts, responses = read_table(fitted_run, READOUTS), read_table(fitted_run, RESPONSES)
    found = effective_concentrations(readouts, responses, ["potent", LONG, "no such"], 0.5)
    potent, inactive = (found.loc[(name, READOUT)] for name in ("potent", LONG))
    assert potent[["concentration", "low", "high"]].tolist() == pytest.approx(
        responses.loc[("potent", READOUT), ["ec50", "ec50_low", "ec50_high"]].tolist()
    )
    assert inactive[["concentration", "low", "high"]].isna().all()
    assert effective_concentrations(readouts, responses, ["no such"], 0.5).empty


def test_a_fit_that_was_made_otherwise_is_not_contradicted(fitted_run: Path) -> None:
    readouts, responses = read_table(fitted_run, READOUTS), read_table(fitted_run, RESPONSES)
    other = responses.assign(ec50=responses["ec50"] * 1.01)
    row = effective_concentrations(readouts, other, ["potent"], 0.1).loc[("potent", READOUT)]
    assert np.isnan(row["concentration"])
    assert "limits of its own" in row["note"]


def test_compounds_are_fitted_again_with_the_options_of_the_table() -> None:
    positive = wells(40.0).iloc[-4:].assign(role="positive_control", compound="full", concentration=1.0, value=1.2)
    table = pd.concat([wells(40.0), positive.assign(well=["C01", "C02", "C03", "C04"])], ignore_index=True)
    first = fit_responses(table, top="positive-controls", level=0.8, least_effect=0.3)
    assert first.responses["top"].item() == 1.2
    again = fit_compounds(table, first.responses, ["one"])
    pd.testing.assert_frame_equal(again.responses, first.responses)


def test_without_positive_controls_what_the_table_calls_inactive_has_no_effect_and_no_note() -> None:
    treated = wells(40.0)
    positive = treated.iloc[-4:].assign(role="positive_control", compound="full", concentration=1.0, value=20.0)
    table = pd.concat([treated, positive.assign(well=["C01", "C02", "C03", "C04"])], ignore_index=True)
    fits = fit_responses(table)
    assert fits.responses["code"].item() == "below_full_scale"
    row = effective_concentrations(fits.points, fits.responses, ["one"], 0.1).loc[("one", "dead")]
    assert row[["concentration", "low", "high", "response"]].isna().all()
    assert row["note"] == ""


def test_a_share_is_a_share() -> None:
    table = wells(40.0)
    with pytest.raises(InputError, match=r"share 10 of the effect; expected a number between 0 and 1"):
        effective_concentrations(table, fit_responses(table).responses, ["one"], 10)
