"""The parts of a run that are not tables."""

from __future__ import annotations

from hcskit.results._table import Part

__all__ = ["HISTORY", "ILLUMINATION", "MODEL", "PLATES", "RECORD", "TRUTH"]

_TRAIN = "hcskit train"

PLATES = Part("plates", "Images and treatments of each plate", "hcskit import", "*.zarr")
ILLUMINATION = Part(
    "illumination", "Illumination of each plate and channel", "hcskit quality", "results/illumination-*.zarr"
)
MODEL = Part("model", "The trained network and its card", _TRAIN, "model/card.json")
HISTORY = Part("history", "Loss and accuracy of each epoch", _TRAIN, "model/history.csv")
RECORD = Part("record", "What was run, with what, and how it ended", "hcskit run", "run.json")
TRUTH = Part(
    "truth", "Known effective concentrations of a simulated plate", "hcskit simulate", "export/truth.csv", always=False
)
