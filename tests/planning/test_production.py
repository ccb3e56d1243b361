"""The plan of plates: exact where the cost of each step is known."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hcskit.cli import main
from hcskit.errors import InputError
from hcskit.planning import PlateSize, plan_production
from hcskit.results import InputRecord, OutputRecord, RunRecord, StepRecord
from hcskit.store import write_plate
from tests.planning.train_plate import noise_plate

#: Seconds of each step of a plate: in any case, of a megapixel, of a well.
COSTS = {"import": (4.0, 50.0, 0.0), "quality": (2.0, 20.0, 0.0), "response": (3.0, 0.0, 0.25)}
FIELDS, CHANNELS, SHAPE = 3, 2, (40, 48)
PIXELS = FIELDS * CHANNELS * SHAPE[0] * SHAPE[1] / 1e6  # of a well, in millions
RAW, STORED, FILES = 1000, 600, 7  # of a well


def seconds(step: str, wells: float) -> float:
    fixed, pixel, well = COSTS[step]
    return fixed + (pixel * PIXELS + well) * wells


def a_run(folder: Path, wells: int) -> Path:
    """Write a plate, and the record of a run over it."""
    write_plate(noise_plate(wells, FIELDS, CHANNELS, *SHAPE), folder, progress=False)
    steps = [
        StepRecord(
            name=name, notebook=name, notebook_sha256="", parameters={}, output=f"{name}.ipynb",
            status="completed", seconds=seconds(name, wells),
        )
        for name in COSTS
    ]  # fmt: skip
    came = {"sha256": "", "files": wells, "bytes": RAW * wells}
    steps[0].inputs = [
        InputRecord(parameter="source", path="a", **came),
        InputRecord(parameter="map", path="b", **came),
    ]
    steps[0].outputs = [OutputRecord(path="P1.zarr", sha256="", files=FILES * wells, bytes=STORED * wells)]
    RunRecord(pipeline="p", description="", parameters={}, status="completed", started="", steps=steps).write(folder)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [a_run(folder / str(wells), wells) for wells in (4, 12)]


@pytest.mark.parametrize("wells", [6, 96, 1536])
def test_the_cost_of_a_plate_of_any_size_is_that_of_its_law(runs: list[Path], wells: int) -> None:
    found = plan_production(runs, {"wells": wells}, plates=20, plates_a_day=50)
    assert found.size == PlateSize(wells, FIELDS, pytest.approx(CHANNELS * SHAPE[0] * SHAPE[1] / 1e6))
    assert found.steps["seconds"].to_dict() == pytest.approx({step: seconds(step, wells) for step in COSTS})
    hours = sum(seconds(step, wells) for step in COSTS) / 3600
    for of, plates in (("well", 1 / wells), ("plate", 1), ("experiment", 20), ("day", 50)):
        expected = [RAW * wells / 1e9, STORED * wells / 1e9, FILES * wells, hours]
        assert found.amounts.loc[of].tolist() == pytest.approx([plates * one for one in expected])


def test_twice_the_fields_cost_twice_the_pixels_and_the_same_wells(runs: list[Path]) -> None:
    found = plan_production(runs, {"fields": 2 * FIELDS}).steps["seconds"]
    assert found["response"] == pytest.approx(seconds("response", 4))
    assert found["import"] == pytest.approx(seconds("import", 8))


def test_of_one_run_all_is_taken_to_grow(runs: list[Path]) -> None:
    found = plan_production(runs[:1], {"wells": 40}).steps["seconds"]
    assert found.to_dict() == pytest.approx({step: 10 * seconds(step, 4) for step in COSTS})


def test_the_slowest_of_processor_disk_and_network_is_the_bottleneck(runs: list[Path]) -> None:
    busy = sum(seconds(step, 4) for step in COSTS)
    moved = 4 * (RAW + 4 * STORED)  # written once, read three times
    slow = moved / (2 * busy)
    assert plan_production(runs, disk=1e9).bottleneck == "processor"
    found = plan_production(runs, disk=slow, network=1e9, plates_a_day=86_400 / busy)
    assert (found.bottleneck, found.most_a_day) == ("disk", pytest.approx(43_200 / busy))
    assert not found.holds
    assert "too many, and need 1 node" in str(found)
    assert plan_production(runs, nodes=4, network=slow).bottleneck == "network"
    assert plan_production(runs, nodes=4).most_a_day == pytest.approx(4 * 86_400 / busy)


def test_a_quota_holds_so_many_plates(runs: list[Path]) -> None:
    quota = 10.5 * 4 * STORED
    assert plan_production(runs, plates=10, quota=quota).holds
    found = plan_production(runs, plates=11, quota=quota, plates_a_day=5)
    assert not found.holds
    assert "holds 10 plates, of 2 days: too little for 11" in str(found)


def test_the_command_prints_the_plan(runs: list[Path]) -> None:
    command = ["plan", "plates", *map(str, runs)]
    options = ["--wells", "384", "--plates", "3", "--quota", "10TB", "--disk", "500MB", "--gigabits", "10"]
    said = CliRunner().invoke(main, [*command, *options])
    assert said.exit_code == 0, said.output
    rates = {"disk": 500e6, "network": 1.25e9}
    assert said.output == f"{plan_production(runs, {'wells': 384}, plates=3, quota=10e12, **rates)}\n"
    for wrong in (["plan", "plates"], [*command, "--measure"]):
        assert "Give the folders of earlier RUNS, or --measure." in CliRunner().invoke(main, wrong).output
    assert "'much' is no size" in CliRunner().invoke(main, [*command, "--quota", "much"]).output


def test_a_folder_without_a_record_is_refused(runs: list[Path], tmp_path: Path) -> None:
    write_plate(noise_plate(4, FIELDS, CHANNELS, *SHAPE), tmp_path, progress=False)
    with pytest.raises(InputError, match="holds no run"):
        plan_production([*runs, tmp_path])
    with pytest.raises(InputError, match="needs the folder of an earlier run"):
        plan_production([])


def test_a_run_that_lacks_a_step_does_not_make_the_plan_cheaper(runs: list[Path], tmp_path: Path) -> None:
    short = a_run(tmp_path / "short", 6)
    record = RunRecord.read(short)
    assert record is not None
    record.steps[-1].status = "failed"
    record.write(short)
    for given in ([*runs, short], [short, *runs]):
        with pytest.raises(InputError, match=r"response was done in only one of .*short"):
            plan_production(given)
