"""Does fine-tuning help where there are few control wells? Run as ``python benchmarks/finetune.py FOLDER SEEDS``.

A plate of another day (`transfer.py`, shift "all"), and one that is harder to read, have 2, 4 or 8 wells of each
control. Each is read by the old model, by that model fine-tuned on these wells, and by a new one that has learned from
nothing else. Judged are

- the probability of what a control well is, in the wells of control that no model has learned from;
- the strength, in the 96 treated wells, of which the true one is known; all three models place them between the same
  controls;
- the six EC50s of the strengths.

FOLDER is that of `transfer.py`, and keeps the models.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from transfer import SHIFTS, Shift, design_of, fitted, simulated, trained, truth

from hcskit import actions
from hcskit.data import ScreenData
from hcskit.inference import Predictions
from hcskit.simulation import PHENOTYPES, lay_out
from hcskit.training import TrainedModel, open_model

WELLS = (2, 4, 8)
TRIED = {
    "all": SHIFTS["all"],
    "harder": Shift(gain=0.5, background=100.0, blur=3.0, density=0.5, turned=True),
}
HALF_WAY = (0.2, 0.8)  # true strengths, on which an EC50 rests
MODELS = ("old", "fine-tuned", "new")


def models(folder: Path, seed: int, shift: str, data: ScreenData, wells: int) -> dict[str, TrainedModel]:
    """Train and fine-tune, unless the folder holds the models."""
    old = trained(folder / f"{seed}-old", simulated(seed))
    prefix = f"{seed}-" if shift == "all" else f"{seed}-{shift}-"
    adapted = folder / f"{prefix}finetuned-{wells}"
    if not (adapted / "card.json").exists():
        actions.finetune(data, old, adapted, progress=False, say=lambda _: None)
    new = trained(folder / f"{prefix}new-{wells}", data)
    return dict(zip(MODELS, (old, open_model(adapted), new), strict=True))


def other_controls(seed: int, shift: str, learned: ScreenData) -> ScreenData:
    """Return the control wells of a plate that are not among those learned from."""
    data = simulated(seed, TRIED[shift], day=1, roles=("negative_control", "positive_control"))
    known = next(iter(learned.plates.values()))["well"].to_numpy()
    plates = {name: plate.isel(well=~np.isin(plate["well"], known)) for name, plate in data.plates.items()}
    return ScreenData(plates, data.illumination)


def told_apart(data: ScreenData, model: TrainedModel) -> dict[str, float]:
    """Return the mean probability of what control wells are, and the share that is read as such."""
    (plate,) = data.plates.values()
    negative = plate["role"].to_numpy() == "negative_control"
    label = np.where(negative, model.card.negative_class, plate["moa"].to_numpy().astype(str))
    said = actions.predict(data, model, progress=False, say=lambda _: None).wells["probability"].unstack("phenotype")  # noqa: PD010
    said = said.droplevel("plate").loc[plate["well"].to_numpy()]
    own = said.to_numpy()[np.arange(len(label)), said.columns.get_indexer(label)]
    return {"probability": float(own.mean()), "right": float((said.idxmax(axis=1) == label).mean())}


def strengths(seed: int, found: Predictions) -> dict[str, float]:
    """Compare the strength of each treated well's own phenotype with the true one: all wells, and those half-way."""
    assert found.strengths is not None
    read = found.strengths["strength"].droplevel("plate")
    rows = [
        (strength, read[treatment.well.name, PHENOTYPES[phenotype]] - strength)
        for treatment in lay_out(design_of(seed))
        if treatment.role == "treatment"
        for phenotype, strength in treatment.strengths.items()
    ]
    true, off = np.array(rows).T
    return {
        "off": float(np.sqrt((off**2).mean())),
        "half-way": float(off[(true > HALF_WAY[0]) & (true < HALF_WAY[1])].mean()),
    }


def ec50s(seed: int, data: ScreenData, found: Predictions, model: TrainedModel) -> dict[str, float]:
    """Compare the EC50s with the true ones."""
    fits, true = fitted(data, found, model.card), truth(seed)
    ec50 = fits["ec50"].where(fits["category"].isin(["active", "partial"]))
    error = np.abs(np.log2(ec50.to_numpy() / true.reindex(list(ec50.index)).to_numpy()))
    return {"ec50": float(np.nanmedian(error)), "found": int(np.isfinite(error).sum())}


def main(folder: Path, seeds: int) -> None:
    """Print one row for each plate, number of wells and model, and the means over the plates."""
    rows: list[dict[str, Any]] = []
    for seed, shift, wells in [(s, t, w) for s in range(seeds) for t in TRIED for w in WELLS]:
        data = simulated(seed, TRIED[shift], day=1, controls=wells)
        others = other_controls(seed, shift, data)
        for name, model in models(folder, seed, shift, data, wells).items():
            found = actions.predict(data, model, progress=False, say=lambda _: None)
            told = told_apart(others, model) | strengths(seed, found) | ec50s(seed, data, found, model)
            rows.append({"seed": seed, "shift": shift, "wells": wells, "model": name, **told})
            print(rows[-1], file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    print(table.round(2).to_string(index=False))
    print(table.groupby(["shift", "wells", "model"], sort=False).mean().drop(columns="seed").round(2).to_string())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
