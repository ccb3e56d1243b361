"""Hits: on plates where nothing acts the stated share is called, whatever the noise; on others the actives are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from hcskit.errors import InputError
from hcskit.plate import Well
from hcskit.response import hill, score_hits

DOSES = np.geomspace(1, 1e4, 8).repeat(2)
Noise = Callable[[np.random.Generator, pd.DataFrame], np.ndarray]


def plates(count: int, noise: Noise, seed: int, active: int = 0) -> pd.DataFrame:
    """Plates of 384 wells: controls in the outermost columns, 22 compounds in the order of the wells."""
    rng = np.random.default_rng(seed)
    wells = [Well(row, column) for row in range(16) for column in range(24)]
    controls = [well for well in wells if well.column in (0, 23)]
    treated = [well for well in wells if well.column not in (0, 23)]
    tables = []
    for number in range(count):
        own = pd.DataFrame(
            {
                "plate": f"P{number}",
                "well": [well.name for well in controls + treated],
                "role": ["negative_control"] * len(controls) + ["treatment"] * len(treated),
                "compound": [""] * len(controls) + [f"P{number}C{i}" for i in range(22) for _ in DOSES],
                "concentration": np.concatenate([np.zeros(len(controls)), np.tile(DOSES, 22)]),
                "concentration_unit": "nM",
                "readout": "a",
            }
        )
        place = pd.DataFrame([(well.row, well.column) for well in controls + treated], columns=["row", "column"])
        acts = own["compound"].isin([f"P{number}C{i}" for i in range(active)])
        effect = np.where(acts, hill(own["concentration"], 0, 4, 100, 1.2), 0.0)
        tables.append(own.assign(value=10 + effect + noise(rng, place)))
    return pd.concat(tables, ignore_index=True)


def gaussian(rng: np.random.Generator, place: pd.DataFrame) -> np.ndarray:
    return rng.normal(size=len(place))


def one_well_off(rng: np.random.Generator, place: pd.DataFrame) -> np.ndarray:
    """In each compound one of the wells at the top dose."""
    off = np.concatenate([np.zeros(len(place) - 22 * 16), np.tile(np.arange(16) == 15, 22)])
    return np.asarray(rng.normal(size=len(place)) + 10 * off)


def drifting(rng: np.random.Generator, place: pd.DataFrame) -> np.ndarray:
    return np.asarray(rng.normal(size=len(place)) + 3 * (24 * place["row"] + place["column"]) / 384)


def edges(rng: np.random.Generator, place: pd.DataFrame) -> np.ndarray:
    on = place["row"].isin([0, 15]) | place["column"].isin([0, 23])
    return np.asarray(rng.normal(size=len(place)) + 2 * on)


NOISES = {
    "gaussian": gaussian,
    "heavy-tailed": lambda rng, place: rng.standard_t(3, len(place)),
    "lognormal": lambda rng, place: rng.lognormal(0, 1, len(place)),
    "one well off by 10 SD": one_well_off,
    "drift": drifting,
    "edges": edges,
}


@pytest.mark.slow
@pytest.mark.parametrize("noise", list(NOISES))
def test_of_inactive_compounds_the_stated_share_are_hits(noise: str) -> None:
    found = score_hits(plates(25, NOISES[noise], seed=5), permutations=99)

    assert len(found) == 550
    assert 0.02 <= found["hit"].mean() <= 0.08  # 5 %; compounds of a plate share its controls, so they vary together
    assert (found["hit"] == (found["hit_p_value"] <= 0.05)).all()
    assert (found["q_value"] < 0.05).mean() < 0.01


@pytest.mark.slow
def test_actives_are_hits_and_few_others() -> None:
    found = score_hits(plates(2, drifting, seed=1, active=4))
    active = found.index.get_level_values("compound").str.fullmatch(r"P\dC[0-3]")

    assert found.loc[active, "hit"].all()
    assert (found.loc[active, "q_value"] < 0.01).all()
    assert found.loc[~active, "hit"].mean() < 0.12
    assert (found["power"] > 0.9).mean() > 0.9
    assert found.loc[active, "hit_score"].min() > found.loc[~active, "hit_score"].quantile(0.95)
    # Benjamini and Hochberg by hand: the largest p-value is its own q-value.
    assert found["q_value"].max() == pytest.approx(found["hit_p_value"].max())
    assert (found["q_value"] >= found["hit_p_value"]).all()


@pytest.mark.slow
def test_power_falls_with_noise_and_rises_with_the_effect() -> None:
    quiet = plates(1, gaussian, seed=2)
    power = [score_hits(quiet, effect=effect, permutations=99)["power"].median() for effect in (0.5, 1.5, 4.0)]
    assert power[0] < 0.4 < power[1] < power[2]
    assert power[2] > 0.95
    lenient, strict = (score_hits(quiet, effect=1.5, false_positive_rate=rate, permutations=99) for rate in (0.2, 0.01))
    assert lenient["power"].median() > strict["power"].median()
    assert lenient["hit"].sum() >= strict["hit"].sum()


@pytest.mark.parametrize("controls", [0, 8])
def test_what_plates_differ_by_changes_neither_power_nor_p_values(controls: int) -> None:
    rng = np.random.default_rng(1)
    wells = np.append(np.zeros(controls), np.geomspace(1, 3000, 8))
    compounds = [np.where(wells > 0, f"c{i}", "") for i in range(4)]
    own = pd.DataFrame({"concentration": np.append(wells, np.tile(wells[controls:], 3))})
    own["compound"] = np.concatenate([compounds[0], *(names[controls:] for names in compounds[1:])])
    own["role"] = np.where(own["concentration"] > 0, "treatment", "negative_control")
    own["well"] = [Well(i // 12, i % 12).name for i in own.index]
    points = pd.concat([own.assign(plate=plate) for plate in ("P0", "P1")], ignore_index=True)
    points = points.assign(readout="a", concentration_unit="nM", value=rng.normal(size=len(points)))
    apart = points.assign(value=points["value"] + 20.0 * (points["plate"] == "P1"))

    alike, found = (score_hits(table, effect=1.5, permutations=99) for table in (points, apart))

    assert (alike["power"] < 0.9).all()
    pd.testing.assert_frame_equal(found, alike)


def test_the_false_discovery_rate_is_that_of_the_screen_or_of_the_plate() -> None:
    points = plates(2, gaussian, seed=3, active=2)
    screen, plate = (score_hits(points, over=over, permutations=99) for over in ("screen", "plate"))
    assert (screen["hit_p_value"] == plate["hit_p_value"]).all()
    first = plate[plate.index.get_level_values("compound").str.startswith("P0")]
    assert first["q_value"].max() == pytest.approx(first["hit_p_value"].max())
    assert not (screen["q_value"] == plate["q_value"]).all()


@pytest.mark.parametrize("controls", [0, 1, 4])
def test_one_dose_a_plate_is_scored_against_the_controls_of_its_plate_or_not_at_all(controls: int) -> None:
    """What plates differ by and what doses do cannot be told apart; only the controls tell it."""
    doses = np.geomspace(1, 1000, 4)
    rng = np.random.default_rng(0)
    rows = [(f"P{n}", dose, f"c{i}") for n, dose in enumerate(doses) for i in range(6)]
    rows += [(f"P{n}", 0.0, "") for n in range(4) for _ in range(controls)]
    points = pd.DataFrame(rows, columns=["plate", "concentration", "compound"])
    points["role"] = np.where(points["concentration"] > 0, "treatment", "negative_control")
    points["well"] = [Well(i // 12, i % 12).name for i in points.groupby("plate").cumcount()]
    level = points["plate"].map({"P0": 5.0, "P1": 0.0, "P2": 9.0, "P3": 2.0})
    value = (
        level
        + hill(points["concentration"], 0, 10, 30, 2) * (points["compound"] == "c0")
        + rng.normal(size=len(points))
    )

    found = score_hits(points.assign(value=value, readout="a", concentration_unit="nM"), permutations=99)

    assert found[["hit_p_value", "power"]].notna().to_numpy().all() == (controls > 0)
    assert found["hit"].to_numpy()[0] == (controls > 1)


def test_what_cannot_be_scored_is_not_called() -> None:
    points = plates(1, gaussian, seed=4)
    short = points[(points["compound"] != "P0C1") | (points["concentration"] < 2)].copy()
    short.loc[short["compound"] == "P0C2", "value"] = np.nan
    found = score_hits(short, permutations=99).xs("a", level="readout")
    assert found.loc[["P0C1", "P0C2"], "hit_p_value"].isna().all()
    assert not found.loc[["P0C1", "P0C2"], "hit"].any()
    with pytest.raises(InputError, match="expected a rate between 0 and 1"):
        score_hits(points, false_positive_rate=1.0)
