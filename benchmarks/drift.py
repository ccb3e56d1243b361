"""How often is a plate called shifted that is not, and which shifts are seen?

Run as ``python benchmarks/drift.py FOLDER [SEED]``.

The model of `transfer.py` (FOLDER is the same) compares plates with the one that it learned from. False alarms are
counted on plates of the same batch: the same design, other cells and other wells. For each shift, plates of it are
counted that are called shifted or not this assay, and one whole plate tells by how much the EC50s move against the
same plate without the shift: the median over its curves. Then plates of other assays are shown to the model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter
from transfer import Shift, compared, responses, simulated, trained

from hcskit import actions
from hcskit.data import ScreenData
from hcskit.results import AS_IN_TRAINING, NOT_THIS_ASSAY
from hcskit.training import TrainedModel

SAME, EACH = 100, 8  # plates


def _changed(change: Callable[[xr.DataArray], xr.DataArray]) -> Callable[[ScreenData], ScreenData]:
    def apply(data: ScreenData) -> ScreenData:
        plates = {name: plate.assign(image=change(plate["image"].astype(np.float32)).round().clip(0, 65535)
                                     .astype(np.uint16)) for name, plate in data.plates.items()}  # fmt: skip
        return replace(data, plates=plates)

    return apply


def _noisy(image: xr.DataArray) -> xr.DataArray:
    return image + 150 * np.random.default_rng(0).standard_normal(image.shape)


SHIFTS: dict[str, tuple[Shift, Callable[[ScreenData], ScreenData]]] = {
    "gain 0.5": (Shift(gain=0.5), lambda data: data),
    "gain 2": (Shift(gain=2.0), lambda data: data),
    "background +100 counts": (Shift(background=100.0), lambda data: data),
    "blur 1.5 pixels": (Shift(blur=1.5), lambda data: data),
    "blur 4 pixels": (Shift(blur=4.0), lambda data: data),
    "a quarter of the cells": (Shift(density=0.25), lambda data: data),
    "twice the cells": (Shift(density=2.0), lambda data: data),
    "saturated at 400 counts": (Shift(), _changed(lambda image: image.clip(max=400))),
    "noise of 150 counts": (Shift(), _changed(_noisy)),
    "uneven: half the light on one side": (
        Shift(), _changed(lambda image: 100 + (image - 100) * np.linspace(0.3, 1.7, image.sizes["x"]))),
    "channels changed over": (Shift(), _changed(lambda image: image.roll(channel=1))),
    "only the reporter out of focus": (
        Shift(), _changed(lambda image: xr.where(image["channel"] == "GFP", _blurred(image), image)
                          .transpose(*image.dims))),
}  # fmt: skip
OTHERS: dict[str, tuple[Shift, Callable[[ScreenData], ScreenData]]] = {
    "half the magnification": (Shift(magnification=0.5), lambda data: data),
    "twice the magnification": (Shift(magnification=2.0), lambda data: data),
    "a reporter that is in the nucleus at rest": (Shift(at_rest="translocation"), lambda data: data),
    "cells that are round at rest": (Shift(at_rest="condensation"), lambda data: data),
    "the same stain in both channels": (Shift(), _changed(lambda image: _copied(image, "DNA"))),
    "a reporter in spots": (Shift(), _changed(lambda image: _spotted(image))),
}  # fmt: skip


def _copied(image: xr.DataArray, channel: str) -> xr.DataArray:
    return image.sel(channel=[channel] * image.sizes["channel"]).assign_coords(channel=image["channel"])


def _spotted(image: xr.DataArray) -> xr.DataArray:
    """Return the reporter in spots of some pixels, in place of the whole cell."""
    noise = np.random.default_rng(0).standard_normal(image.sizes["y"] * image.sizes["x"])
    spots = gaussian_filter(noise.reshape(image.sizes["y"], image.sizes["x"]), 1.5)
    bright = np.where(spots > np.quantile(spots, 0.9), 10.0, 0.0)
    own = 100 + (image - 100) * xr.DataArray(bright, dims=("y", "x"))
    return xr.where(image["channel"] == "GFP", own, image).transpose(*image.dims)


def _blurred(image: xr.DataArray) -> xr.DataArray:
    return image.copy(data=gaussian_filter(image.to_numpy(), (0, 0, 0, 5, 5)))


def verdicts(
    seed: int,
    days: range,
    model: TrainedModel,
    shift: Shift,
    change: Callable[[ScreenData], ScreenData] = lambda data: data,
) -> list[str]:
    """Return what is said of plates, of which only the negative controls are simulated."""
    plates = [change(simulated(seed, shift, day=day, roles=("negative_control",))) for day in days]
    together = ScreenData(
        {name: plate for data in plates for name, plate in data.plates.items()},
        xr.concat([data.illumination for data in plates], "plate"),
    )
    return list(actions.predict(together, model, progress=False, say=lambda _: None).verdicts.values())


def main(folder: Path, seed: int) -> None:
    """Print all tables."""
    model = trained(folder / f"{seed}-old", simulated(seed))
    same = verdicts(seed, range(100, 100 + SAME), model, Shift())
    false = [said for said in same if said != AS_IN_TRAINING]
    print(f"false alarms: {len(false)} of {SAME} plates of the same batch ({len(false) / SAME:.1%})", flush=True)
    plain = responses(simulated(seed, day=50), model)
    rows = []
    for name, (shift, change) in SHIFTS.items():
        said = verdicts(seed, range(50, 50 + EACH), model, shift, change)
        moved = compared(responses(change(simulated(seed, shift, day=50)), model), plain)
        rows.append(
            {
                "shift": name,
                "EC50 moves by": 2 ** float(moved.abs().median()),
                "EC50s lost": int(moved.isna().sum()),
                "seen": np.mean([one != AS_IN_TRAINING for one in said]),
                "not this assay": np.mean([one == NOT_THIS_ASSAY for one in said]),
                "said": said[0],
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
    print(pd.DataFrame(rows).round(2).to_string(index=False))
    for name, (shift, change) in OTHERS.items():
        said = verdicts(seed, range(50, 50 + EACH), model, shift, change)
        seen, other = (
            np.mean([one != AS_IN_TRAINING for one in said]),
            np.mean([one == NOT_THIS_ASSAY for one in said]),
        )
        print(f"{name}: seen {seen:.0%}, not this assay {other:.0%}; {said[0]}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
