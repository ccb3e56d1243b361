"""Z′-factor and SSMD: by hand, and what may not change them."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from hcskit.assay import control_statistics, image_readouts, ssmd, z_prime
from hcskit.screen import PlateInfo, make_plate

WELLS = st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=12)
FACTORS = st.sampled_from([-3.0, -0.01, 0.5, 7.0, 1e4])


def test_by_hand() -> None:
    # Means 10 and 2; sample standard deviations sqrt(2) and 1.
    positive, negative = [9.0, 11.0], [1.0, 2.0, 3.0]
    assert z_prime(positive, negative) == pytest.approx(1 - 3 * (2**0.5 + 1) / 8)
    assert ssmd(positive, negative) == pytest.approx(8 / 3**0.5)
    assert z_prime([5, 5], [1, 1]) == 1.0


def test_too_few_or_equal_controls_have_no_factor() -> None:
    assert np.isnan([z_prime([], [1, 2]), z_prime([1], [1, 2]), z_prime([1, 3], [2, 2])]).all()
    assert np.isnan([ssmd([], [1, 2]), ssmd([1], [1, 2]), ssmd([1, 1], [2, 2])]).all()


@pytest.mark.slow
@given(WELLS, WELLS, FACTORS, st.floats(-100, 100))
def test_gain_and_offset_of_the_camera_do_not_matter(
    positive: list[float], negative: list[float], gain: float, offset: float
) -> None:
    def camera(values: list[float]) -> list[float]:
        return [gain * value + offset for value in values]

    if np.ptp(positive) + np.ptp(negative) == 0 or np.mean(positive) == np.mean(negative):
        return
    assert z_prime(camera(positive), camera(negative)) == pytest.approx(z_prime(positive, negative), rel=1e-6)
    sign = np.sign(gain)
    assert ssmd(camera(positive), camera(negative)) == pytest.approx(sign * ssmd(positive, negative), rel=1e-6)


@given(WELLS, WELLS)
def test_changing_sides(positive: list[float], negative: list[float]) -> None:
    assert z_prime(positive, negative) == pytest.approx(z_prime(negative, positive), nan_ok=True)
    assert ssmd(positive, negative) == pytest.approx(-ssmd(negative, positive), nan_ok=True)
    assert not z_prime(positive, negative) > 1


def test_the_table_keeps_plates_and_readouts_apart() -> None:
    rows = [("P1", "negative_control", "a", value) for value in (1.0, 2.0, 3.0)]
    rows += [("P1", "positive_control", "a", value) for value in (9.0, 11.0, np.nan)]
    rows += [("P1", "treatment", "a", 1e6), ("P2", "negative_control", "b", 1.0)]
    wells = pd.DataFrame(rows, columns=["plate", "role", "readout", "value"])
    table = control_statistics(wells.assign(well=[f"A{i:02d}" for i in range(1, len(rows) + 1)]))
    first, second = table.set_index(["plate", "readout"]).to_dict("index").values()
    assert first["z_prime"] == pytest.approx(1 - 3 * (2**0.5 + 1) / 8)
    assert (first["negative_mean"], first["negative_sd"], first["n_negative"]) == (2.0, 1.0, 3)
    assert (first["positive_mean"], first["positive_sd"], first["n_positive"]) == (10.0, pytest.approx(2**0.5), 2)
    assert (second["n_negative"], second["n_positive"]) == (1, 0)
    assert np.isnan(second["z_prime"])


def test_a_dead_control_well_is_named_beside_both_factors() -> None:
    rng = np.random.default_rng(0)
    wells = pd.DataFrame(
        {
            "plate": "P1",
            "well": [f"{row}{column:02d}" for column in (1, 2) for row in "ABCDEFGHIJKLMNOP"],
            "role": np.repeat(["negative_control", "positive_control"], 16),
            "readout": "viability",
            "value": np.repeat([0.0, 1.0], 16) + rng.normal(0, 0.03, 32),
        }
    )
    wells.loc[wells["well"] == "F02", "value"] = 0.0
    found = control_statistics(wells).iloc[0]
    assert found["z_prime"] < 0.3 < 0.7 < found["robust_z_prime"]
    assert found["deviating_wells"] == "F02"
    assert found["auroc"] > 0.95


def test_positive_controls_of_several_compounds_need_not_agree() -> None:
    values = [1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.02, 5.0]
    wells = pd.DataFrame({"plate": "P1", "well": [f"A{i:02d}" for i in range(1, 9)], "readout": "a", "value": values})
    wells["role"], wells["compound"] = "positive_control", ["one"] * 7 + ["other"]
    assert control_statistics(wells).loc[0, "deviating_wells"] == ""
    assert control_statistics(wells.drop(columns="compound")).loc[0, "deviating_wells"] == "A08"


def test_readouts_are_means_over_the_usable_fields(treated) -> None:
    info = PlateInfo("P1", ("A01", "A02"), (1, 2), ("DNA",), (2, 2), np.dtype("uint16"))
    plate: xr.Dataset = make_plate(info, np.zeros((2, 2, 1, 2, 2)), np.ones((2, 2, 1)), treated(["A01", "A02"]))
    plate["excluded"] = ("well", "field"), [[False, True], [False, False]]
    names = ["plate", "well", "field", "channel"]
    index = pd.MultiIndex.from_product([["P1"], ["A01", "A02"], [1, 2], ["DNA"]], names=names)
    quality = pd.DataFrame({"mean": [1.0, 99.0, 3.0, 5.0], "sd": [0.1, 9.0, 0.3, 0.5]}, index=index)
    readouts = image_readouts({"P1": plate}, quality).set_index(["well", "readout"])
    assert readouts["value"].to_dict() == pytest.approx(
        {("A01", "DNA mean"): 1.0, ("A01", "DNA sd"): 0.1, ("A02", "DNA mean"): 4.0, ("A02", "DNA sd"): 0.4}
    )
    assert readouts.loc["A02", "concentration"].unique().tolist() == [20.0]
