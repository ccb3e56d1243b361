"""The everyday pipeline: a new plate, read with a model that was trained elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hcskit
from hcskit.recipe import Recipe
from hcskit.simulation import Compound, PlateDesign, dilution_series, simulate

RECIPE = {
    "data": {"crop": 32, "crops_per_field": 2},
    "model": {"scales": 2, "features": 8, "hidden": 8},
    "optimiser": {"epochs": 2, "batch": 8},
}


@pytest.mark.slow
def test_a_plate_is_read_with_a_given_model(lab: Any, screen: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "a model", tmp_path / "run"
    hcskit.train(screen, Recipe.model_validate(RECIPE), model, progress=False)
    design = PlateDesign(
        name="new",
        compounds=(Compound("active", "translocation", ec50=50.0),),
        concentrations=dilution_series(3000.0, 5.0, 5),
        image_size=(64, 64),
    )
    export = simulate(tmp_path / "export", design, seed=4)
    given = {"source": export.images, "plate_map": export.plate_map, "model": model}
    pairs = [part for name, value in given.items() for part in ("-p", f"{name}={value}")]
    done = lab.hcskit("run", "predict_screen", *pairs, "--out", out)
    assert done.returncode == 0, done.stderr

    run = hcskit.open_run(out)
    assert [step.name for step in run.record.steps] == ["import", "quality", "predict", "response", "report"]
    direct = hcskit.predict(out, model, progress=False, say=lambda _: None)
    pd.testing.assert_frame_equal(run.predictions, direct.wells)
    assert list(run.responses.index.get_level_values("compound")) == ["active"]
    assert not (out / "model").exists()  # the model stays where it is
    assert '<section id="training">' in (out / "report.html").read_text(encoding="utf-8")

    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("card.json", "model.keras"):
        shutil.copy(model / name, bare)
    again = hcskit.report(out, tmp_path / "bare.html", model=bare)
    assert '<section id="training">' not in again.read_text(encoding="utf-8")
