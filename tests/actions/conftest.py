"""A small plate as a microscope exports it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcskit.actions import assess, import_plates
from hcskit.recipe import Recipe
from hcskit.simulation import Compound, PlateDesign, SimulatedPlate, dilution_series, simulate


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> SimulatedPlate:
    """12 wells of two fields of 64×64 pixels, one of them missing; some are out of focus."""
    design = PlateDesign(
        name="p1",
        compounds=(Compound("active", "translocation", ec50=50.0),),
        concentrations=dilution_series(3000.0, 30.0, 2),
        replicates=3,
        image_size=(64, 64),
        missing_fields=(("A02", 2),),
        blurred_fields=(("B02", 1),),
    )
    return simulate(tmp_path_factory.mktemp("export") / "p1", design, seed=1)


@pytest.fixture
def screen(export: SimulatedPlate, tmp_path: Path) -> Path:
    """The plate, imported and assessed here."""
    import_plates(export.images, tmp_path / "screen", export.plate_map, progress=False)
    assess(tmp_path / "screen", progress=False)
    return tmp_path / "screen"


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """Quick to train."""
    return Recipe.model_validate(
        {
            "data": {"crop": 32, "crops_per_field": 2},
            "model": {"scales": 2, "features": 8, "hidden": 8},
            "optimiser": {"epochs": 2, "batch": 8},
        }
    )
