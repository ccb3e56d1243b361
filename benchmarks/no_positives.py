"""What is found on plates without positive controls? Run as ``python benchmarks/no_positives.py FOLDER SEED ...``.

The plates of `readouts.py`, with four compounds that do nothing in the place of four that do something, and eight
negative control wells. A network learns against the highest doses of all compounds, or against all treated wells. The
distance from the negative controls, and with the highest doses the strength, are fitted and compared with the truth.
FOLDER keeps what the networks read.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import readouts
from readouts import NEGATIVE, Array, Plate, Reading, design_of, read, simulated

from hcskit.inference import distances, positions
from hcskit.response import fit_responses
from hcskit.simulation import PHENOTYPES, Compound, PlateDesign
from hcskit.training import gather_unevenness

LABELS = ("highest", "all")


@dataclass
class Unshown(Plate):
    """A plate whose positive controls are not looked at."""

    doses: str = "highest"

    def label(self, _: Any) -> pd.DataFrame:
        """List the negative controls, and the treated wells that stand in for positive ones."""
        own = self.table["role"] == "treatment"
        if self.doses == "highest":
            own &= _highest(self.table)
        chosen = self.table[own | (self.table["role"] == NEGATIVE)]
        return chosen.assign(label=chosen["role"].replace("treatment", "positive_control")).reset_index(drop=True)


def design(seed: int) -> tuple[PlateDesign, int]:
    """Return a plate of which half of the compounds do nothing."""
    plate, _ = design_of(seed)
    active = tuple(compound for compound in plate.compounds if compound.name[-1] in "01")
    return replace(plate, compounds=active + tuple(Compound(f"none-{number}") for number in range(4))), 8


def values(reading: Reading, table: pd.DataFrame, doses: str) -> Iterator[tuple[str, Array]]:
    """Give the name of each readout, and its values (network, well)."""
    crops = reading.layers["pool"].transpose(1, 2, 0, 3).astype(float)
    spread = gather_unevenness(table[["plate", "well"]], list(crops))[table["plate"].iloc[0]].to_numpy()
    wells, negative = crops.mean(axis=1), (table["role"] == NEGATIVE).to_numpy()
    yield "distance", distances(wells, negative, spread).T
    if doses == "highest":
        high = (_highest(table) & (table["role"] == "treatment")).to_numpy()
        yield "strength", positions(wells, np.zeros(len(wells)), negative, [high], spread)[..., 0].T


def _highest(table: pd.DataFrame) -> pd.Series:
    return table["concentration"] == table.groupby("compound")["concentration"].transform("max")


def fitted(table: pd.DataFrame, own: Array, compounds: tuple[Compound, ...]) -> dict[str, object]:
    """Fit the curves of a plate, and compare them with the truth."""
    networks = {f"network_{number}": one for number, one in enumerate(own, 1)}
    points = table.assign(readout="found", value=own.mean(axis=0), **networks)
    points = points[table["role"] != "positive_control"].drop(columns=["label", "number", *PHENOTYPES])
    fits = fit_responses(points).responses.xs("found", level="readout")
    truth = pd.Series({compound.name: compound.ec50 for compound in compounds if compound.ec50})
    active, idle = fits.loc[truth.index], fits.drop(truth.index)
    return {
        "errors": np.sort(np.log2(active["ec50"] / truth).abs().to_numpy()).round(2).tolist(),
        "interval holds": int(((active["ec50_low"] <= truth) & (truth <= active["ec50_high"])).sum()),
        "finite": int(np.isfinite(active["ec50_high"]).sum()),
        "idle called": int((idle["category"] != "inactive").sum()),
    }


def main(folder: Path, seeds: list[int]) -> None:
    """Read the plates that the folder does not hold, and print what is found of all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    readouts.design_of = design
    rows = []
    for seed in seeds:
        plate = simulated(seed)
        for doses in LABELS:
            kept = folder / f"{seed}-{doses}.pickle"
            if not kept.exists():
                unshown = Unshown(plate.images, plate.table, plate.design, doses)
                kept.write_bytes(pickle.dumps(vars(read(unshown, seed))))
            reading = Reading(**pickle.loads(kept.read_bytes()))  # noqa: S301
            for name, own in values(reading, plate.table, doses):
                known = {"seed": seed, "learned against": doses, "readout": name}
                rows.append(known | fitted(plate.table, own, plate.design.compounds))
                print(rows[-1], flush=True)
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(seed) for seed in sys.argv[2:]])
