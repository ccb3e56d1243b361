"""Which readout tells the strength of a phenotype? Run as ``python benchmarks/readouts.py FIRST_SEED PLATES FOLDER``.

Each plate is simulated from its seed, which also draws what is hard about it: graded or all-or-none cells, how many,
noise, edge effect, effects of compounds, and how many control wells there are. A network learns from the controls for
less than a minute on two cores; all readouts of the same networks are fitted by the same curves and compared with the
truth. FOLDER keeps what the networks read, so that a run that was stopped resumes.
"""

from __future__ import annotations

import copy
import pickle
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hcskit import training
from hcskit.data import ArraySource, cut_tiles, open_field
from hcskit.inference import positions
from hcskit.models.backend import keras
from hcskit.recipe import Recipe
from hcskit.response import fit_responses
from hcskit.simulation import (
    CHANNELS,
    DARK,
    PHENOTYPES,
    Compound,
    PlateDesign,
    Treatment,
    dilution_series,
    lay_out,
    simulate_field,
    vignetting,
)
from hcskit.simulation._cells import grow
from hcskit.simulation._plate import _edge
from hcskit.training import gather_unevenness

NEGATIVE = "negative_control"
LAYERS = ("pool", "hidden", "phenotype")
NETWORKS = 3  # of the four snapshots, the later ones
Array = np.ndarray[Any, Any]


def design_of(seed: int) -> tuple[PlateDesign, int]:
    """Draw a plate and the number of its negative control wells; a phenotype has half as many positive ones."""
    rng = np.random.default_rng([seed, 1])
    compounds = [
        Compound(
            f"{phenotype[:3]}-{number}",
            phenotype,
            ec50=float(10 ** rng.uniform(0.8, 2.8)),
            hill_slope=float(rng.uniform(0.8, 2.5)),
            maximum_effect=(1.0, 1.0, 1.0, 0.6)[number],
            moa=phenotype,
        )
        for phenotype in PHENOTYPES
        for number in range(4)
    ]
    design = PlateDesign(
        compounds=tuple(compounds),
        concentrations=dilution_series(3000.0, 3.0, 10),
        fields=1,
        image_size=(192, 192),
        pixel_size=1.2,
        blur=0.8,
        cell_density=float(rng.choice([400.0, 800.0, 1400.0])),
        noise=float(rng.choice([1.0, 4.0])),
        edge_effect=float(rng.choice([0.0, 0.15, 0.4])),
        all_or_none=bool(seed % 2),
    )
    return design, (4, 16, 2, 8)[seed // 2 % 4]


@dataclass
class Plate:
    """A simulated plate in memory, as light: what a network learns from."""

    images: Array
    table: pd.DataFrame
    design: PlateDesign
    channels = CHANNELS
    dtype = np.dtype(np.float32)

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.design.image_size

    def label(self, _: Any) -> pd.DataFrame:
        """List the controls."""
        return self.table[self.table["role"] != "treatment"].reset_index(drop=True)

    def source(self, table: pd.DataFrame, _channels: Any = None, _binning: int = 1) -> ArraySource:
        """Return the images of a table."""
        return ArraySource(self.images[table["number"]], table.reset_index(drop=True), 1.0)

    def crops(self, rows: Array, card: training.ModelCard) -> Array:
        """Cut wells into crops: (well, crop, y, x, channel)."""
        source = self.source(self.table)
        return np.stack([cut_tiles(open_field(source, int(row), card.normalisation), card.crop) for row in rows])


def simulated(seed: int) -> Plate:
    """Simulate a plate."""
    design, controls = design_of(seed)
    flat = np.stack([vignetting(design, channel) for channel in CHANNELS])
    images, rows, count = [], [], dict[str, int]()
    for treatment in lay_out(design):
        label = _label(treatment)
        if treatment.role != "treatment":
            count[label] = count.get(label, 0) + 1
            if count[label] > (controls if label == NEGATIVE else max(2, controls // 2)):
                continue
        rng = np.random.default_rng([seed, 2, treatment.well.row, treatment.well.column])
        edge = 1 - design.edge_effect * _edge(treatment.well, design.format)
        cells, light = np.exp(design.well_variability * rng.standard_normal(2))
        grown = grow(design, treatment.strengths, copy.deepcopy(rng), density=edge * cells, brightness=edge * light)
        image = simulate_field(design, treatment.strengths, rng, density=edge * cells, brightness=edge * light)
        images.append(np.moveaxis((image.astype(np.float32) - DARK) / flat, 0, -1))
        inside = [cell for cell in grown if 0 <= cell.y < 192 and 0 <= cell.x < 192]
        rows.append(
            {
                "plate": f"plate-{seed}",
                "well": treatment.well.name,
                "field": 1,
                "label": label,
                "role": treatment.role,
                "compound": treatment.compound,
                "concentration": treatment.concentration,
                "concentration_unit": treatment.concentration_unit,
                "number": len(rows),
                "translocation": np.mean([cell.nuclear_fraction for cell in inside]),
                "condensation": -np.mean([cell.irregularity for cell in inside]),
            }
        )
    return Plate(np.stack(images), pd.DataFrame(rows), design)


def _label(treatment: Treatment) -> str:
    return treatment.moa if treatment.role == "positive_control" else treatment.role


def recipe_of(fields: int, seed: int) -> Recipe:
    """Return a short training, as long for few fields as for many."""
    return Recipe.model_validate(
        {
            "data": {"classes": "moa", "crop": 96, "crops_per_field": max(1, round(96 / fields)), "balance": True},
            "split": {"validation": 0},
            "optimiser": {"epochs": 16, "batch": 16, "warmup_epochs": 0},
            "schedule": {"kind": "snapshots", "cycles": 4},
            "stop": {"window": None},
            "seed": seed,
        }
    )


@dataclass
class Reading:
    """What the layers of networks say of the crops of wells: by layer (network, well, crop, unit)."""

    classes: tuple[str, ...]
    layers: dict[str, Array]


def read(plate: Plate, seed: int) -> Reading:
    """Train, and read the plate."""
    keras.backend.clear_session()
    recipe = recipe_of(int((plate.table["role"] != "treatment").sum()), seed)
    with tempfile.TemporaryDirectory() as folder:
        result = training.fit(plate, recipe, folder, progress=False)
    networks = [_layers(layer) for layer in result.model.layers if isinstance(layer, keras.Model)][-NETWORKS:]
    crops = plate.crops(np.arange(len(plate.table)), result.card)
    flat = crops.reshape(-1, *crops.shape[2:])
    said = [network.predict(flat, batch_size=64, verbose=0) for network in networks]
    layers = {
        name: np.stack([own[place].reshape(*crops.shape[:2], -1) for own in said]) for place, name in enumerate(LAYERS)
    }
    return Reading(result.card.classes, layers)


def _layers(network: Any) -> Any:
    return keras.Model(network.input, [network.get_layer(name).output for name in LAYERS])


def readouts(reading: Reading, table: pd.DataFrame) -> Iterator[tuple[str, str, Array]]:
    """Give the name of each readout, the phenotype, and its values (network, well)."""
    labels, phenotypes = table["label"].to_numpy(), reading.classes[1:]
    negative, controls = labels == NEGATIVE, [labels == name for name in phenotypes]
    placed = {}
    for layer in ("pool", "hidden"):
        crops = reading.layers[layer].transpose(1, 2, 0, 3).astype(float)
        spread = gather_unevenness(table[["plate", "well"]], list(crops))[table["plate"].iloc[0]]
        known = crops.mean(axis=1), np.zeros(len(labels)), negative, controls
        placed[f"strength, {layer}"] = positions(*known, spread)
        placed[f"strength without S, {layer}"] = positions(*known)
    for number, phenotype in enumerate(phenotypes):
        yield "probability", phenotype, reading.layers["phenotype"][..., number + 1].mean(axis=2)
        for name, found in placed.items():
            yield name, phenotype, found[..., number].T
        kind = next(own for own, moa in PHENOTYPES.items() if moa == phenotype)
        yield "the cells themselves", phenotype, table[[kind]].to_numpy().T


def curves(reading: Reading, plate_table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Fit every readout of a plate: one row a readout, phenotype and compound."""
    design, controls = design_of(seed)
    rows = []
    for name, phenotype, values in readouts(reading, plate_table):
        use = (plate_table["role"] != "positive_control") | (plate_table["label"] == phenotype)
        networks = {f"network_{number}": own for number, own in enumerate(values, 1)} if len(values) > 1 else {}
        points = plate_table.assign(readout=phenotype, value=values.mean(0), **networks)[use]
        fits = fit_responses(points.drop(columns=["label", "number", *PHENOTYPES])).responses
        for compound in design.compounds:
            assert compound.phenotype is not None
            fit = fits.loc[(compound.name, phenotype)]
            known = {
                "readout": name,
                "seed": seed,
                "cells": "all-or-none" if design.all_or_none else "graded",
                "controls": controls,
                "own": PHENOTYPES[compound.phenotype] == phenotype,
                "true": compound.ec50,
                "slope": compound.hill_slope,
            }
            rows.append(known | fit[["ec50", "ec50_low", "ec50_high", "hill_slope", "category"]].to_dict())
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Compare with the truth."""
    found = table["category"].isin(["active", "partial"])
    told = found | (table["category"] == "outside the tested range")
    error = np.log2(table["ec50"] / table["true"]).abs().where(found)
    held = ((table["ec50_low"] <= table["true"]) & (table["true"] <= table["ec50_high"])).astype(float).where(told)
    own = table.assign(
        error=error,
        far=error,
        slope=(table["hill_slope"] / table["slope"]).where(found),
        held=held,
        width=(table["ec50_high"] / table["ec50_low"]).where(found),
        found=found,
    )
    groups = own[own["own"]].groupby(by, sort=False)
    result = groups.agg(
        n=("found", "size"), found=("found", "mean"), error=("error", "median"), slope=("slope", "median"),
        held=("held", "mean"), width=("width", "median"),
    )  # fmt: skip
    result.insert(3, "p90", groups["far"].quantile(0.9))
    return result.assign(other=own[~own["own"]].groupby(by, sort=False)["found"].mean())


def print_table(table: pd.DataFrame) -> None:
    """Print Markdown."""
    heads = [
        "curves",
        "EC50 found",
        "median error",
        "90 %",
        "slope",
        "interval holds",
        "width",
        "wrong phenotype called",
    ]
    print(f"| {' | '.join([*table.index.names, *heads])} |")
    print("|---" * (len(table.index.names) + len(heads)) + "|")
    for key, row in table.iterrows():
        names = key if isinstance(key, tuple) else (key,)
        cells = [f"{row.n:.0f}", f"{row.found:.0%}", *(f"{row[name]:.2f}" for name in ("error", "p90", "slope"))]
        cells += [f"{row.held:.0%}", f"{row.width:.1f}", f"{row.other:.0%}"]
        print(f"| {' | '.join([*map(str, names), *cells])} |")


def main(first: int, plates: int, folder: Path) -> None:
    """Read the plates that the folder does not hold, and print what is found of all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for seed in range(first, first + plates):
        plate, kept = simulated(seed), folder / f"{seed}.pickle"
        if not kept.exists():
            kept.write_bytes(pickle.dumps(vars(read(plate, seed))))
            print(kept, file=sys.stderr, flush=True)
        parts.append(curves(Reading(**pickle.loads(kept.read_bytes())), plate.table, seed))  # noqa: S301
    table = pd.concat(parts)
    for by in (["readout"], ["cells", "readout"], ["controls", "readout"]):
        print_table(summary(table, by))
        print()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
