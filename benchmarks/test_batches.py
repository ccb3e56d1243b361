"""From a plate's store to batches of whole fields on one core, beside what a user would write; pages in the cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import xarray as xr
import xbatcher
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter  # what model.fit does with batches

from hcskit.data import KeptSource, Normalisation, PlateSource, RandomCrops, TrainingFields, label_fields
from hcskit.platemap import check_plate_map
from hcskit.preprocess import correct_illumination
from hcskit.recipe import Recipe
from hcskit.screen import PlateInfo, make_plate
from hcskit.store import open_plates, write_plate

SHAPE, BATCH, ROUNDS = (1024, 1280), 8, 3
CHANNELS = ("DNA", "ER", "RNA")
CLASSES = ("negative_control", "positive_control")
NORMALISATION = Normalisation(centre=(200.0, 600.0, 1400.0), scale=(20.0, 30.0, 40.0))
STEP = 3.56  # images per second of the published network in bfloat16 on two idle cores (docs/performance.md)
UNCHANGED = Recipe().augmentation.model_copy(update={"dihedral": False, "gain": 0.0, "offset": 0.0, "mixup": 0.0})


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, xr.Dataset]:
    """32 fields of camera noise, which compresses to about a half: 252 MB."""
    wells = tuple(f"{row}{column:02d}" for row in "AB" for column in range(1, 9))
    rng = np.random.default_rng(0)
    base = np.stack([rng.poisson(level, SHAPE).astype(np.uint16) for level in (300, 700, 1500)])
    image = np.stack([[np.roll(base, 17 * well + 5 * field, axis=2) for field in (1, 2)] for well in range(len(wells))])
    info = PlateInfo("P1", wells, (1, 2), CHANNELS, SHAPE, np.dtype(np.uint16), 0.6)
    plate_map = pd.DataFrame({"well": wells, "role": [*CLASSES] * 8, "compound": "none", "concentration": 0.0})
    plate_map = check_plate_map(plate_map.assign(concentration_unit="nM"))
    folder = tmp_path_factory.mktemp("bench")
    write_plate(make_plate(info, image, np.ones(image.shape[:3], bool), plate_map), folder, progress=False)
    return open_plates(folder)


@pytest.fixture(scope="module")
def illumination() -> xr.Dataset:
    y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in SHAPE)
    flat = np.broadcast_to(1.1 - 0.15 * (y[:, np.newaxis] ** 2 + x**2), (1, len(CHANNELS), *SHAPE)).astype(np.float32)
    dark = np.full((1, len(CHANNELS)), 100, np.float32)
    return xr.Dataset(
        {"flat": (("plate", "channel", "y", "x"), flat), "dark": (("plate", "channel"), dark)},
        coords={"plate": ["P1"], "channel": list(CHANNELS)},
    )


def _ours(plates: dict[str, xr.Dataset], illumination: xr.Dataset, augmentation: Any, kept: int) -> Callable[[], Any]:
    table = label_fields(plates, Recipe().data)
    source = KeptSource(PlateSource(plates, illumination, table, CHANNELS), kept)
    labels = table["label"].map(CLASSES.index).to_numpy()
    fields = TrainingFields(source, np.arange(len(table)), labels, CLASSES, NORMALISATION)
    batches = RandomCrops(fields, SHAPE, 1, BATCH, augmentation, 0)
    dataset = PyDatasetAdapter(batches).get_tf_dataset()
    return lambda: dataset


def _light(image: xr.DataArray, illumination: xr.Dataset) -> xr.DataArray:
    centre, scale = (xr.DataArray(np.array(value, np.float32), dims="channel") for _, value in NORMALISATION)
    return ((correct_illumination(image, illumination) - centre) / scale).transpose(..., "y", "x", "channel")


def _from_generator(plates: dict[str, xr.Dataset], illumination: xr.Dataset) -> Callable[[], Any]:
    table, own = label_fields(plates, Recipe().data), illumination.sel(plate="P1")
    labels = table["label"].map(CLASSES.index).to_numpy()

    def fields() -> Iterator[Any]:
        for number in np.random.default_rng(0).permutation(len(table)):
            row = table.iloc[number]
            image = plates["P1"]["image"].sel(well=row["well"], field=row["field"])
            yield _light(image, own).to_numpy(), np.eye(len(CLASSES), dtype=np.float32)[labels[number]]

    signature = (
        tf.TensorSpec((*SHAPE, len(CHANNELS)), tf.float32),
        tf.TensorSpec((len(CLASSES),), tf.float32),
    )
    dataset = tf.data.Dataset.from_generator(fields, output_signature=signature).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return lambda: dataset


def _xbatcher(plates: dict[str, xr.Dataset], illumination: xr.Dataset) -> Callable[[], Any]:
    image = plates["P1"]["image"].stack(sample=("well", "field"), create_index=False)  # noqa: PD013 - not of pandas
    light = _light(image, illumination.sel(plate="P1"))
    sizes = {"sample": BATCH, "y": SHAPE[0], "x": SHAPE[1], "channel": len(CHANNELS)}
    return lambda: ((batch.to_numpy(), None) for batch in xbatcher.BatchGenerator(light, sizes))


PATHS: dict[str, Callable[..., Callable[[], Any]]] = {
    "bare": _from_generator,
    "xbatcher": _xbatcher,
    "hcskit": lambda *data: _ours(*data, UNCHANGED, 0),
    "hcskit, augmented": lambda *data: _ours(*data, Recipe().augmentation, 0),
    "hcskit, augmented, kept in memory": lambda *data: _ours(*data, Recipe().augmentation, 2**30),
}


@pytest.mark.parametrize("what", PATHS)
@pytest.mark.benchmark(group="whole fields of 1024×1280×3, one core")
def test_batches(
    what: str, plates: dict[str, xr.Dataset], illumination: xr.Dataset, benchmark: Any, bind: Callable[[int], None]
) -> None:
    bind(1)
    batches = PATHS[what](plates, illumination)
    amount = int(plates["P1"]["present"].all("channel").sum())

    used: list[float] = []

    def run() -> float:
        start = time.process_time()
        total = float(sum(np.sum(x[:, ::64, ::64]) for x, _ in batches()))
        used.append(time.process_time() - start)
        return total

    benchmark.extra_info.update(what=what, amount=amount, unit="images")
    benchmark.pedantic(run, rounds=ROUNDS, warmup_rounds=1)
    # On a machine that others use as well, this is what a core of one's own would give.
    rate = amount / float(np.median(used[1:]))
    benchmark.extra_info["note"] = f"{rate:.1f} images per second of the core = {rate / STEP:.0f} × the step"
