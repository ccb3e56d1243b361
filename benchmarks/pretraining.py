"""Does learning from wells without labels help? ``python benchmarks/pretraining.py mitocheck FOLDER TABLE FOLD ...``.

Three networks that differ in their first weights alone: drawn at random; learned from pairs of crops that shall agree
(VICReg); or learned by telling wells apart. Each is then fitted to few or all labels, and judged on other images.
``simulated TABLE SEED ...`` does the same on simulated plates (docs/pretraining.md). Each result is added to TABLE, a
CSV file, at once; ``table TABLE ...`` prints several.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from readouts import NEGATIVE, simulated

from hcskit.data import OpenField, open_data, open_field, split_folds, survey
from hcskit.data._augment import random_crop
from hcskit.inference import positions
from hcskit.models import resnet
from hcskit.models.backend import keras, tf
from hcskit.recipe import Recipe
from hcskit.simulation import PHENOTYPES

METHODS = ("none", "agreement", "wells")
Array = np.ndarray[Any, Any]
Batches = Callable[[np.random.Generator], tuple[Array, Array]]

FEATURES = 16  # of the network's first stage
MITOCHECK = Recipe.from_yaml(Path(__file__).parents[1] / "pipelines/recipes/mitocheck-resnet.yaml")
SHORT, LONG = 200, 600  # steps of fitting to some labels, and to all


def augmented(images: Array, numbers: Array, side: int, recipe: Recipe, rng: np.random.Generator) -> Array:
    """Cut one varied crop of each of these images: (crop, y, x, channel)."""
    channels = images.shape[-1]
    crops = np.empty((len(numbers), side, side, channels), np.float32)
    for number, crop in zip(numbers, crops, strict=True):
        field = OpenField(images[number], None, np.zeros(channels), np.ones(channels))
        random_crop(field, recipe.augmentation, rng, crop)
    return crops


def learn(network: Any, loss: Any, batches: Batches, steps: int, seed: int, rate: float = 0.002) -> None:
    """Fit a network with AdamW, the rate falling along a cosine."""
    schedule = keras.optimizers.schedules.CosineDecay(rate / 10, steps, warmup_target=rate, warmup_steps=steps // 20)
    network.compile(keras.optimizers.AdamW(schedule, weight_decay=0.05), loss)
    rng = np.random.default_rng([seed, steps])
    for _ in range(steps):
        network.train_on_batch(*batches(rng))


def vicreg(_: Any, z: Any) -> Any:
    """Compare the two halves of a batch: variance, invariance, covariance (Bardes et al., ICLR 2022, section 4.1)."""
    pair = tf.split(z, 2)
    loss = 25 * tf.reduce_mean((pair[0] - pair[1]) ** 2)
    for half in pair:
        centred = half - tf.reduce_mean(half, 0)
        spread = tf.sqrt(tf.reduce_mean(centred**2, 0) + 1e-4)
        covariance = tf.matmul(centred, centred, transpose_a=True) / tf.cast(tf.shape(half)[0] - 1, "float32")
        apart = covariance - tf.linalg.diag(tf.linalg.diag_part(covariance))
        loss += 12.5 * tf.reduce_mean(tf.nn.relu(1 - spread)) + tf.reduce_sum(apart**2) / z.shape[1]
    return loss


def pretrained(method: str, images: Array, wells: Array, side: int, recipe: Recipe, steps: int, seed: int) -> Any:
    """Return a network from images to features, with first weights of one of `METHODS`."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    whole = resnet((side, side, images.shape[-1]), 2, features=FEATURES)
    encoder = keras.Model(whole.input, whole.get_layer("pool").output)
    if method == "agreement":
        z = keras.layers.Dense(256, use_bias=False)(encoder.output)
        z = keras.layers.Dense(256)(keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.95)(z)))

        def pairs(rng: np.random.Generator) -> tuple[Array, Array]:
            own = np.tile(rng.choice(len(images), 64, replace=False), 2)
            return augmented(images, own, side, recipe, rng), np.zeros((128, 256), np.float32)

        learn(keras.Model(encoder.input, z), vicreg, pairs, steps, seed)
    if method == "wells":
        fit_classes(encoder, images, wells, side, recipe, 2 * steps, seed, batch=64)
    return encoder


def fit_classes(
    encoder: Any, images: Array, labels: Array, side: int, recipe: Recipe, steps: int, seed: int, batch: int = 32
) -> Any:
    """Fit a network, all of it, with a new last layer; classes are drawn equally often."""
    names, numbers = np.unique(labels, return_inverse=True)
    own = [np.flatnonzero(numbers == one) for one in range(len(names))]
    x = keras.layers.Dropout(0.2)(encoder.output)
    network = keras.Model(encoder.input, keras.layers.Dense(len(names), activation="softmax")(x))

    def drawn(rng: np.random.Generator) -> tuple[Array, Array]:
        classes = rng.permutation(np.resize(rng.permutation(len(names)), batch))
        chosen = np.array([rng.choice(own[one]) for one in classes])
        return augmented(images, chosen, side, recipe, rng), np.eye(len(names), dtype=np.float32)[classes]

    learn(network, keras.losses.CategoricalCrossentropy(label_smoothing=0.1), drawn, steps, seed)
    return network


def mitocheck(folder: Path, fold: int) -> Iterator[dict[str, Any]]:
    """Judge on the plates of one of five folds; the crops are halved to 32×32, which takes a quarter of the time."""
    images, table = _crops(folder)
    held = split_folds(table, "plate", 5, 0) == fold
    labels, wells = table["label"].to_numpy(), (table["plate"] + table["well"]).to_numpy()
    rng = np.random.default_rng([fold, 7])
    order = rng.permutation(np.flatnonzero(~held))
    for method in METHODS:
        encoder = pretrained(method, images[~held], wells[~held], 32, MITOCHECK, 400, fold)
        first = encoder.get_weights()
        for count in (5, 10, 50, len(labels)):
            chosen = np.concatenate([order[labels[order] == name][:count] for name in np.unique(labels)])
            encoder.set_weights(first)
            steps = LONG if count == len(labels) else SHORT
            network = fit_classes(encoder, images[chosen], labels[chosen], 32, MITOCHECK, steps, fold)
            right = np.unique(labels)[_views(network, images[held]).argmax(1)] == labels[held]
            balanced = pd.Series(right).groupby(labels[held]).mean().mean()
            shown = "all" if count == len(labels) else str(count)
            yield {"pre-training": method, "labels": shown, "accuracy": right.mean(), "balanced": balanced}


def _crops(folder: Path) -> tuple[Array, pd.DataFrame]:
    """Read all crops, normalised."""
    data = open_data(folder)
    table = data.label(MITOCHECK.data)
    source = data.source(table, data.channels, 2)
    normalisation, _ = survey(source, np.ones(len(table), bool))
    images = np.empty((len(table), *source.shape, 1), np.float32)
    for row, image in enumerate(images):
        open_field(source, row, normalisation).cut((0, 0), image)
    return images, table


def _views(network: Any, images: Array) -> Array:
    """Average what is said of the eight orientations."""
    turned = [np.rot90(flipped, turns, (1, 2)) for flipped in (images, images[:, ::-1]) for turns in range(4)]
    return np.mean([network.predict(view, batch_size=128, verbose=0) for view in turned], axis=0)


def simulated_plate(seed: int) -> Iterator[dict[str, Any]]:
    """Judge how well wells are placed between the controls, against what the simulated cells do.

    ``explained`` is the squared correlation over the wells of compounds that have the phenotype.
    """
    plate = simulated(seed)
    table = plate.table
    scale = plate.images.std(axis=(0, 1, 2))
    images = (plate.images - plate.images.mean(axis=(0, 1, 2))) / scale
    labels = table["label"].to_numpy()
    treatments = (table["compound"].astype(str) + table["concentration"].astype(str) + table["role"]).to_numpy()
    recipe = Recipe.model_validate({"augmentation": {"mixup": 0}})
    rng = np.random.default_rng([seed, 7])
    order = rng.permutation(len(labels))
    for method in METHODS:
        encoder = pretrained(method, images, treatments, 64, recipe, 120, seed)
        first = encoder.get_weights()
        for count in (2, 4, 8):
            controls = [order[labels[order] == name][:count] for name in (NEGATIVE, *PHENOTYPES.values())]
            assert all(len(own) == count for own in controls), f"seed {seed} has fewer than {count} wells of a control"
            encoder.set_weights(first)
            chosen = np.concatenate(controls)
            fit_classes(encoder, images[chosen], labels[chosen], 64, recipe, 60, seed)
            yield {"pre-training": method, "labels": count, "explained": _explained(encoder, images, table, controls)}


def _explained(encoder: Any, images: Array, table: pd.DataFrame, controls: list[Array]) -> float:
    tiles = images.reshape(-1, 3, 64, 3, 64, images.shape[-1]).swapaxes(2, 3).reshape(-1, 64, 64, images.shape[-1])
    features = encoder.predict(tiles, batch_size=128, verbose=0).reshape(len(images), 9, -1).mean(1)
    chosen = [np.isin(np.arange(len(table)), own) for own in controls]
    found = positions(features[:, np.newaxis], np.zeros(len(table)), chosen[0], chosen[1:])[:, 0]
    moa = table["compound"].str[:3].to_numpy()
    shares = []
    for number, phenotype in enumerate(PHENOTYPES):
        own = ((table["role"] == "treatment") & (moa == phenotype[:3])).to_numpy()
        shares.append(np.corrcoef(found[own, number], table.loc[own, phenotype])[0, 1] ** 2)
    return float(np.mean(shares))


def print_tables(paths: list[Path]) -> None:
    """Print each result, and how much it is above that of random weights on the same fold or plate."""
    table = pd.concat([pd.read_csv(path, dtype={"labels": str}) for path in paths])
    for score in [name for name in ("balanced", "accuracy", "explained") if name in table]:
        each = table.pivot_table(score, ["labels", "unit"], "pre-training")
        gain = each.sub(each["none"], axis=0)
        methods = [name for name in METHODS if name in each]
        print(f"\n{score}\n\n| labels a class | fold or plate | {' | '.join(methods)} |")
        print("|---" * (2 + len(methods)) + "|")
        for labels, unit in sorted(each.index, key=lambda key: (float(key[0].replace("all", "inf")), key[1])):
            own = [(each.loc[(labels, unit), name], gain.loc[(labels, unit), name]) for name in methods]
            cells = ["–" if np.isnan(value) else f"{value:.3f} ({more:+.3f})" for value, more in own]
            print(f"| {labels} | {unit} | {' | '.join(cells)} |")


def main(what: str, *arguments: str) -> None:
    """Run what the first argument says."""
    if what == "table":
        print_tables([Path(one) for one in arguments])
        return
    folder, (out, *units) = (Path(arguments[0]), arguments[1:]) if what == "mitocheck" else (Path(), arguments)
    for unit in map(int, units):
        for row in mitocheck(folder, unit) if what == "mitocheck" else simulated_plate(unit):
            table = pd.DataFrame([{"unit": unit, **row}])
            table.to_csv(out, mode="a", header=not Path(out).exists(), index=False)
            print(table.to_string(header=False, index=False), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
