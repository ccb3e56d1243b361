"""run.json: written whole or not at all, and what it says of inputs."""

from __future__ import annotations

import hashlib
import resource
from pathlib import Path

import pytest

from hcskit.errors import InputError, StoreError
from hcskit.pipeline import RunRecord
from hcskit.results._record import describe_inputs


@pytest.fixture
def record() -> RunRecord:
    return RunRecord(pipeline="tiny", description="µ", parameters={"x": 'a "b"'}, started="2026-01-01T00:00:00+00:00")


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


def test_inputs_are_known_by_content_or_by_names_and_sizes(tmp_path: Path) -> None:
    table, images, run = tmp_path / "map.csv", tmp_path / "images", tmp_path / "images" / "run"
    run.mkdir(parents=True)
    table.write_text("well\nA01\n", encoding="utf-8")
    (images / "sub").mkdir()
    (images / "a.tif").write_bytes(b"123")
    (images / "sub" / "b.tif").write_bytes(b"45")
    paths = {"map": table, "source": images, "model": run / "model", "nowhere": tmp_path / "nowhere"}

    of_map, of_images = describe_inputs(paths, run)
    assert of_map.sha256 == hashlib.sha256(table.read_bytes()).hexdigest()
    assert (of_map.parameter, of_map.path, of_map.files, of_map.bytes) == ("map", str(table), 1, 9)
    assert of_images.sha256 == hashlib.sha256(b"a.tif 3\nsub/b.tif 2").hexdigest()
    assert (of_images.files, of_images.bytes) == (2, 5)

    (run / "result").touch()  # what the run writes is not its input
    assert describe_inputs(paths, run) == [of_map, of_images]
    (images / "a.tif").write_bytes(b"1234")
    assert describe_inputs(paths, run)[1].sha256 != of_images.sha256
