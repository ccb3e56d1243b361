"""Fixtures: one small run with known truth, made by hand; a 96-well plate of which 16 wells were imaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hcskit.platemap import check_plate_map
from hcskit.response import score_hits
from hcskit.results import (
    CURVES,
    HITS,
    PHENOTYPE_CONTROLS,
    POINTS,
    PREDICTIONS,
    QUALITY,
    RESPONSES,
    SALIENCY_MAPS,
    InputRecord,
    RunRecord,
    StepRecord,
    write_illumination,
    write_table,
)
from hcskit.screen import PlateInfo, make_plate
from hcskit.store import write_plate

HOSTILE = "<script>alert(1)</script>"
DOSES = (1.0, 10.0, 100.0, 1000.0)
ROWS = {"B": "potent", "C": HOSTILE, "D": "late"}
EC50 = {"potent": 30.0, HOSTILE: np.nan, "late": 5000.0}
CATEGORY = {"potent": "active", HOSTILE: "inactive", "late": "outside the tested range"}


def _response(compound: str, concentration: float) -> float:
    return 0.0 if np.isnan(EC50[compound]) else concentration / (concentration + EC50[compound])


def _plate_map() -> pd.DataFrame:
    rows = [("A01", "", "", "", "negative_control"), ("A02", "", "", "", "negative_control")]
    rows += [("A03", "potent", "1000", "nM", "positive_control"), ("A04", "", "", "", "empty")]
    rows += [
        (f"{row}{column:02d}", compound, str(dose), "nM", "treatment")
        for row, compound in ROWS.items()
        for column, dose in enumerate(DOSES, start=1)
    ]
    names = ["well", "compound", "concentration", "concentration_unit", "role"]
    return check_plate_map(pd.DataFrame(rows, columns=names).assign(moa="kinase inhibitor"))


def make_screen_plate(name: str = "P1") -> xr.Dataset:
    """Counts rise with the running number of the well; D04 was not acquired, nor field 2 of B02."""
    plate_map = _plate_map()
    wells = tuple(plate_map.index)
    counts = np.arange(len(wells))[:, None, None, None, None] * 100 + np.arange(40)[None, None, None, :, None]
    image = np.broadcast_to(counts, (len(wells), 2, 2, 40, 40)).astype(np.uint16)
    present = np.ones((len(wells), 2, 2), dtype=bool)
    present[wells.index("D04")] = False
    present[wells.index("B02"), 1] = False
    info = PlateInfo(name, wells, (1, 2), ("DNA", "GFP"), (40, 40), np.dtype("uint16"), pixel_size=1.0)
    return make_plate(info, image, present, plate_map)


@pytest.fixture(scope="session")
def plate() -> xr.Dataset:
    return make_screen_plate()


@pytest.fixture(scope="session")
def points(plate: xr.Dataset) -> pd.DataFrame:
    wells = plate.drop_vars(["image", "present"]).coords.to_dataset().reset_coords().drop_dims(["field", "channel"])
    table = wells.to_dataframe().reset_index()
    table = table[table["role"].isin(["treatment", "negative_control"]) & (table["well"] != "D04")]
    treated = table["role"] == "treatment"
    table["value"] = [
        _response(compound, dose) if role == "treatment" else 0.01
        for compound, dose, role in table[["compound", "concentration", "role"]].itertuples(index=False)
    ]
    table["concentration"] = table["concentration"].where(treated, 0.0)
    table = table.assign(plate="P1", readout="nuclear")
    elsewhere = table[~treated].assign(plate="P2", value=0.5)
    columns = ["plate", "well", "role", "compound", "concentration", "concentration_unit", "readout", "value"]
    return pd.concat([table, elsewhere])[columns].reset_index(drop=True)


@pytest.fixture(scope="session")
def responses() -> pd.DataFrame:
    nan = float("nan")
    numbers = {
        "potent": {"ec50": 30.0, "ec50_low": 20.0, "ec50_high": 45.04, "hill_slope": 1.0, "bottom": 0.0, "top": 1.0},
        HOSTILE: {"ec50": nan, "ec50_low": nan, "ec50_high": nan, "hill_slope": nan, "bottom": 0.0, "top": 0.0},
        "late": {"ec50": nan, "ec50_low": 900.0, "ec50_high": np.inf, "hill_slope": 1.0, "bottom": 0.0, "top": nan},
    }
    constant = {"concentration_unit": "nM", "rmse": 0.01, "r2": 0.99, "n_wells": 4, "n_concentrations": 4}
    constant |= {"tested_low": 1.0, "tested_high": 1000.0, "p_value": 0.001, "note": "as made"}
    constant |= {"ec50_spread": nan, "hill_slope_low": 0.8, "hill_slope_high": 1.2, "n_controls": 2, "n_missing": 0}
    rows = [
        {"compound": name, "readout": "nuclear", "category": CATEGORY[name]} | numbers[name] | constant for name in EC50
    ]
    return pd.DataFrame(rows).set_index(["compound", "readout"])


@pytest.fixture(scope="session")
def curves() -> pd.DataFrame:
    doses = np.geomspace(1.0, 1000.0, 20)
    parts = []
    for name in EC50:
        value = np.array([_response(name, dose) for dose in doses])
        part = pd.DataFrame({"concentration": doses, "value": value, "low": value - 0.05, "high": value + 0.05})
        parts.append(part.assign(compound=name, readout="nuclear", concentration_unit="nM"))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="session")
def quality(plate: xr.Dataset) -> pd.DataFrame:
    """Field 1 of B01 is out of focus, seen in GFP alone."""
    rows = plate["present"].to_series()
    table = rows[rows].index.to_frame(index=False).assign(plate="P1", focus=5.0, saturation=0.001, mean=100.0, sd=9.0)
    blurred = (table["well"] == "B01") & (table["field"] == 1)
    table["focus_z"] = np.where(blurred & (table["channel"] == "GFP"), -9.0, 0.5)
    table["excluded"] = blurred
    table["reason"] = np.where(blurred, "out of focus", "")
    return table.set_index(["plate", "well", "field", "channel"])


@pytest.fixture(scope="session")
def truth() -> pd.DataFrame:
    rows = [("potent", 0.02, "uM"), (HOSTILE, np.nan, "uM"), ("late", 5.0, "uM")]
    table = pd.DataFrame(rows, columns=["compound", "ec50", "concentration_unit"])
    return table.assign(moa="kinase inhibitor", phenotype="nuclear")


@pytest.fixture(scope="session")
def controls() -> pd.DataFrame:
    control = {"plate": "P1", "readout": "nuclear", "z_prime": 0.31, "ssmd": 9.0, "n_negative": 2, "n_positive": 1}
    control |= {"negative_mean": 0.01, "negative_sd": 0.02, "positive_mean": 0.97, "positive_sd": 0.03}
    return pd.DataFrame([control])


@pytest.fixture(scope="session")
def illumination() -> xr.Dataset:
    flat = np.linspace(0.8, 1.2, 16).reshape(1, 4, 4)
    labels = {"channel": np.array(["GFP"], dtype=object)}
    return xr.Dataset({"flat": (("channel", "y", "x"), flat), "dark": ("channel", [0.0])}, labels)


@pytest.fixture(scope="session")
def predictions(plate: xr.Dataset) -> pd.DataFrame:
    wells = [well for well in plate["well"].to_numpy() if well != "D04"]
    table = pd.DataFrame({"plate": "P1", "well": wells, "phenotype": "nuclear", "probability": 0.5})
    return table.assign(sd=0.1, n_fields=2).set_index(PREDICTIONS.labels)


@pytest.fixture(scope="session")
def history() -> pd.DataFrame:
    epochs = np.arange(1, 6)
    learned = {"loss": 1 / epochs, "val_loss": [0.9, 0.6, 0.4, 0.5, 0.7], "accuracy": epochs / 5}
    return pd.DataFrame({"epoch": epochs, "val_accuracy": epochs / 5 - 0.1} | learned)


@pytest.fixture(scope="session")
def record() -> RunRecord:
    step = StepRecord(
        name="import",
        notebook="01.ipynb",
        notebook_sha256="",
        parameters={},
        output="notebooks/01_import.ipynb",
        seconds=3.21987,
        inputs=[InputRecord(parameter="plate_map", path="plate_map.csv", sha256="ab" * 32, files=1, bytes=9)],
    )
    return RunRecord(
        pipeline="dose_response",
        description="One plate",
        started="2026-01-01T00:00:00+00:00",
        parameters={"seed": 7, "source": "<images>"},
        versions={"numpy": "2.0"},
        steps=[step],
    )


@pytest.fixture(scope="session")
def run_folder(
    tmp_path_factory: pytest.TempPathFactory,
    plate: xr.Dataset,
    points: pd.DataFrame,
    responses: pd.DataFrame,
    curves: pd.DataFrame,
    quality: pd.DataFrame,
    controls: pd.DataFrame,
    predictions: pd.DataFrame,
    illumination: xr.Dataset,
    history: pd.DataFrame,
    truth: pd.DataFrame,
    record: RunRecord,
) -> Path:
    """All of it in a folder, whose name is markup to whoever does not escape it."""
    folder = tmp_path_factory.mktemp("runs") / "A & <b>"
    write_plate(plate, folder, progress=False)
    row, column = (axis.ravel() for axis in np.indices((4, 4)))
    place = {"plate": "P1", "well": "A03", "field": 1, "phenotype": "nuclear"}
    saliency = pd.DataFrame({**place, "row": row, "column": column, "strength": row - 1.0}).set_index(list(place))
    for table, frame in (
        (QUALITY, quality),
        (PHENOTYPE_CONTROLS, controls),
        (PREDICTIONS, predictions),
        (RESPONSES, responses),
        (POINTS, points),
        (CURVES, curves),
        (HITS, score_hits(points)),
        (SALIENCY_MAPS, saliency),
    ):
        write_table(folder, table, frame)
    write_illumination(folder, "P1", illumination)
    for name, frame in (("model/history.csv", history), ("export/truth.csv", truth)):
        (folder / name).parent.mkdir()
        frame.to_csv(folder / name, index=False)
    record.write(folder)
    return folder
