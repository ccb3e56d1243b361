"""Fixtures: a fitted run of one 96-well plate with awkward names, whose true EC50s are known."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hcskit.platemap import check_plate_map
from hcskit.response import fit_responses, hill
from hcskit.results import CURVES, HITS, POINTS, PREDICTIONS, READOUTS, RESPONSES, write_table
from hcskit.screen import PlateInfo, make_plate
from hcskit.store import write_plate

MARKUP = "<script>document.title='taken'</script>"
BRACES = "{4-[(6,7-dimethoxy)oxy]phenyl}"
LONG = "n" * 200
RIGHT_TO_LEFT = "תרכובת"
#: Compounds and their true EC50s in nM; each stands in two columns, its concentrations rise from row A to H.
TRUE_EC50 = {"potent": 30.0, MARKUP: 100.0, BRACES: 300.0, LONG: np.inf, RIGHT_TO_LEFT: 50.0}
DOSES = np.geomspace(1.0, 3.0**7, 8)
READOUT = "PI3K inhibitor"
#: A well of the potent compound that something went wrong in.
BUBBLE = ("P1", "C03")


def _plate_map() -> pd.DataFrame:
    rows = []
    for row, dose in zip("ABCDEFGH", DOSES, strict=True):
        rows += [
            (f"{row}01", "", "", "", "negative_control"),
            (f"{row}12", "wortmannin", "1000", "nM", "positive_control"),
        ]
        rows += [
            (f"{row}{column:02d}", name, str(dose), "nM", "treatment")
            for place, name in enumerate(TRUE_EC50)
            for column in (2 * place + 2, 2 * place + 3)
        ]
    table = pd.DataFrame(rows, columns=["well", "compound", "concentration", "concentration_unit", "role"])
    return check_plate_map(table.assign(moa="PI3K inhibitor"))


def _readouts(plate_map: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    table = plate_map.reset_index().assign(plate="P1")
    ec50 = table["compound"].map(TRUE_EC50)
    effect = hill(table["concentration"].fillna(0.0).to_numpy(), 0.05, 0.95, 1.0, 1.5) * 0 + 0.05
    for name, value in TRUE_EC50.items():
        own = (table["compound"] == name).to_numpy()
        if np.isfinite(value):
            effect[own] = hill(table["concentration"].to_numpy()[own], 0.05, 0.95, value, 1.5)
    effect[(table["role"] == "positive_control").to_numpy()] = 0.95
    values = np.clip(effect + rng.normal(0, 0.01, len(table)), 0, 1)
    values[((table["plate"] == BUBBLE[0]) & (table["well"] == BUBBLE[1])).to_numpy()] = 0.3
    assert ec50.notna().sum() == 80
    two = [
        table.assign(readout=READOUT, value=values),
        table.assign(readout="antimitotic", value=np.clip(0.03 + rng.normal(0, 0.01, len(table)), 0, 1)),
    ]
    names = ["plate", "well", "role", "compound", "concentration", "concentration_unit", "readout", "value"]
    return pd.concat(two, ignore_index=True)[names]


@pytest.fixture(scope="session")
def _fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "plate seven"
    plate_map = _plate_map()
    wells = tuple(plate_map.index)
    image = np.random.default_rng(0).integers(90, 4000, (len(wells), 2, 2, 48, 64), dtype=np.uint16)
    present = np.ones(image.shape[:3], dtype=bool)
    info = PlateInfo("P1", wells, (1, 2), ("DNA", "GFP"), (48, 64), np.dtype("uint16"), pixel_size=1.0)
    write_plate(make_plate(info, image, present, plate_map), folder, progress=False)
    readouts = _readouts(plate_map)
    write_table(folder, READOUTS, readouts)
    predictions = readouts.rename(columns={"readout": "phenotype", "value": "probability"})
    predictions = predictions.assign(sd=0.05, n_fields=2).set_index(PREDICTIONS.labels)
    write_table(folder, PREDICTIONS, predictions[["probability", "sd", "n_fields"]])
    fits = fit_responses(readouts)
    found = {RESPONSES: fits.responses, POINTS: fits.points, CURVES: fits.curves, HITS: fits.hits}
    for table, frame in found.items():
        write_table(folder, table, frame)
    return folder


@pytest.fixture(scope="module")
def fitted_run(_fitted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy for each module of tests, which may mask wells in it."""
    return Path(shutil.copytree(_fitted, tmp_path_factory.mktemp("run") / _fitted.name))
