"""Normalisation: each method by its formula, and on the plates of a genome-wide screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hcskit.assay import METHODS, normalise, position_effects, replicate_correlation
from hcskit.errors import InputError
from hcskit.plate import Well


def plate(value: np.ndarray, name: str = "P1") -> pd.DataFrame:
    """A plate of 96 wells: negative controls in the first column, positive ones in the last."""
    wells = [Well(row, column) for row in range(8) for column in range(12)]
    roles = {0: "negative_control", 11: "positive_control"}
    role = [roles.get(well.column, "treatment") for well in wells]
    names = [well.name for well in wells]
    return pd.DataFrame({"plate": name, "well": names, "role": role, "readout": "a", "value": value.ravel()})


def test_each_method_gives_what_its_formula_says() -> None:
    x = np.random.default_rng(0).lognormal(3, 0.2, (8, 12))
    x[2, 3] = np.nan
    n, p, s = x[:, 0].mean(), x[:, 11].mean(), x[:, 1:11][~np.isnan(x[:, 1:11])]
    mad = 1.4826 * np.median(np.abs(s - np.median(s)))
    expected = {
        "percent-of-control": 100 * x / n,
        "percent-inhibition": 100 * (n - x) / (n - p),
        "robust-z": (x - np.median(s)) / mad,
    }
    for method, values in expected.items():
        found = normalise(plate(x), method)["value"].to_numpy().reshape(8, 12)
        assert found == pytest.approx(values, rel=1e-4, nan_ok=True), method


@pytest.mark.parametrize(("method", "left"), [("b-score", 0.05), ("loess", 0.3)])
def test_what_the_place_adds_is_taken_off_and_a_hit_stays(method: str, left: float) -> None:
    rng = np.random.default_rng(1)
    row, column = np.indices((8, 12))
    place = {"b-score": 3.0 * (row == 0) + 2.0 * (column % 2), "loess": 0.5 * row - 0.3 * column}[method]
    noise = rng.normal(0, 0.1, (8, 12))
    noise[4, 5] += 5.0

    found = normalise(plate(10 + place + noise), method)["value"].to_numpy().reshape(8, 12)[:, 1:11]
    scale = np.median(np.abs(found - np.median(found)))
    without = np.delete(found.ravel(), 4 * 10 + 4) / scale

    assert (found[4, 4] - np.median(found)) / scale > 20
    assert abs(np.corrcoef(without, np.delete(place[:, 1:11].ravel(), 4 * 10 + 4))[0, 1]) < left


def test_a_plate_that_lacks_what_a_method_needs_is_named() -> None:
    value = np.random.default_rng(0).normal(size=(8, 12))
    good, bad = plate(value), plate(value, "P2")
    bare = pd.concat([good, bad[bad["role"] != "positive_control"]])
    assert normalise(bare, "percent-of-control")["value"].notna().all()
    with pytest.raises(InputError, match="plate P2, readout a: no well of the role positive_control has a value"):
        normalise(bare, "percent-inhibition")
    with pytest.raises(InputError, match="plate P1, readout a: half of its 80 treatments or more read the same"):
        normalise(plate(np.ones((8, 12))), "robust-z")
    with pytest.raises(InputError, match=r"unknown method of normalisation 'z'; known: percent-of-control, .*loess"):
        normalise(good, "z")
    with pytest.raises(InputError, match="lacks role"):
        normalise(good.drop(columns="role"))


def rna_interference(folder: Path) -> pd.DataFrame:
    """The Drosophila viability screen of Boutros et al., Science 303:832 (2004): 57 x 2 plates."""
    tables = [pd.read_csv(own, sep="\t", names=["plate", "well", "value"]) for own in sorted(folder.glob("FT*.txt"))]
    table = pd.concat(tables, ignore_index=True).assign(readout="viability", role="treatment", concentration=1.0)
    table["compound"] = table["plate"].str[:4] + table["well"]
    table.loc[table["well"].isin(["A01", "A02"]), "role"] = "empty"
    table.loc[table["well"] == "B01", "role"] = "negative_control"
    return table


@pytest.mark.slow
def test_a_genome_wide_screen_loses_its_row_and_column_effects_and_keeps_its_hits(shared_data: Path) -> None:
    raw = rna_interference(shared_data / "cellhts2")
    assert raw["plate"].nunique() == 114
    shares, agreement = {}, {}
    some = raw[raw["plate"] < "FT11"]  # a surface takes a tenth of a second
    scores = {own: normalise(some if own == "loess" else raw, own) for own in METHODS if own != "percent-inhibition"}
    for name, table in {"raw": raw, **scores}.items():
        own = table[table["role"] == "treatment"]
        assert own["value"].notna().all()
        effects = position_effects(own, alike=["role"])
        shares[name] = (effects["p_value"] < 0.01).groupby(effects["effect"]).mean()
        agreement[name] = replicate_correlation(own)["spearman"].iloc[-1]

    assert (shares["raw"][["row", "column", "edge"]] > 0.85).all()
    assert (shares["b-score"] < 0.1).all()
    assert (shares["loess"] < shares["raw"]).all()
    assert agreement["robust-z"] > 0.75  # of what each well read on two plates; on the control of one well it is 0.52
    assert agreement["percent-of-control"] < agreement["robust-z"] - 0.2
    hits = scores["b-score"].pivot_table(index="compound", columns=scores["b-score"]["plate"].str[-1], values="value")
    both = (hits < -3).all(axis=1)
    assert both.mean() > 5 * (hits < -3).mean().prod()
