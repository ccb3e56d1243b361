"""What the steps of a plate cost on this machine, from two runs over simulated plates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hcskit.actions import assess, import_plates, train
from hcskit.pipeline._run import run_pipeline
from hcskit.recipe import Recipe
from hcskit.simulation import Compound, PlateDesign, simulate

__all__ = ["measure_machine"]

_SIDE = 96  # pixels of the small plate's images: its runs take the time that any run takes
_QUICK = Recipe.model_validate({"data": {"crop": _SIDE // 2}, "optimiser": {"epochs": 1, "warmup_epochs": 0}})


def measure_machine(folder: str | Path, *, side: int = 720, say: Callable[[str], None] = print) -> list[Path]:
    """Read two simulated plates with a network, and return the folders of these runs.

    The first has 48 wells of two fields, in two channels; the second 24 wells of one small field, so that the two
    together tell what a step costs in any case from what grows with the plate. Their records hold the seconds, bytes
    and files of each step, as `hcskit.planning.plan_production` takes them. The network is the default one, trained for
    an epoch: how well it reads is no matter.

    Parameters
    ----------
    folder : path-like
        New or empty folder.
    side : int
        Edge of the first plate's images, in pixels.
    say : callable
        Receives a line for each step.

    Raises
    ------
    InputError
        If the folder is not empty.
    """
    folder, compounds = Path(folder), tuple(Compound(f"C{ec50}", "translocation", ec50=ec50) for ec50 in (10.0, 100.0))
    large = PlateDesign("large", compounds, fields=2, image_size=(side, side))
    small = PlateDesign("small", compounds[:1], fields=1, image_size=(_SIDE, _SIDE))
    exports = [simulate(folder / design.name, design) for design in (large, small)]
    learned, model = folder / "learned", folder / "model"
    import_plates(exports[1].images, learned, exports[1].plate_map)
    assess(learned)
    train(learned, _QUICK, model, say=say, progress=False)
    runs = []
    for export in exports:
        runs.append(folder / f"run-{export.images.parent.name}")
        given = {"source": str(export.images), "plate_map": str(export.plate_map), "model": str(model)}
        run_pipeline("predict_screen", given, runs[-1], say=say)
    return runs
