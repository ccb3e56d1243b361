"""A run over many plates: one that is at fault is set aside, and nobody can miss it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hcskit.errors import InputError
from hcskit.pipeline import StepNotebook, named_paths, run_pipeline
from hcskit.run import open_run
from hcskit.simulation import Compound, PlateDesign, simulate

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "from pathlib import Path\n\nrun: Path = Path('run')\nsource: list[Path] | None = None\n"


def design(name: str) -> PlateDesign:
    compounds = (Compound("active", "translocation", ec50=50.0),)
    return PlateDesign(
        name=name, compounds=compounds, concentrations=(10.0, 100.0), replicates=1, fields=1, image_size=(48, 48)
    )


@pytest.mark.slow
def test_the_bad_plate_of_a_batch_is_named_and_the_rest_is_run(lab: Any, hcskit: Any, tmp_path: Path) -> None:
    exports = [simulate(tmp_path / "exports" / name, design(name), seed=1) for name in ("P1", "P2", "P3")]
    pipeline = lab.pipeline(steps=[str(ROOT / "notebooks" / name) for name in ("01_import.ipynb", "06_report.ipynb")])
    out, bad = tmp_path / "run", next(iter(sorted(exports[1].images.iterdir())))
    whole = bad.read_bytes()
    command = [
        *("run", pipeline, "-p", f"source={tmp_path}/exports/*/images", "-p", f"plate_map={exports[0].plate_map}"),
        *("-p", "allow_missing=false", "--out", out),
    ]
    bad.write_bytes(whole[:-100])

    done = hcskit(*command)
    assert done.exit_code == 4, done.stderr
    assert any(line.startswith("set aside, and not in this run: P2: ") for line in done.stdout.splitlines())
    assert done.stderr.splitlines()[-1].startswith("Not in this run: P2.")
    run = open_run(out)
    assert (sorted(run.plates), list(run.set_aside.index)) == (["P1", "P3"], ["P2"])
    assert bad.name in run.set_aside["reason"]["P2"]
    assert [step.status for step in run.record.steps] == ["completed", "completed"]
    assert "P2 is not in this run" in (out / "report.html").read_text(encoding="utf-8")

    bad.write_bytes(whole)
    repaired = hcskit(*command)
    assert repaired.exit_code == 0, repaired.stderr
    assert sorted(run.plates) == ["P1", "P2", "P3"]
    assert "P2 is not in this run" not in (out / "report.html").read_text(encoding="utf-8")


def test_a_list_of_paths_is_one_path_several_or_a_pattern(lab: Any, tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / "exports" / name).mkdir(parents=True)
    parameter = StepNotebook(lab.notebook("01_a", parameters=SOURCE)).parameters["source"]
    assert (parameter.type_name, parameter.is_path) == ("list[Path] | None", True)
    every = [str(tmp_path / "exports" / name) for name in ("a", "b", "c")]
    assert parameter.convert("exports/*", tmp_path) == every
    assert parameter.convert(["exports/c", "exports/*"], tmp_path) == [every[2], *every[:2]]
    assert parameter.convert(Path("exports/a"), tmp_path) == every[:1]
    assert parameter.convert("exports/gone", tmp_path) == [str(tmp_path / "exports" / "gone")]
    assert parameter.convert(None, tmp_path) is None
    with pytest.raises(InputError, match="parameter source: nothing matches"):
        parameter.convert("exports/x*", tmp_path)
    (tmp_path / "exports" / "[1]").mkdir()  # it is there, so it is no pattern
    assert parameter.convert("exports/[1]", tmp_path) == [str(tmp_path / "exports" / "[1]")]


@pytest.mark.slow
def test_a_run_knows_each_folder_by_its_content(lab: Any, tmp_path: Path) -> None:
    folders = [tmp_path / "exports" / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "x.tif").write_bytes(b"1")
    step = lab.notebook("01_a", "Path(run, 'n').write_text(str(len(source)))", parameters=SOURCE)

    def run() -> list[str]:
        said: list[str] = []
        record = run_pipeline(lab.pipeline(step), {"source": folders}, tmp_path / "run", say=said.append)
        (found,) = record.inputs
        assert (found.path, found.files) == (str(tmp_path / "exports"), 2)
        assert named_paths(record.parameters["source"]) == folders
        return said

    assert run()[-1].endswith(" s")
    assert run() == ["[1/1] a: done before"]
    (folders[1] / "x.tif").write_bytes(b"2")
    assert "again: source: " in run()[0]
