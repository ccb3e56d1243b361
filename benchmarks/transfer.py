"""Does a model trained on one plate read the plates of another day? Run as ``python benchmarks/transfer.py FOLDER``.

Plates are simulated from a seed and a shift: what differs from the plate that was learned from. Each is read by the
old model, and by one that was trained on it; each EC50 of one is divided by that of the other. FOLDER keeps the models,
so that a run that was stopped resumes. `drift.py` and `finetune.py` use the same plates.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter

from hcskit import actions
from hcskit.data import ScreenData
from hcskit.inference import Predictions, readout_points
from hcskit.platemap import check_plate_map
from hcskit.recipe import Recipe
from hcskit.response import fit_responses
from hcskit.screen import PlateInfo, make_plate
from hcskit.simulation import (
    CHANNELS,
    DARK,
    PHENOTYPES,
    Compound,
    PlateDesign,
    dilution_series,
    lay_out,
    simulate_field,
    vignetting,
)
from hcskit.simulation._layout import plate_map_table
from hcskit.simulation._plate import _edge
from hcskit.training import ModelCard, TrainedModel, open_model

EDGE = 160  # pixels
RECIPE = Recipe.model_validate(
    {
        "data": {"classes": "moa", "crop": 80, "crops_per_field": 4, "balance": True},
        "model": {"scales": 3},
        "split": {"validation": 0},
        "optimiser": {"epochs": 18, "batch": 16, "warmup_epochs": 0},
        "schedule": {"kind": "snapshots", "cycles": 3},
    }
)


@dataclass(frozen=True)
class Shift:
    """What differs on another day: gain of the lamp, background (counts), blur (pixels), number of cells, layout.

    Or in another assay: the magnification, and a phenotype that all cells show to begin with.
    """

    gain: float = 1.0
    background: float = 0.0
    blur: float = 0.0
    density: float = 1.0
    turned: bool = False
    magnification: float = 1.0
    at_rest: str = ""


SHIFTS = {
    "none": Shift(),
    "gain 0.5": Shift(gain=0.5),
    "gain 2": Shift(gain=2.0),
    "background +100": Shift(background=100.0),
    "blur 1.5 px": Shift(blur=1.5),
    "density 0.5": Shift(density=0.5),
    "density 2": Shift(density=2.0),
    "plate turned": Shift(turned=True),
    "all": Shift(gain=0.6, background=60.0, blur=1.0, density=1.5, turned=True),
}


def design_of(seed: int) -> PlateDesign:
    """Draw the compounds; odd seeds have cells that respond all or none."""
    rng = np.random.default_rng([seed, 1])
    compounds = tuple(
        Compound(
            f"{phenotype[:3]}-{number}",
            phenotype,
            ec50=float(10 ** rng.uniform(1.0, 2.6)),
            hill_slope=float(rng.uniform(0.9, 2.0)),
            moa=moa,
        )
        for phenotype, moa in PHENOTYPES.items()
        for number in range(3)
    )
    return PlateDesign(
        compounds=compounds,
        concentrations=dilution_series(3000.0, 3.0, 8),
        fields=1,
        image_size=(EDGE, EDGE),
        pixel_size=1.2,
        blur=0.8,
        all_or_none=bool(seed % 2),
    )


def simulated(
    seed: int,
    shift: Shift = Shift(),
    day: int = 0,
    controls: int | None = None,
    roles: tuple[str, ...] = ("negative_control", "positive_control", "treatment"),
) -> ScreenData:
    """Simulate the plate of a seed on another day; of its controls so many wells a class, by default all."""
    design = replace(design_of(seed), name=f"day{day}")
    design = replace(design, cell_density=design.cell_density * shift.density)
    flat = np.stack([vignetting(design, channel) for channel in CHANNELS])
    seen = replace(design, pixel_size=design.pixel_size / shift.magnification)
    at_rest = {shift.at_rest: 1.0} if shift.at_rest else {}
    treatments, images, count = [], [], dict[str, int]()
    for treatment in lay_out(design):
        if treatment.role not in roles:
            continue
        if treatment.role != "treatment" and controls is not None:
            count[treatment.moa] = count.get(treatment.moa, 0) + 1
            if count[treatment.moa] > controls:
                continue
        well = treatment.well
        rng = np.random.default_rng([seed, 2, day, well.row, well.column])
        column = design.columns - 1 - well.column if shift.turned else well.column
        edge = 1 - design.edge_effect * _edge(replace(well, column=column), design.format)
        cells, light = np.exp(design.well_variability * rng.standard_normal(2))
        strengths = {**treatment.strengths, **at_rest}
        counts = simulate_field(seen, strengths, rng, density=edge * cells, brightness=edge * light)
        images.append(_shifted(counts.astype(np.float32), flat, shift))
        treatments.append(treatment)
    wells = tuple(treatment.well.name for treatment in treatments)
    info = PlateInfo(design.name, wells, (1,), CHANNELS, (EDGE, EDGE), np.dtype(np.uint16), design.pixel_size)
    plate_map = check_plate_map(plate_map_table(treatments))
    image = np.stack(images)[:, np.newaxis]
    plate = make_plate(info, image, np.ones(image.shape[:3], bool), plate_map)
    light = xr.Dataset({"flat": (("channel", "y", "x"), flat), "dark": ("channel", np.full(len(CHANNELS), DARK))})
    light = light.assign_coords(channel=list(CHANNELS)).expand_dims(plate=[design.name])
    return ScreenData({design.name: plate}, light)


def _shifted(counts: np.ndarray, flat: np.ndarray, shift: Shift) -> np.ndarray:
    light = (counts - DARK) * shift.gain + shift.background * flat
    light = np.stack([gaussian_filter(own, shift.blur) for own in light]) if shift.blur else light
    return np.clip(np.rint(light + DARK), 0, 65535).astype(np.uint16)


def trained(folder: Path, data: ScreenData, recipe: Recipe = RECIPE) -> TrainedModel:
    """Train, unless the folder holds the model."""
    if not (folder / "card.json").exists():
        actions.train(data, recipe, folder, progress=False, say=lambda _: None)
        print(folder, file=sys.stderr, flush=True)
    return open_model(folder)


def responses(data: ScreenData, model: TrainedModel, **options: Any) -> pd.DataFrame:
    """Read a plate, and fit every phenotype of every compound."""
    return fitted(data, actions.predict(data, model, progress=False, say=lambda _: None, **options), model.card)


def fitted(data: ScreenData, found: Predictions, card: ModelCard) -> pd.DataFrame:
    """Fit every phenotype of every compound to what was read."""
    points = readout_points(data.plates, found.wells, card.negative_class, found.strengths)
    own = points["moa"].astype(str) == points["readout"]
    return fit_responses(points[own | (points["role"] == "negative_control")]).responses


def compared(one: pd.DataFrame, other: Mapping[Any, float] | pd.DataFrame) -> pd.Series:
    """Return log2 of the ratio of the EC50s of two readings, NaN where one found none."""
    first = one["ec50"].where(one["category"].isin(["active", "partial"]))
    second = (
        other["ec50"].where(other["category"].isin(["active", "partial"]))
        if isinstance(other, pd.DataFrame)
        else pd.Series(other)
    )
    return np.log2(first / second.reindex(first.index))


def truth(seed: int) -> pd.Series:
    """Return the true EC50s, as `responses` has them."""
    return pd.Series({(c.name, PHENOTYPES[c.phenotype]): c.ec50 for c in design_of(seed).compounds})


def main(folder: Path, seeds: int) -> None:
    """Print by how much the EC50s of the old model differ from those of a model of the plate's own."""
    rows = []
    for seed in range(seeds):
        old = trained(folder / f"{seed}-old", simulated(seed))
        for name, shift in SHIFTS.items():
            data = simulated(seed, shift, day=1)
            new = responses(data, trained(folder / f"{seed}-{name}", data))
            for standardise in (False, True):
                apart = compared(responses(data, old, standardise=standardise), new).abs()
                rows += [{"shift": name, "standardised": standardise, "apart": one} for one in apart]
            print(seed, name, file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    grouped = table.groupby(["shift", "standardised"], sort=False)["apart"]
    print((2 ** grouped.median()).unstack().round(2).to_string())  # noqa: PD010
    print((2 ** table.groupby("standardised")["apart"].median()).round(2).to_string())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
