"""The hcskit command on plates: import, info, simulate; its help. (For run see tests/pipeline.)"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hcskit.actions import fit_wells
from hcskit.cli import main
from hcskit.pipeline import Pipeline
from hcskit.results import CURVES, HITS, POINTS, READOUTS, RESPONSES, read_table, write_csv, write_table
from hcskit.simulation import Compound, PlateDesign, SimulatedPlate, simulate
from hcskit.version import __version__

PIPELINES = ["demo", "dose_response", "predict_screen"]
DESIGN = PlateDesign(
    name="tiny",
    compounds=(Compound("TRL-1", "translocation", ec50=50.0), Compound("INA-1")),
    concentrations=(10.0, 100.0),
    replicates=1,
    image_size=(48, 48),
    missing_wells=("B03",),
    missing_fields=(("A02", 2),),
)


@pytest.fixture
def export(tmp_path: Path) -> SimulatedPlate:
    return simulate(tmp_path / "export", DESIGN)


def test_what_is_imported_is_what_info_tells(hcskit: Any, export: SimulatedPlate, tmp_path: Path) -> None:
    screen = tmp_path / "it's a screen"
    done = hcskit("import", export.images, screen, "--plate-map", export.plate_map, "--allow-missing")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [
        "reader simulated: 26 of 26 files are named like tiny_A01_f01_DNA.tif",
        "plate tiny: 26 images of 7 wells",
        f"imported {screen / 'tiny.zarr'}",
        "",
        "plate  wells  fields  channels  planes  times  images  missing  left_out  bad",
        " tiny      7       2         2       1      1      26        0         0    0",
    ]
    for path in (screen, screen / "tiny.zarr"):
        told = hcskit("info", path)
        assert told.exit_code == 0, told.stderr
        lines = [line.split() for line in told.stdout.splitlines()]
        assert told.stdout.startswith("tiny\n  96-well plate, from")
        assert ["images", "26", "of", "28", "(7", "wells", "×", "2", "fields", "×", "2", "channels)"] in lines
        assert ["channels", "DNA,", "GFP"] in lines
        assert ["pixels", "48×48", "uint16,", "0.8", "µm"] in lines
        assert ["treatment", "3", "wells"] in lines
        assert ["negative_control", "2", "wells"] in lines
        assert ["positive_control", "2", "wells"] in lines
        assert "TRL-1" in told.stdout


def test_missing_wells_are_refused_unless_allowed(hcskit: Any, export: SimulatedPlate, tmp_path: Path) -> None:
    done = hcskit("import", export.images, tmp_path / "screen", "--plate-map", export.plate_map)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: plate tiny: 1 well(s) of the plate map have no image: B03;")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "screen").exists()


def test_simulate_refuses_a_folder_in_use_and_a_seed_that_is_none(hcskit: Any, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "a.txt").touch()
    refused = hcskit("simulate", taken)
    assert refused.exit_code == 2
    assert "is not empty" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert hcskit("simulate", tmp_path / "new", "--seed", "-1").exit_code == 2
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_a_simulated_plate_can_be_imported(hcskit: Any, tmp_path: Path) -> None:
    done = hcskit("simulate", tmp_path / "export", "--seed", "7")
    assert done.exit_code == 0, done.stderr
    paths = dict(line.split(maxsplit=1) for line in done.stdout.replace("plate map", "map").splitlines())
    assert simulate(tmp_path / "same", seed=7).plate_map.read_bytes() == Path(paths["map"]).read_bytes()
    name = "demo_B02_f01_DNA.tif"
    assert (tmp_path / "same" / "images" / name).read_bytes() == Path(paths["images"], name).read_bytes()
    screen = tmp_path / "screen"
    assert hcskit("import", paths["images"], screen, "--plate-map", paths["map"], "--allow-missing").exit_code == 0
    assert "378 of 380 (95 wells × 2 fields × 2 channels)" in hcskit("info", screen).stdout


@pytest.mark.parametrize(("name", "said"), [("nowhere", "there is no folder {}"), (".", "{} holds no plate")])
def test_info_on_what_is_no_screen_is_one_sentence(hcskit: Any, tmp_path: Path, name: str, said: str) -> None:
    done = hcskit("info", tmp_path / name)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"Error: {said.format(tmp_path / name)}")


COMMANDS = [
    "run",
    "import",
    "quality",
    "fit",
    "report",
    "info",
    "train",
    "predict",
    "embed",
    "cross-validate",
    "join",
    "simulate",
    "lr-range",
    "watch",
    "schedule",
    "summarise",
    "plan training",
    "plan plates",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_shows_an_example_that_it_accepts(hcskit: Any, command: str) -> None:
    *groups, last = command.split()
    text = hcskit(*groups, last, "--help").stdout
    example = text.split("Example:\n")[1].strip()
    assert example.startswith(f"hcskit {command} ")
    group = main
    for name in groups:
        group = group.commands[name]
    context = group.commands[last].make_context(last, example.split()[1 + len(command.split()) :])
    assert context.params


@pytest.mark.parametrize(
    "command", ["import", "join", "quality", "train", "predict", "embed", "cross-validate", "tune-ranks"]
)
def test_every_verb_takes_a_file_of_a_cluster(command: str) -> None:
    assert "--cluster" in {name for option in main.commands[command].params for name in option.opts}


@pytest.mark.slow
def test_quality_leaves_out_what_the_limits_say(hcskit: Any, export: SimulatedPlate, tmp_path: Path) -> None:
    screen = tmp_path / "screen"
    done = hcskit("import", export.images, screen, "--plate-map", export.plate_map, "--allow-missing")
    assert done.exit_code == 0, done.stderr
    for limit, left_out in (("-1e9", 0), ("1e9", 13)):  # a focus that all have, and one that none has
        done = hcskit("quality", screen, "--focus-z", limit, "--saturation", "1")
        assert done.exit_code == 0, done.stderr
        assert done.stdout.splitlines() == [f"plate tiny: {left_out} of 13 fields are left out"]


def test_every_step_is_a_command() -> None:
    steps = {notebook.name for path in PIPELINES for notebook in Pipeline.open(path).notebooks}
    commands = {"fit" if step == "response" else step for step in steps}
    assert {"import", "quality", "train", "predict", "fit", "report"} <= commands <= main.commands.keys()


@pytest.mark.slow
def test_a_table_of_wells_is_fitted_as_a_screen_is(hcskit: Any, points: pd.DataFrame, tmp_path: Path) -> None:
    screen, table = tmp_path / "screen", tmp_path / "wells.csv"
    write_table(screen, READOUTS, points)
    points.to_csv(table, index=False)
    done = hcskit("fit", screen)
    assert done.exit_code == 0, done.stderr
    assert re.search(r"potent +nuclear +active +3\d(\.\d)? nM \(.*\) +hit +0\.\d+$", done.stdout, re.MULTILINE), (
        done.stdout
    )
    assert hcskit("fit", table, "--out", tmp_path / "fits").exit_code == 0
    for result in (RESPONSES, CURVES, POINTS, HITS):
        of_screen, of_table = read_table(screen, result), read_table(tmp_path / "fits", result)
        pd.testing.assert_frame_equal(of_screen, of_table, check_dtype=False)
    assert hcskit("fit", table).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fits", "screen", "wells.csv"]

    refused = hcskit("fit", table, "--out", tmp_path / "none", "--false-positive-rate", 2)
    assert "expected a rate between 0 and 1" in refused.stderr
    assert not (tmp_path / "none").exists()
    assert "run hcskit predict first" in hcskit("fit", tmp_path).stderr
    table.write_bytes(b"PAR1 \xff\x00")
    refused = hcskit("fit", table)
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)
    assert f"{table} cannot be read as a table of wells" in refused.stderr


def test_a_table_that_hcskit_wrote_is_fitted_under_its_own_names(points: pd.DataFrame, tmp_path: Path) -> None:
    table = tmp_path / "wells.csv"
    write_csv(table, points.replace({"compound": {"potent": "=potent"}}))
    assert "'=potent" in table.read_text(encoding="utf-8")  # no formula for a spreadsheet
    found = fit_wells(table).responses.index.get_level_values("compound")
    assert "=potent" in found
    assert "'=potent" not in found


def test_version(hcskit: Any) -> None:
    assert hcskit("--version").stdout == f"hcskit, version {__version__}\n"
