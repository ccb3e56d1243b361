"""From a tidy table of wells to tables of fits, points and curves."""

import numpy as np
import pandas as pd
import pytest

from hcskit.errors import InputError, UnitError
from hcskit.response import fit_hill, fit_responses, hill

SERIES = np.geomspace(1.0, 3.0**9, 10)


def plate(name: str = "p1", offset: float = 0.0, seed: int = 0, **ec50s: float) -> pd.DataFrame:
    """One plate: eight wells of each control and two of each concentration; two readouts, the second upside down."""
    rng = np.random.default_rng(seed)
    wells = [("negative_control", "DMSO", np.nan, "")] * 8 + [("positive_control", "Max", 1e4, "nM")] * 8
    wells += [("treatment", name, c, "nM") for name in ec50s for c in SERIES.repeat(2)]
    wells += [("empty", "", np.nan, "")]
    table = pd.DataFrame(wells, columns=["role", "compound", "concentration", "concentration_unit"])
    strength = hill(table["concentration"].fillna(0.0), 0.0, 1.0, table["compound"].map(ec50s).fillna(1.0), 1.3)
    strength[table["role"] == "negative_control"] = 0.0
    table = table.assign(
        plate=name, well=[f"{'ABCDEFGH'[i // 12]}{i % 12 + 1:02d}" for i in range(len(table))], moa="x"
    )
    values = strength + offset + rng.normal(0, 0.03, len(table))
    return pd.concat(
        [table.assign(readout="nuclear", value=values), table.assign(readout="diffuse", value=1 - values)],
        ignore_index=True,
    )


def test_every_compound_and_readout_has_a_row_with_its_truth_inside_the_interval() -> None:
    tables = fit_responses(plate(alpha=50.0, beta=900.0, nothing=1e12))

    responses = tables.responses
    assert list(responses.index) == [
        (compound, readout) for compound in ("alpha", "beta", "nothing") for readout in ("diffuse", "nuclear")
    ]
    active = responses.drop(index="nothing")
    truth = active.index.get_level_values("compound").map({"alpha": 50.0, "beta": 900.0})
    assert (active["category"] == "active").all()
    assert ((active["ec50_low"] < truth) & (truth < active["ec50_high"])).all()
    assert (responses.loc["nothing", "category"] == "inactive").all()
    assert responses.loc["nothing", "ec50"].isna().all()
    assert active.loc["alpha", "top"].to_numpy() == pytest.approx([0.0, 1.0], abs=0.05)
    assert (responses[["n_wells", "n_controls", "n_concentrations"]] == [20, 8, 10]).all(axis=None)
    assert responses[["tested_low", "tested_high"]].to_numpy() == pytest.approx(np.tile([1.0, 3.0**9], (6, 1)))
    assert (responses["concentration_unit"] == "nM").all()
    assert (responses["note"] != "").all()


def test_a_row_is_the_fit_of_the_treated_wells_and_the_negative_controls() -> None:
    points = plate(alpha=50.0)
    wells = points[(points["readout"] == "nuclear") & points["role"].isin(["treatment", "negative_control"])]

    row = fit_responses(points).responses.loc[("alpha", "nuclear")]

    fit = fit_hill(wells["concentration"].fillna(0.0), wells["value"])
    assert [row["ec50"], row["ec50_low"], row["hill_slope"], row["p_value"]] == pytest.approx(
        [fit.ec50, fit.ec50_low, fit.hill_slope, fit.p_value]
    )


def test_the_points_are_the_fitted_wells_as_given() -> None:
    points = plate(alpha=50.0)
    points.loc[20, "value"] = np.nan

    fitted = fit_responses(points).points

    assert len(fitted) == 2 * 28 - 1
    assert set(fitted["role"]) == {"treatment", "negative_control"}
    controls = fitted[fitted["role"] == "negative_control"]
    assert (controls["concentration"] == 0).all()
    assert (controls["compound"] == "").all()
    assert (fitted["moa"] == "x").all()
    assert list(fitted.columns) == list(points.columns)


def test_the_curves_span_the_tested_range_inside_their_bands() -> None:
    curves = fit_responses(plate(alpha=50.0, nothing=1e12)).curves

    assert list(curves.columns) == [
        *("compound", "readout", "concentration", "concentration_unit", "value", "low", "high")
    ]
    for _, curve in curves.groupby(["compound", "readout"]):
        assert len(curve) == 100
        assert curve["concentration"].iloc[[0, -1]].to_numpy() == pytest.approx([1.0, 3.0**9])
        assert ((curve["low"] < curve["value"]) & (curve["value"] < curve["high"])).all()


def test_only_the_controls_of_a_compounds_own_plates_count() -> None:
    first, second = plate("p1", alpha=50.0), plate("p2", offset=5.0, seed=1, beta=50.0)

    together = fit_responses(pd.concat([first, second])).responses

    pd.testing.assert_frame_equal(together.loc[["alpha"]], fit_responses(first).responses)
    assert together.loc[("beta", "nuclear"), "bottom"] == pytest.approx(5.0, abs=0.05)


def test_an_offset_between_plates_is_named_and_changes_nothing() -> None:
    aligned = fit_responses(pd.concat([plate("p1", alpha=50.0), plate("p2", seed=1, alpha=50.0)])).responses
    shifted = fit_responses(pd.concat([plate("p1", alpha=50.0), plate("p2", 0.4, 1, alpha=50.0)])).responses

    one, other = aligned.loc[("alpha", "nuclear")], shifted.loc[("alpha", "nuclear")]
    assert (one["n_wells"], one["n_controls"]) == (40, 16)
    assert "untreated level" not in one["note"]
    assert "differ by 0.4: each plate has its own untreated level" in other["note"]
    assert other[["ec50", "ec50_low", "ec50_high"]].tolist() == pytest.approx(
        one[["ec50", "ec50_low", "ec50_high"]].tolist(), rel=1e-4
    )


def test_the_positive_controls_are_the_full_scale() -> None:
    points = plate(alpha=50.0)
    treated = points["role"] == "treatment"
    base = points["readout"].map({"nuclear": 0.0, "diffuse": 1.0})
    points.loc[treated, "value"] = base + 0.25 * (points["value"] - base)

    row = fit_responses(points).responses.loc[("alpha", "diffuse")]

    assert row["category"] == "partial"
    assert "positive controls" in row["note"]


def test_it_works_without_any_control_and_with_categorical_columns() -> None:
    points = plate(alpha=50.0).astype({"plate": "category", "compound": "category", "readout": "category"})

    row = fit_responses(points[points["role"] == "treatment"]).responses.loc[("alpha", "nuclear")]

    assert row["n_controls"] == 0
    assert row["ec50_low"] < 50.0 < row["ec50_high"]


def test_a_treatment_at_zero_concentration_is_a_control_of_its_compound_alone() -> None:
    points = plate(alpha=50.0, beta=900.0)
    zeros = points[(points["compound"] == "alpha") & (points["concentration"] == 1.0)].index
    points.loc[zeros, "concentration"] = 0.0

    responses = fit_responses(points).responses

    assert responses.loc[("alpha", "nuclear"), ["n_wells", "n_controls", "n_concentrations"]].tolist() == [18, 10, 9]
    assert responses.loc[("beta", "nuclear"), "n_controls"] == 8


def test_missing_values_are_counted_and_a_compound_without_any_is_not_fitted() -> None:
    points = plate(alpha=50.0, beta=900.0)
    points.loc[points.index[points["compound"] == "alpha"][:3], "value"] = np.nan
    points.loc[points["compound"] == "beta", "value"] = np.nan

    tables = fit_responses(points)

    alpha, beta = (tables.responses.loc[(name, "nuclear")] for name in ("alpha", "beta"))
    assert (alpha["n_wells"], alpha["n_missing"]) == (17, 3)
    assert "3 well(s) without a value" in alpha["note"]
    assert (beta["category"], beta["n_wells"], beta["n_missing"]) == ("not fitted", 0, 20)
    assert set(tables.curves["compound"]) == {"alpha"}


def test_units_of_one_quantity_are_converted_and_others_refused() -> None:
    points = plate(alpha=50.0)
    treated = points.index[points["role"] == "treatment"]
    points.loc[treated, "concentration_unit"] = "µM"
    points.loc[treated[:5], "concentration_unit"] = "uM"
    tables = fit_responses(points)
    assert (tables.responses["concentration_unit"] == "uM").all()
    assert (tables.points.loc[tables.points["role"] == "treatment", "concentration_unit"] == "uM").all()

    points.loc[treated[:5], "concentration_unit"] = "nM"
    points.loc[treated[:5], "concentration"] *= 1000
    converted = fit_responses(points)
    pd.testing.assert_frame_equal(converted.responses, tables.responses, rtol=1e-5)

    points.loc[treated[:5], "concentration_unit"] = "mg/mL"
    with pytest.raises(UnitError, match=r"alpha is given in several units \(mg/mL, uM\)"):
        fit_responses(points)


@pytest.mark.slow
@pytest.mark.parametrize("one_plate", [True, False])
@pytest.mark.parametrize(("name", "values"), [("cell_line", ("A549", "HeLa")), ("hours", (24.0, 72.0))])
def test_what_a_carried_column_tells_apart_is_fitted_apart_or_refused(
    name: str, values: tuple[object, object], one_plate: bool
) -> None:
    first, second = (
        plate("p1" if one_plate else own, ec50, seed=seed, alpha=ec50).assign(**{name: value})
        for own, ec50, seed, value in (("p1", 50.0, 0, values[0]), ("p2", 2000.0, 1, values[1]))
    )
    first["value"], second["value"] = first["value"] - 50.0, second["value"] - 2000.0
    second["well"] = "X" + second["well"]
    points = pd.concat([first, second])

    with pytest.raises(InputError, match=rf"compound alpha has 2 values in column {name}.*by=\['{name}'\]"):
        fit_responses(points)
    tables = fit_responses(points, by=[name])

    assert tables.responses.index.names == ["compound", "readout", name]
    for value, truth in zip(values, (50.0, 2000.0), strict=True):
        row = tables.responses.loc[("alpha", "nuclear", str(value))]
        assert row["ec50_low"] < truth < row["ec50_high"]
        assert row["n_controls"] == 8
    assert set(tables.curves[name]) == set(map(str, values))


def test_a_deviating_well_is_named() -> None:
    points = plate(alpha=50.0)
    index = points.index[(points["readout"] == "nuclear") & (points["concentration"] == 1.0)][0]
    points.loc[index, "value"] += 3.0

    row = fit_responses(points).responses.loc[("alpha", "nuclear")]

    assert row["deviating_wells"] == f"p1 {points.loc[index, 'well']}"
    assert row["deviating_wells"] in row["note"]
    assert (row["category"], row["n_wells"]) == ("active", 19)


def test_two_spellings_of_a_compound_are_a_warning() -> None:
    with pytest.warns(UserWarning, match="'Alpha', 'alpha' may be one compound"):
        tables = fit_responses(pd.concat([plate("p1", alpha=50.0), plate("p2", seed=1, Alpha=50.0)]))

    assert set(tables.responses.index.get_level_values("compound")) == {"alpha", "Alpha"}


def test_texts_that_are_no_numbers_are_named_and_missing_values_are_known_by_many_names() -> None:
    points = plate(alpha=50.0).astype({"value": object})
    treated = points.index[points["role"] == "treatment"]
    points.loc[treated[:3], "value"] = ["NA", "", "n/a"]
    assert fit_responses(points).responses["n_missing"].sum() == 3

    points.loc[treated[3], "value"] = "<1"
    with pytest.raises(InputError, match=r"plate p1, well .*: value '<1' is not a number"):
        fit_responses(points)


def test_a_role_that_is_misspelled_is_guessed() -> None:
    points = plate(alpha=50.0)
    points["role"] = points["role"].replace("treatment", "Treatment")

    with pytest.raises(InputError, match="'Treatment'; did you mean 'treatment'"):
        fit_responses(points)


def test_the_limits_of_a_readout_are_for_that_readout() -> None:
    points = plate(alpha=50.0)

    responses = fit_responses(points, limits={"nuclear": (-0.01, 0.9)}).responses

    assert responses.loc[("alpha", "nuclear"), "top"] == pytest.approx(0.9)
    assert responses.loc[("alpha", "diffuse"), "bottom"] > 0.95
    with pytest.raises(InputError, match="limits are given for other"):
        fit_responses(points, limits={"other": (0.0, 1.0)})


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("concentration", np.nan, "needs a concentration"),
        ("concentration", -1.0, "needs a concentration"),
        ("compound", "", "needs a compound"),
        ("role", "sample", "role is not one of"),
        ("well", "A01", "listed twice"),
        ("readout", None, "readout is missing"),
        ("value", np.inf, "the value is infinite"),
    ],
)
def test_a_faulty_well_is_named(column: str, value: object, message: str) -> None:
    points = plate(alpha=50.0)
    points.loc[points.index[points["role"] == "treatment"][0], column] = value

    with pytest.raises(InputError, match=message) as error:
        fit_responses(points)

    assert "plate p1, well" in str(error.value)


def test_a_missing_column_and_a_plate_without_treatments_are_refused() -> None:
    points = plate(alpha=50.0)

    with pytest.raises(InputError, match="lacks role, value"):
        fit_responses(points.drop(columns=["role", "value"]))
    with pytest.raises(InputError, match="nothing to fit"):
        fit_responses(points[points["role"] != "treatment"])


def test_the_columns_of_networks_widen_the_intervals() -> None:
    concentration = np.geomspace(1, 1000, 8).repeat(2)
    each = [hill(concentration, 0, 1, ec50, 1.5) for ec50 in (20, 30, 45)]
    table = pd.DataFrame(
        {
            "plate": "p",
            "well": [f"A{n:02d}" for n in range(16)],
            "role": "treatment",
            "compound": "a",
            "concentration": concentration,
            "concentration_unit": "nM",
            "readout": "active",
            "value": np.mean(each, axis=0),
        }
    )
    networks = table.assign(**{f"network_{number}": own for number, own in enumerate(each, 1)})
    alone, fit = (fit_responses(points).responses.loc[("a", "active")] for points in (table, networks))
    assert fit["ec50_spread"] == pytest.approx(np.log10(1.5), rel=0.05)
    assert fit["ec50_low"] < alone["ec50_low"] < fit["ec50"] < alone["ec50_high"] < fit["ec50_high"]


def test_a_bell_that_rises_at_the_first_dose_is_placed_whatever_is_fitted_beside_it() -> None:
    c = np.array([0, 0.152, 0.457, 1.37, 4.12, 12.3, 37, 111, 333, 1000, 3000]).repeat(2)
    # So far apart that the fall does not move the half-way point of the rise at all.
    bell = hill(c, 0, 1, 0.15, 8) * (1 - hill(c, 0, 1, 50, 8))
    noise = np.random.default_rng(0).normal(0, 0.05, (2, len(c)))
    wells = pd.DataFrame({"plate": "p", "readout": "x", "role": "treatment", "concentration": c}).assign(
        concentration_unit="nM"
    )
    controls = wells["concentration"] == 0
    table = pd.concat(
        [
            wells.assign(compound="bell", value=bell + noise[0]),
            wells[~controls].assign(compound="sigmoid", value=(hill(c, 0, 1, 20, 1) + noise[1])[~controls]),
        ],
        ignore_index=True,
    )
    table.loc[table["concentration"] == 0, ["role", "compound"]] = "negative_control", ""
    table["well"] = [f"{'ABCDEFGH'[i // 12]}{i % 12 + 1:02d}" for i in range(len(table))]
    found = fit_responses(table).responses.droplevel("readout")
    assert found["category"].to_dict() == {"bell": "bell-shaped", "sigmoid": "active"}
    assert found.loc["bell", "ec50_low"] < 0.15 < found.loc["bell", "ec50_high"]
    assert found.loc["bell", "ec50_fall"] == pytest.approx(50, rel=0.5)


def test_a_titrated_positive_control_has_a_curve_and_its_highest_dose_tells_the_full_scale() -> None:
    table = plate(alpha=50.0)
    positive = table["role"] == "positive_control"
    series = table.assign(concentration=table["concentration"].mask(positive, np.resize(np.geomspace(1, 1e4, 8), 176)))
    nuclear = series["value"] + hill(series["concentration"], -0.7, 1.3, 50.0, 1.5) - 1.0
    series["value"] = series["value"].mask(positive & (table["readout"] == "nuclear"), nuclear)

    tables = fit_responses(series)

    own = tables.responses.loc[("Max", "nuclear")]
    assert own["ec50_low"] < 50 < own["ec50_high"]
    assert (tables.points["compound"] == "Max").sum() == 16
    assert tables.responses.loc[("alpha", "nuclear"), "category"] == "active"  # the full scale is 1.3, not the median
    assert "Max" not in fit_responses(table).responses.index


def test_the_top_may_be_that_of_the_positive_controls() -> None:
    table = plate(alpha=2e4)
    free, fixed = fit_responses(table).responses, fit_responses(table, top="positive-controls").responses
    known = table[table["role"] == "positive_control"].groupby("readout")["value"].median()

    assert fixed.loc["alpha", "top"].to_numpy() == pytest.approx(known.to_numpy())
    assert np.abs(free.loc["alpha", "top"].to_numpy() - known.to_numpy()).max() > 1e-3
    width = [np.log(own.loc["alpha", "ec50_high"] / own.loc["alpha", "ec50_low"]) for own in (free, fixed)]
    assert (width[1] < width[0]).all()
    with pytest.raises(InputError, match="its plates have none that differ from the negative controls"):
        fit_responses(table[table["role"] != "positive_control"], top="positive-controls")


def test_the_doses_of_a_series_that_serve_as_positive_controls_belong_to_its_curve() -> None:
    table = plate(alpha=1000.0, beta=20.0)
    table["value"] = table["value"].where(table["role"] != "positive_control", 1 - (table["readout"] == "diffuse"))
    high = (table["compound"] == "alpha") & (table["concentration"] > 2000)
    reserved = table.assign(role=table["role"].mask(high, "positive_control"))

    whole, found = fit_responses(table).responses, fit_responses(reserved)

    for readout in ("nuclear", "diffuse"):
        assert found.responses.loc[("alpha", readout), "ec50"] == pytest.approx(whole.loc[("alpha", readout), "ec50"])
        assert found.responses.loc[("alpha", readout), "tested_high"] == SERIES[-1]
    assert (found.points["compound"] == "alpha").sum() == 2 * 20
    # Wells at a dose that is tested as well are controls: they may lie elsewhere on the plate, and be many.
    again = table[table["compound"].eq("alpha") & table["concentration"].eq(SERIES[-1])]
    again = again.assign(role="positive_control", well="H0" + (again.groupby("readout").cumcount() + 1).astype(str))
    assert (fit_responses(pd.concat([table, again])).points["compound"] == "alpha").sum() == 2 * 20
