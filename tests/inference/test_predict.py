"""What a network was not trained for, it is not asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from hcskit.actions import predict
from hcskit.data import ImageFolder, ScreenData
from hcskit.errors import InputError
from hcskit.inference import predictable_fields
from hcskit.models.backend import keras
from hcskit.screen import PlateInfo, make_plate
from hcskit.training import ModelCard, save_model
from tests.untrained import card_of

SHAPE = (8, 8)


def _card(dtype: str | None) -> ModelCard:
    return card_of(("grey",), SHAPE, classes=("a", "b"), negative_class=None, dtype=dtype)


def _plate(dtype: str) -> xr.Dataset:
    info = PlateInfo("P1", ("A01",), (1,), ("grey",), SHAPE, np.dtype(dtype), 0.6)
    return make_plate(info, np.ones((1, 1, 1, *SHAPE), dtype), np.ones((1, 1, 1), bool))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pixels_are_those_the_network_was_trained_on(dtype: str, tmp_path: Path) -> None:
    other = {"uint8": "uint16", "uint16": "uint8"}[dtype]
    image, screen = np.full(SHAPE, 40, dtype), ScreenData({"P1": _plate(dtype)})
    (tmp_path / "images").mkdir()
    Image.fromarray(image).save(tmp_path / "images" / "one.png")
    folder = ImageFolder(tmp_path / "images")
    network = keras.Sequential([keras.Input((*SHAPE, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    said = f"has pixels of type {dtype}; the model was trained on {other}, .* export the images as {other}"
    with pytest.raises(InputError, match=said):
        predict(folder, save_model(tmp_path / "other", network, _card(other)), progress=False)
    with pytest.raises(InputError, match=f"plate P1 {said}"):
        predictable_fields(screen, _card(other))
    for name, card in (("same", _card(dtype)), ("before", _card(None))):  # a card of before says nothing of it
        found = predict(folder, save_model(tmp_path / name, network, card), progress=False)
        assert found.wells.index.unique("well").tolist() == ["one.png"]
        assert len(predictable_fields(screen, card)) == 1
