"""run.json: written whole or not at all, and what it says of inputs."""

from __future__ import annotations

import json
import math
import resource
from pathlib import Path

import pytest

from hcskit.errors import InputError, StoreError
from hcskit.locks import locked
from hcskit.pipeline import RunRecord
from hcskit.results import StepRecord, spell


@pytest.fixture
def record() -> RunRecord:
    began, given = "2026-01-01T00:00:00+00:00", {"x": 'a "b"'}
    return RunRecord(pipeline="tiny", description="µ", parameters=given, status="completed", started=began)


def test_a_record_is_read_as_it_was_written(record: RunRecord, tmp_path: Path) -> None:
    assert RunRecord.read(tmp_path) is None
    record.write(tmp_path)
    assert RunRecord.read(tmp_path) == record
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_record_that_cannot_be_written_leaves_the_one_before(record: RunRecord, tmp_path: Path) -> None:
    record.write(tmp_path)
    longer = record.model_copy(update={"description": "x" * 100_000})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # no file may grow further, as on a full disk
    try:
        with pytest.raises(StoreError, match=r"run\.json could not be written: File too large"):
            longer.write(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert RunRecord.read(tmp_path) == record
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_only_a_new_or_empty_folder_or_a_run_is_taken(tmp_path: Path) -> None:
    assert RunRecord.read(tmp_path / "new") is None
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(InputError, match=r"is not empty \(thesis\.docx\) and holds no run"):
        RunRecord.read(tmp_path)
    with pytest.raises(InputError, match="is a file"):
        RunRecord.read(tmp_path / "thesis.docx")
    (tmp_path / "run.json").write_text('{"steps": 3}', encoding="utf-8")
    with pytest.raises(InputError, match="is not the record of a run") as caught:
        RunRecord.read(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, math.nan, None, "/a path/µ", "inf", "2026-01-31", 3, 3.0, 1e300, True, ""]
)
def test_every_value_of_a_parameter_survives(record: RunRecord, tmp_path: Path, value: object) -> None:
    record.model_copy(update={"parameters": {"x": value}}).write(tmp_path)
    json.loads((tmp_path / "run.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)  # JSON has no NaN
    found = RunRecord.read(tmp_path).parameters["x"]
    assert type(found) is type(value)
    assert found == value or (found != found and value != value)
    assert spell(found) == spell(value)


def test_a_run_whose_process_is_gone_was_stopped(record: RunRecord, tmp_path: Path) -> None:
    step = StepRecord(
        name="a", notebook="a.ipynb", notebook_sha256="", parameters={}, status="running", output="notebooks/01_a.ipynb"
    )
    record.model_copy(update={"status": "running", "steps": [step]}).write(tmp_path)
    with locked(tmp_path):
        assert RunRecord.read(tmp_path).status == "running"
    gone = RunRecord.read(tmp_path)
    assert (gone.status, gone.steps[0].status) == ("stopped", "stopped")
    assert "its process ended without a word" in gone.steps[0].error


def test_a_record_of_hcskit_0_1_is_still_read(tmp_path: Path) -> None:
    step = {"name": "a", "notebook": "a.ipynb", "notebook_sha256": "0", "parameters": {}, "key": "0"}
    step |= {
        "status": "completed",
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "output": "notebooks/01_a.ipynb",
    }
    old = {
        "pipeline": "tiny",
        "description": "",
        "parameters": {},
        "status": "completed",
        "inputs": [],
        "steps": [step],
    }
    old |= {"started": "2026-01-01T00:00:00+00:00", "versions": {"hcskit": "0.1.0"}}
    (tmp_path / "run.json").write_text(json.dumps(old), encoding="utf-8")
    found = RunRecord.read(tmp_path)
    assert [step.name for step in found.steps] == ["a"]
    assert found.steps[0].code == ""  # so that it is done again
