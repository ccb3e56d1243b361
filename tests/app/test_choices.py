"""What is chosen beside the wells and compounds: it is shown, and an address that holds it shows it again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hcskit.actions import mask_wells, unmask_wells
from hcskit.app._content import Content
from hcskit.app._effective import effective_of, told_of
from hcskit.app._quantities import colours_of, label_of, limits_of, quantities, unit_of, values_of
from hcskit.app._selection import Selection
from tests.fitted_run import BUBBLE, DOSES, READOUT


def test_another_effective_concentration_is_told_with_its_interval_and_without_masked_wells(fitted_run: Path) -> None:
    content, selection = Content(fitted_run), Selection(compounds=["potent"], effect=10)
    key = ("potent", READOUT)
    assert told_of(effective_of(content, Selection(compounds=["potent"])), key, 0) == ""
    effective = effective_of(content, selection)
    assert effective is not None
    before = effective.loc[key]
    assert before["low"] < 30 * (1 / 9) ** (1 / 1.5) < before["high"]
    assert told_of(effective, key, 10).startswith(" · EC10 ")
    assert " nM (" in told_of(effective, key, 10)
    mask_wells(fitted_run, [BUBBLE], "air bubble")
    masked = effective_of(Content(fitted_run), selection)
    unmask_wells(fitted_run, [BUBBLE])
    assert masked is not None
    assert masked.loc[key]["note"] == ""  # fitted as the masking fitted it
    assert not pd.isna(masked.loc[key]["concentration"])


def test_a_plate_shows_how_far_wells_are_from_their_curve(fitted_run: Path) -> None:
    content, name = Content(fitted_run), f"residual of {READOUT}"
    assert name in quantities(content)
    values = values_of(content, name)
    assert values.abs().idxmax() == BUBBLE
    assert values.drop([BUBBLE]).abs().max() < 0.06
    low, high = limits_of(content, name, values)
    assert low == -high
    assert (colours_of(content, name), unit_of(content, name)) == ("PuOr", "")
    assert label_of(content, name) == f"{READOUT}: from the fitted curve"


def test_a_plate_shows_concentrations_in_one_unit(fitted_run: Path) -> None:
    content = Content(fitted_run)
    values = values_of(content, "concentration")
    assert unit_of(content, "concentration") == "M"
    assert values[[("P1", f"{row}02") for row in "ABCDEFGH"]].tolist() == pytest.approx(np.log10(DOSES * 1e-9).tolist())
    assert np.isnan(values["P1", "A01"])  # a negative control received none
