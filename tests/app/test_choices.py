"""What is chosen beside the wells and compounds: it is shown, and an address that holds it shows it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hcskit.actions import mask_wells, unmask_wells
from hcskit.app._cells import tile
from hcskit.app._content import Content
from hcskit.app._corrected import corrected
from hcskit.app._effective import effective_of, told_of
from hcskit.app._quantities import colours_of, label_of, limits_of, quantities, unit_of, values_of
from hcskit.app._saliency import Maps, explained
from hcskit.app._selection import _ADDRESS, Selection
from hcskit.results import write_illumination
from hcskit.screen import PlateInfo, make_plate
from hcskit.store import write_plate
from tests.fitted_run import BUBBLE, DOSES, READOUT


@pytest.mark.slow
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


def test_cells_are_shown_in_even_light_at_any_size(fitted_run: Path) -> None:
    flat = np.broadcast_to(np.linspace(0.7, 1.3, 64, dtype=np.float32), (2, 48, 64))
    dark = np.array([100, 50], np.float32)
    light = {"flat": (("channel", "y", "x"), flat), "dark": ("channel", dark)}
    write_illumination(fitted_run, "P1", xr.Dataset(light, {"channel": np.array(["DNA", "GFP"], dtype=object)}))
    content, limits = Content(fitted_run), {"DNA": (200.0, 900.0), "GFP": (200.0, 900.0)}
    for step in (1, 2):
        one = content.level(0)["P1"].sel(well=["B03"], field=[1])
        one = one.isel(y=slice(None, None, step), x=slice(None, None, step))
        even, ends = corrected(content, one, limits)
        expected = (one["image"].to_numpy().squeeze() - dark[:, None, None]) / flat[:, ::step, ::step]
        assert even["image"].to_numpy().squeeze() == pytest.approx(expected, rel=0.02)
        assert ends == {"DNA": (100.0, 800.0), "GFP": (150.0, 850.0)}
    light["dark"] = ("channel", dark + 20)
    write_illumination(fitted_run, "P1", xr.Dataset(light, {"channel": np.array(["DNA", "GFP"], dtype=object)}))
    assert corrected(Content(fitted_run), one, limits)[1] == {"DNA": (80.0, 780.0), "GFP": (130.0, 830.0)}
    raw, shown_even = (tile(content, Selection(corrected=own), 0, ("P1", "B03"), 1, 0) for own in (False, True))
    assert raw != shown_even


def test_without_a_model_saliency_says_what_makes_one(run_folder: Path, fitted_run: Path) -> None:
    maps = Maps(Content(fitted_run))
    assert "run hcskit train first" in maps.of([("P1", "A02", 1)], READOUT).said
    assert maps.of([("P1", "A02", 1)], "").said == ""
    assert explained(Content(run_folder)) == []


def test_an_address_holds_every_choice() -> None:
    chosen = Selection(effect=10, networks=True, corrected=True, explain="toxic", map="umap", coloured="plate")
    assert {"effect", "networks", "corrected", "explain", "map", "coloured"} <= set(_ADDRESS)
    assert set(_ADDRESS) == set(chosen.param) - {"name"}


def test_a_plate_without_a_map_has_no_concentrations_beside_one_with_a_map(
    treated: Callable[[Iterable[str]], pd.DataFrame], tmp_path: Path
) -> None:
    wells = ("A01", "A02")
    for name, plate_map in (("P1", treated(wells)), ("P2", None)):
        info = PlateInfo(name, wells, (1,), ("DNA",), shape=(8, 8), dtype=np.dtype(np.uint16))
        image = da.zeros((2, 1, 1, 8, 8), dtype=np.uint16, chunks=(1, 1, 1, 8, 8))
        write_plate(make_plate(info, image, np.ones((2, 1, 1), bool), plate_map), tmp_path, progress=False)
    content = Content(tmp_path)
    assert "concentration" in quantities(content)
    values = values_of(content, "concentration")
    assert values["P1"].tolist() == pytest.approx(np.log10([10e-9, 20e-9]).tolist())
    assert "P2" not in values.index or values["P2"].isna().all()
