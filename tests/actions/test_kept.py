"""One plate of a screen that changed is computed again alone, and the tables are those of an undisturbed screen."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from hcskit.actions import assess, import_plates, predict, train
from hcskit.preprocess import Limits
from hcskit.recipe import Recipe
from hcskit.results import PREDICTIONS, QUALITY, illumination_digest, made_from, read_table, write_table
from hcskit.simulation import SimulatedPlate


def tables(screen: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (screen / "results").glob("*.*") if path.is_file()}


@pytest.mark.slow
def test_one_plate_that_changed_is_computed_again_alone(export: SimulatedPlate, recipe: Recipe, tmp_path: Path) -> None:
    sources = [tmp_path / "p1", tmp_path / "p2"]
    for source in sources:
        shutil.copytree(export.images, source)

    def work(screen: Path) -> list[str]:
        said: list[str] = []
        options: dict[str, Any] = {"say": said.append, "progress": False}
        for source in sources:
            import_plates(source, screen, export.plate_map, plate=source.name, **options)
        assess(screen, **options)
        if not (tmp_path / "model").exists():
            train(screen, recipe, tmp_path / "model", progress=False)
        predict(screen, tmp_path / "model", screen, **options)
        return [line for line in said if "nothing has changed" in line or "have changed" in line]

    screen = tmp_path / "screen"
    assert work(screen) == []
    before = tables(screen)
    kept = "plate p1: 2 of 23 fields are left out, as before: nothing has changed"
    assert work(screen) == [
        kept,
        kept.replace("p1", "p2"),
        "plate p1: predictions as before: nothing has changed",
        "plate p2: predictions as before: nothing has changed",
    ]
    assert tables(screen) == before

    first, second = (next(sources[1].glob(f"*_A01_f{field}_*.tif")) for field in ("01", "02"))
    shutil.copyfile(second, first)
    assert work(screen) == [
        "plate p2: files of well A01 have changed; imported again",
        kept,
        "plate p1: predictions as before: nothing has changed",
    ]
    assert tables(screen) != before
    work(tmp_path / "fresh")
    assert tables(screen) == tables(tmp_path / "fresh")

    # What was made by an assessment is a part of it: one that is gone is made again.
    shutil.rmtree(screen / "results" / "illumination-p1.zarr")
    light = illumination_digest(tmp_path / "fresh", "p1")
    assert work(screen)[0] == kept.replace("p1", "p2")
    assert illumination_digest(screen, "p1") == light


@pytest.mark.slow
def test_other_limits_are_not_what_a_plate_was_assessed_with(screen: Path) -> None:
    said: list[str] = []
    assess(screen, Limits(focus_z=-1e9), say=said.append, progress=False)
    assess(screen, Limits(focus_z=-1e9), say=said.append, progress=False)
    assert [line.partition(", ")[2] for line in said] == ["", "as before: nothing has changed"]


@pytest.mark.slow
def test_a_table_that_was_overwritten_is_not_taken_for_what_was_computed(screen: Path) -> None:
    assert made_from(screen, QUALITY)
    quality = read_table(screen, QUALITY)
    write_table(screen, QUALITY, quality.assign(focus=0.0))
    assert made_from(screen, QUALITY) == {}
    assess(screen, say=lambda _: None, progress=False)
    assert (read_table(screen, QUALITY)["focus"] == quality["focus"]).all()
    assert made_from(screen, PREDICTIONS) == {}  # there is none
