"""Does fine-tuning help where there are few control wells? Run as ``python benchmarks/finetune.py FOLDER``.

A plate of another day (`transfer.py`, shift "all") has 2, 4 or 8 wells of each control. It is read by the old model, by
that model fine-tuned on these wells, and by a new one that has learned from nothing else; all EC50s are compared with
the true ones. FOLDER is that of `transfer.py`, and keeps the models.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from transfer import SHIFTS, responses, simulated, trained, truth

from hcskit import actions
from hcskit.training import TrainedModel, open_model

WELLS = (2, 4, 8)


def adapted(folder: Path, data: object, old: TrainedModel) -> TrainedModel:
    """Fine-tune, unless the folder holds the model."""
    if not (folder / "card.json").exists():
        actions.finetune(data, old, folder, progress=False, say=lambda _: None)  # type: ignore[arg-type]
    return open_model(folder)


def main(folder: Path, seeds: int) -> None:
    """Print the median error |log2(EC50 / true)| and how many EC50s were found."""
    rows = []
    for seed in range(seeds):
        old, true = trained(folder / f"{seed}-old", simulated(seed)), truth(seed)
        for wells in WELLS:
            data = simulated(seed, SHIFTS["all"], day=1, controls=wells)
            for name, model in (
                ("old", old),
                ("fine-tuned", adapted(folder / f"{seed}-finetuned-{wells}", data, old)),
                ("new", trained(folder / f"{seed}-new-{wells}", data)),
            ):
                read = responses(data, model)
                found = read["ec50"].where(read["category"].isin(["active", "partial"]))
                error = np.abs(np.log2(found.to_numpy() / true.reindex(list(found.index)).to_numpy()))
                rows += [{"wells": wells, "model": name, "error": one} for one in error]
                print(seed, wells, name, np.nanmedian(error), file=sys.stderr, flush=True)
    grouped = pd.DataFrame(rows).groupby(["wells", "model"], sort=False)["error"]
    print(pd.DataFrame({"median": grouped.median(), "found": grouped.count(), "curves": grouped.size()}).round(2))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
