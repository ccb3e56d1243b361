"""A run repeated: the same numbers are called equal, and others are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hcskit.cli import main
from hcskit.pipeline import RunRecord, run_pipeline
from hcskit.provenance import rerun

PARAMETERS = """from pathlib import Path

run: Path = Path("run")
table: Path = Path("table.csv")
scale: float = 1.0
model: Path | None = None
"""
WRITE = """import pandas as pd
from hcskit.results import PROFILES, write_table
value = float(Path(table).read_text())
assert not str(scale) == "1.0" and Path(model) == Path(run, "model")
frame = pd.DataFrame({"plate": ["P1"], "well": ["A01"], "feature_1": [value]})
write_table(run, PROFILES, frame.set_index(["plate", "well"]))"""


@pytest.mark.slow
def test_a_run_is_done_again_and_compared(lab: Any, tmp_path: Path) -> None:
    table, run = tmp_path / "table.csv", tmp_path / "run"
    table.write_text("3.5", encoding="utf-8")
    pipeline = lab.pipeline(lab.notebook("01_write", WRITE, parameters=PARAMETERS))
    given = {"table": table, "scale": "inf", "model": run / "model"}
    run_pipeline(pipeline, given, run, say=lambda _: None)
    pipeline.unlink()  # the notebook is enough

    found = rerun(run, say=lambda _: None)
    assert found.equal
    assert found.parameters.empty
    assert found.inputs.empty
    again = RunRecord.read(tmp_path / "run-rerun")
    assert again is not None
    assert again.parameters["scale"] == float("inf")

    table.write_text("4.5", encoding="utf-8")
    done = CliRunner().invoke(main, ["rerun", str(run), "--out", str(tmp_path / "third")])
    assert done.exit_code == 1
    assert "Content of inputs" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 of 1 result tables differ: profiles by up to 2.2e-01")
