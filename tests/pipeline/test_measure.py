"""What the steps of a plate cost here: real runs, of plates whose size is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcskit.pipeline import Pipeline, measure_machine
from hcskit.planning import PlateSize, plan_production

SIDE = 128


@pytest.mark.slow
def test_two_simulated_plates_say_what_each_step_costs(tmp_path: Path) -> None:
    found = plan_production(measure_machine(tmp_path, side=SIDE))
    assert found.size == PlateSize(48, 2, pytest.approx(2 * SIDE**2 / 1e6))
    assert list(found.steps.index) == [notebook.name for notebook in Pipeline.open("predict_screen").notebooks]
    assert (found.steps["seconds"] > 0).all()
    exported = sum(path.stat().st_size for path in (tmp_path / "large" / "images").iterdir())
    assert found.amounts.loc["plate", "raw_gigabytes"] == pytest.approx(exported / 1e9, rel=0.05)
