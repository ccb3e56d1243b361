"""A power cut at any moment: what was recorded of an import, a training and a run is replayed up to each call.

Whatever is left of what was not synced, a reader finds the old or the new, or is told what is missing; and the same
command makes of it what it makes when nothing happens.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hcskit.actions import import_plates
from hcskit.errors import NotAScreenError, StoreError
from hcskit.platemap import read_plate_map
from hcskit.results import RunRecord
from hcskit.store import open_plate
from hcskit.training import load_card
from tests.faults.conftest import Faulty, Steps, contents
from tests.faults.replay import SYNC, Call, Disk, Tree, build, read_calls, shown, states, tree_of, versions

WELLS = ["A01", "B01"]
STATE = (".training-",)


class Recording:
    """The calls of a piece of code that wrote into a folder."""

    def __init__(self, process: Faulty, code: str, folder: Path, place: Path, kept: tuple[str, ...] = ()) -> None:
        self.before, self.folder, self.kept = shutil.copytree(folder, place / "before"), folder, kept
        done = process.run(code, folder, log=place / "log")
        assert done.status == 0, done
        self.calls = list(read_calls(place / "log"))
        disk = Disk(folder, self.before)
        for call in self.calls:
            disk.apply(call)
        self.end, self.synced = (disk.top.left(rule, Random(0)) for rule in ("all", "nothing"))  # noqa: S311

    def all_states(self, calls: list[Call] | None = None) -> Iterator[tuple[str, Tree]]:
        return states(self.calls if calls is None else calls, self.folder, self.before)

    def halves(self, calls: list[Call] | None = None) -> Iterator[str]:
        """Files that are visible in some state, and are nothing that they have ever been."""
        whole = versions(self.calls, self.folder, self.before, self.kept)
        for name, tree in self.all_states(calls):
            for path, content in shown(tree, self.kept).items():
                if content not in whole.get(path, ()):
                    yield f"{path}: {name}"

    def assert_sound(self) -> None:
        """No call was missed, no file is ever half; what was done is on the disk; and without syncs it would not be."""
        assert self.end == tree_of(self.folder)
        assert list(self.halves()) == []
        assert shown(self.end, self.kept).items() <= shown(self.synced, self.kept).items()
        assert list(self.halves([call for call in self.calls if call.kind != SYNC]))


def tried(read: Callable[[Path], Any], path: Path) -> tuple[Any, str]:
    """Return what is read, or why it cannot be."""
    try:
        return read(path), ""
    except (NotAScreenError, StoreError) as error:
        return None, str(error)


@pytest.fixture
def source(tmp_path: Path, export: Any, treated: Any) -> Path:
    rng = np.random.default_rng(0)
    images = {(well, 1, "DNA"): rng.integers(0, 65536, (16, 24)).astype(np.uint16) for well in WELLS}
    export(tmp_path / "source" / "images", images)
    treated(WELLS).to_csv(tmp_path / "source" / "map.csv")
    return tmp_path / "source"


@pytest.mark.slow
def test_an_import_survives_a_power_cut(tmp_path: Path, source: Path, light: Faulty) -> None:
    screen, images, table = tmp_path / "screen", source / "images", read_plate_map(source / "map.csv")
    screen.mkdir()
    code = f"hcskit.import_plates({str(images)!r}, {str(screen)!r}, {str(source / 'map.csv')!r}, **quiet)"
    recording = Recording(light, code, screen, tmp_path)
    recording.assert_sound()
    expected, finished = open_plate(screen / "P1.zarr").load(), 0
    for number, (name, tree) in enumerate(recording.all_states()):
        left = build(tree, tmp_path / "left" / str(number))
        opened, told = tried(open_plate, left / "P1.zarr")
        if opened is None:
            assert re.search("no zarr.json|was not finished", told), name
        else:
            assert opened.load().equals(expected), name
            finished += 1
        if name.startswith("nothing") or number % 5 == 0:
            import_plates(images, left, table, progress=False, say=lambda _: None)
            assert contents(left) == contents(screen), name
    assert finished
    assert number > 100


@pytest.mark.slow
def test_a_training_survives_a_power_cut(tmp_path: Path, steps: Steps, heavy: Faulty) -> None:
    run = steps.start("train", tmp_path / "run")
    model = run / "model"
    model.mkdir()
    recording = Recording(heavy, steps.code("train", run), model, tmp_path, STATE)
    recording.assert_sound()
    resumed = []
    for name, tree in recording.all_states():
        for state in (node for folder, node in tree.items() if folder.startswith(STATE)):
            done = state.get("history.csv", b"").count(b"\n") - 1  # epochs
            assert done < 1 or f"epoch{done}.npz" in state, name
            resumed += [tree] * (done == 2)
        left = build({key: node for key, node in tree.items() if isinstance(node, bytes)}, tmp_path / "card")
        card, told = tried(load_card, left)
        assert card or "holds no trained model" in told, name
        shutil.rmtree(left)
    for number, tree in enumerate((resumed[0], resumed[-1])):
        again = steps.start("train", tmp_path / str(number))
        build(tree, again / "model")
        steps.finish("train", again)


@pytest.mark.slow
def test_a_record_and_its_tables_survive_a_power_cut(tmp_path: Path, run_folder: Path, light: Faulty) -> None:
    """Of what was there before, too: the old or the new."""
    run = shutil.copytree(run_folder, tmp_path / "run", ignore=shutil.ignore_patterns("*.zarr"))
    code = f"""
from pathlib import Path
import numpy as np, xarray as xr
from hcskit.results import QUALITY, RunRecord, read_table, write_illumination, write_table
run = Path({str(run)!r})
record = RunRecord.read(run)
table = read_table(run, QUALITY)
for record.status in ("running", "completed"):
    record.write(run)
    write_table(run, QUALITY, table.iloc[: len(record.status)])
write_illumination(run, "P1", xr.Dataset({{"flat": (("channel", "y", "x"), np.ones((1, 2, 2), np.float32))}}))"""
    recording = Recording(light, code, run, tmp_path)
    recording.assert_sound()
    for number, (name, tree) in enumerate(recording.all_states()):
        left = build(tree, tmp_path / "left" / str(number))
        assert RunRecord.read(left).status in ("stopped", "completed"), name  # no process holds its lock
        assert len(pd.read_parquet(left / "results" / "quality.parquet")), name
        light_there = list(left.glob("results/illumination*"))
        assert len(light_there) <= 1, name
