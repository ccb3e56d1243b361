"""Which saliency finds the cells that respond? Run as ``python benchmarks/saliency.py FOLDER``.

Fields of cells that respond all or none are simulated, so that it is known which pixels belong to a cell that does.
Three maps are compared: the class activation of the strength, integrated gradients, and occlusion. `auc` is how
probable it is that a pixel of a cell that responds has a higher value than one of a cell that does not. The deletion
test puts the pixels of an untreated field in place of those with the highest values, 5 to 50 % of all: by how much of
its strength does the field fall, in the mean over these shares? FOLDER is that of `transfer.py`.
"""

from __future__ import annotations

import copy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from transfer import EDGE, design_of, simulated, trained

from hcskit.data import gather_light, measure_light, standard_of
from hcskit.inference import join_maps, saliency_network
from hcskit.models.backend import keras, tf
from hcskit.simulation import CHANNELS, DARK, PHENOTYPES, simulate_field, vignetting
from hcskit.simulation._cells import grow
from hcskit.training import ModelCard
from hcskit.training._check import area_under_curve

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
SMOOTH = 4.0  # pixels
STEPS = 16  # of the integral
PATCH = 16  # pixels that are occluded at a time


def field(seed: int, phenotype: str, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a field as light, and which pixels belong to cells that respond, and to those that do not."""
    design = replace(design_of(0), all_or_none=True)
    rng = np.random.default_rng([seed, 5])
    cells = grow(design, {phenotype: share}, copy.deepcopy(rng), density=1.0, brightness=1.0)
    counts = simulate_field(design, {phenotype: share}, rng).astype(np.float32)
    flat = np.stack([vignetting(design, channel) for channel in CHANNELS])
    y, x = np.mgrid[:EDGE, :EDGE]
    owner = np.argmin([np.hypot(y - cell.y, x - cell.x) for cell in cells], axis=0)
    near = (
        np.min([np.hypot(y - cell.y, x - cell.x) for cell in cells], axis=0)
        < np.mean([c.nucleus[0] for c in cells]) * 1.5
    )
    middle = np.mean([0.12, 0.46])
    moved = np.array(
        [c.nuclear_fraction > middle if phenotype == "translocation" else c.irregularity < 0.65 for c in cells]
    )
    return np.moveaxis((counts - DARK) / flat, 0, -1), near & moved[owner], near & ~moved[owner]


def crops_of(image: np.ndarray, crop: int) -> np.ndarray:
    """Cut an image of two by two crops."""
    return np.stack([image[y : y + crop, x : x + crop] for y in (0, EDGE - crop) for x in (0, EDGE - crop)])


def gradients(network: keras.Model, crops: np.ndarray) -> np.ndarray:
    """Integrate gradients from the mean of untreated light (Sundararajan et al., arXiv:1703.01365, 2017)."""
    total = np.zeros_like(crops)
    for step in (np.arange(STEPS) + 0.5) / STEPS:
        images = tf.constant(step * crops)
        with tf.GradientTape() as tape:
            tape.watch(images)
            said = tf.reduce_sum(tf.reduce_mean(network(images), axis=(1, 2)))
        total += tape.gradient(said, images).numpy() / STEPS
    return (total * crops).sum(axis=-1) * crops.shape[1] ** 2


def occlusion(network: keras.Model, crops: np.ndarray) -> np.ndarray:
    """Tell by how much the strength falls where patches are replaced by the mean of untreated light."""
    whole = network.predict_on_batch(crops).mean(axis=(1, 2))
    edge = crops.shape[1]
    found, count = np.zeros(crops.shape[:3]), np.zeros(crops.shape[:3])
    for y in range(0, edge - PATCH + 1, PATCH // 2):
        for x in range(0, edge - PATCH + 1, PATCH // 2):
            hidden = crops.copy()
            hidden[:, y : y + PATCH, x : x + PATCH] = 0
            fall = whole - network.predict_on_batch(hidden).mean(axis=(1, 2))
            found[:, y : y + PATCH, x : x + PATCH] += fall[:, None, None]
            count[:, y : y + PATCH, x : x + PATCH] += 1
    return found / count


def one_phenotype(model: keras.Model, card: ModelCard, name: str) -> keras.Model:
    """Return the map of one phenotype."""
    assert card.untreated is not None
    every = saliency_network(model, card)
    return keras.Model(every.input, every.output[..., list(card.untreated.phenotypes).index(name)])


def main(folder: Path) -> None:
    """Print one row a method."""
    data = simulated(0)
    model = trained(folder / "0-old", data)
    card, crop = model.card, model.card.crop[0]
    negative = data.label(card.recipe.data).query("label == 'negative_control'").reset_index(drop=True)
    source = data.source(negative, card.channels, 1)
    standard = standard_of(
        gather_light(negative, [measure_light(source, row) for row in negative.index], card.channels)
    )
    rows = []
    for phenotype, moa in PHENOTYPES.items():
        network = one_phenotype(model.network, card, moa)
        for seed in range(4):
            image, moved, resting = field(seed, phenotype, 0.4)
            other, _, _ = field(seed + 100, phenotype, 0.0)
            image, other = ((own - standard.centre) / standard.scale for own in (image, other))
            crops, calm = (crops_of(own.astype(np.float32), crop) for own in (image, other))
            maps = {
                "class activation": join_maps(network.predict_on_batch(crops), (crop, crop), (EDGE, EDGE)),
                "integrated gradients": join_maps(gradients(network, crops), (crop, crop), (EDGE, EDGE)),
                "occlusion": join_maps(occlusion(network, crops), (crop, crop), (EDGE, EDGE)),
                "by chance": gaussian_filter(np.random.default_rng(seed).standard_normal((EDGE, EDGE)), SMOOTH),
                "the cells that respond": gaussian_filter(moved.astype(float), SMOOTH),
            }
            whole = network.predict_on_batch(crops).mean()
            for name, own in maps.items():
                smooth = own if name in ("by chance", "the cells that respond") else gaussian_filter(own, SMOOTH)
                falls = []
                for share in SHARES:
                    chosen = crops_of(smooth[..., None] >= np.quantile(smooth, 1 - share), crop)
                    falls.append(whole - network.predict_on_batch(np.where(chosen, calm, crops)).mean())
                auc = area_under_curve(smooth[moved], smooth[resting])
                rows.append((name, phenotype, auc, np.mean(falls), whole))
    table = pd.DataFrame(rows, columns=["saliency", "phenotype", "auc", "fall", "strength"])
    print(table.groupby(["saliency", "phenotype"], sort=False).mean().round(3).to_string())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
