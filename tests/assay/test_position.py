"""Position effects and replicates: planted effects are found, and without one 5 % of tests say so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, chi2, kruskal, mannwhitneyu, spearmanr

from hcskit.assay import position_effects, replicate_correlation
from hcskit.errors import InputError
from hcskit.plate import Well

WELLS = [Well(row, column) for row in range(8) for column in range(12)]
ROW, COLUMN = np.array([(well.row, well.column) for well in WELLS]).T
EDGE = (ROW == 0) | (ROW == 7) | (COLUMN == 0) | (COLUMN == 11)


def plate(value: np.ndarray, treatment: np.ndarray | None = None, name: str = "P1") -> pd.DataFrame:
    compound = "none" if treatment is None else treatment.astype(str)
    table = {"plate": name, "well": [well.name for well in WELLS], "role": "treatment", "readout": "a"}
    return pd.DataFrame(table | {"compound": compound, "concentration": 1.0, "value": value})


def test_one_treatment_gives_the_classical_rank_statistics() -> None:
    value = np.random.default_rng(0).normal(size=96)
    found = position_effects(plate(value)).set_index("effect")["p_value"]
    u = mannwhitneyu(value[EDGE], value[~EDGE]).statistic - EDGE.sum() * (~EDGE).sum() / 2
    statistics = {
        "row": (kruskal(*(value[i == ROW] for i in range(8))).statistic, 7),
        "column": (kruskal(*(value[i == COLUMN] for i in range(12))).statistic, 11),
        "edge": (12 * u**2 / (EDGE.sum() * (~EDGE).sum() * 97), 1),
        "drift": (95 * spearmanr(value, np.arange(96)).statistic ** 2, 1),
    }
    for name, (statistic, df) in statistics.items():
        assert found[name] == pytest.approx(beta.sf(statistic / 95, df / 2, (95 - df) / 2)), name
        assert found[name] == pytest.approx(chi2.sf(statistic, df), abs=0.02), name


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["gaussian", "heavy-tailed", "lognormal"])
def test_five_of_a_hundred_plates_without_an_effect_show_one(noise: str) -> None:
    """With treatments of different effects and sizes: they must not look like an effect of the place."""
    rng = np.random.default_rng(1)
    draw = {
        "gaussian": lambda: rng.normal(size=96),
        "heavy-tailed": lambda: rng.standard_t(2, 96),
        "lognormal": lambda: rng.lognormal(0, 1, 96),
    }[noise]
    treatment = np.repeat(np.arange(16), [30, 30, *[2] * 10, *[4] * 4])
    tables = []
    for number in range(600):
        own = rng.permutation(treatment)
        tables.append(plate(draw() + 5.0 * own, own, f"P{number}"))
    found = position_effects(pd.concat(tables))
    rate = (found["p_value"] < 0.05).groupby(found["effect"]).mean()
    assert rate.between(0.03, 0.07).all(), rate


@pytest.mark.parametrize(
    ("effect", "shape", "size", "where"),
    [
        ("edge", EDGE * 2.0, 2.0, ""),
        ("row", (ROW == 3) * 2.0, 2.0 * 7 / 8, "D"),
        ("column", (COLUMN == 4) * -2.0, -2.0 * 11 / 12, "5"),
        ("drift", np.linspace(0, 3, 96), 3.0, ""),
    ],
)
def test_a_planted_effect_is_found_measured_and_named(effect, shape, size, where) -> None:
    rng = np.random.default_rng(2)
    found = position_effects(plate(rng.normal(0, 0.3, 96) + shape)).set_index("effect").loc[effect]
    assert found["p_value"] < 1e-3
    assert found["size"] == pytest.approx(size, abs=0.25)
    assert found["where"] == where


def test_treatments_in_single_wells_say_nothing_unless_roles_are_alike() -> None:
    table = plate(np.where(EDGE, 1.0, 0.0) + np.arange(96) * 1e-3, np.arange(96))
    assert position_effects(table)["p_value"].isna().all()
    assert (position_effects(table)["n_wells"] == 0).all()
    assert position_effects(table, alike=["role"]).set_index("effect").loc["edge", "p_value"] < 1e-6


def test_controls_in_one_column_tell_nothing_of_columns() -> None:
    table = plate(np.random.default_rng(3).normal(size=96))[COLUMN == 2]
    found = position_effects(table).set_index("effect")["p_value"]
    assert np.isnan(found["column"])
    assert np.isnan(found["row"])  # one well a row
    assert 0 <= found["edge"] <= 1


def test_missing_columns_are_named() -> None:
    with pytest.raises(InputError, match="lacks concentration"):
        position_effects(plate(np.zeros(96)).drop(columns="concentration"))
    with pytest.raises(InputError, match="lacks role"):
        replicate_correlation(plate(np.zeros(96)).drop(columns="role"))


def test_replicates_correlate_as_much_as_treatments_differ() -> None:
    """Treatments with variance 1, plates of replicates with noise of variance 0.5: the correlation is 2/3."""
    rng = np.random.default_rng(4)
    effect = rng.normal(size=96)
    plates = [plate(effect + rng.normal(0, 0.5**0.5, 96), np.arange(96), f"P{i}") for i in range(40)]
    found = replicate_correlation(pd.concat(plates)).set_index("pairs")
    two = found.loc["two plates"]
    assert two["pearson"] == pytest.approx(effect.var() / (effect.var() + 0.5), abs=0.03)
    assert (two["n_pairs"], two["n_treatments"]) == (96 * 40 * 39 // 2, 96)
    assert np.isnan(found.loc["one plate", "pearson"])


def test_two_replicates_give_fishers_intraclass_correlation() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=96)
    y = x + rng.normal(size=96)
    both = pd.concat([plate(x, np.arange(96), "P1"), plate(y, np.arange(96), "P2")])
    mean = (x.mean() + y.mean()) / 2
    variance = (((x - mean) ** 2).sum() + ((y - mean) ** 2).sum()) / 192
    expected = ((x - mean) * (y - mean)).mean() / variance
    assert replicate_correlation(both).set_index("pairs").loc["two plates", "pearson"] == pytest.approx(expected)
