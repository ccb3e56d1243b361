"""The whole pipeline: a folder of images and a plate map in, effective concentrations and a report out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hcskit.pipeline import RunRecord
from hcskit.response import match_truth
from hcskit.simulation import Compound, PlateDesign, dilution_series, simulate
from hcskit.store import open_screen

ROOT = Path(__file__).resolve().parents[2]
DESIGN = PlateDesign(
    name="small",
    compounds=(Compound("active", "translocation", ec50=50.0), Compound("inactive")),
    concentrations=dilution_series(3000.0, 4.0, 7),
    replicates=4,
    fields=2,
    image_size=(192, 192),
    missing_wells=("C05",),
)
RECIPE = """
data: {crop: 96, crops_per_field: 4}
optimiser: {epochs: 12, batch: 8}
"""
COLUMNS = {
    "compound",
    "readout",
    "ec50",
    "ec50_low",
    "ec50_high",
    "concentration_unit",
    "hill_slope",
    "bottom",
    "top",
    "category",
}


@pytest.mark.slow
def test_a_plate_with_an_odd_name_gives_its_effective_concentrations(lab: Any, tmp_path: Path) -> None:
    export = simulate(tmp_path / 'plate 7 "µ" {it\'s}', DESIGN, seed=3)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    out = tmp_path / "run <b>&amp; {1}"
    command = ["run", ROOT / "pipelines" / "dose_response.yaml", "--out", out, "-p", "allow_missing=yes"]
    given = {"source": export.images, "plate_map": export.plate_map, "truth": export.truth, "recipe": recipe}
    done = lab.hcskit(*command, *[part for name, value in given.items() for part in ("-p", f"{name}={value}")])
    assert done.returncode == 0, done.stderr
    assert f"Report: {out / 'report.html'}" in done.stdout

    responses = pd.read_csv(out / "results" / "responses.csv")
    assert set(responses.columns) >= COLUMNS
    assert set(responses["compound"]) == {"active", "inactive"}
    found = match_truth(responses.set_index(["compound", "readout"]), pd.read_csv(export.truth))
    assert list(found["compound"]) == ["active"]
    assert 1 / 3 < found["fold"].item() < 3
    assert set(responses.loc[responses["compound"] == "inactive", "category"]) == {"inactive"}

    record = RunRecord.read(out)
    assert record is not None
    assert record.status == "completed"
    assert [step.name for step in record.steps] == ["import", "quality", "train", "predict", "response", "report"]
    assert {source.parameter: source.files for source in record.inputs} == {
        "source": 71 * 2 * 2,
        "plate_map": 1,
        "truth": 1,
        "recipe": 1,
    }
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "run <b>&amp; {1}" not in report  # shown as text, not taken as a tag
    assert "run &lt;b&gt;&amp;amp; {1}" in report
    assert "C05" not in open_screen(out)["small"]["well"].to_numpy()
