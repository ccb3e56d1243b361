"""Predictions of plates that were read before, and of which nothing has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import xarray as xr

from hcskit.actions._kept import kept_rows, plate_keys
from hcskit.data import LabelledData, ScreenData
from hcskit.files import replacing
from hcskit.inference import Predictions
from hcskit.inputs import open_file
from hcskit.names import child
from hcskit.results import FIELD_PREDICTIONS, PREDICTIONS
from hcskit.training import ModelCard

__all__ = ["join_predictions", "keep_features", "kept_predictions", "prediction_keys"]

_FEATURES, _LIGHT = ("well", "network", "feature"), ("well", "look", "channel")
_DARK = xr.DataArray(np.empty((0, 0, 0)), {axis: np.array([], str) for axis in _LIGHT}, _LIGHT)


def prediction_keys(
    data: str | Path | LabelledData, out: str | Path | None, images: LabelledData, card: ModelCard
) -> dict[str, str]:
    """Return what the predictions of each plate are made from; nothing where they are not written beside the plates."""
    if out is None or not isinstance(data, str | Path) or not isinstance(images, ScreenData):
        return {}
    if Path(out).resolve() != Path(data).resolve():
        return {}
    plates = images.plates

    def depends(name: str) -> str:
        excluded = plates[name].get("excluded") if name in plates else None
        return f"{card.model_dump_json()} {None if excluded is None else excluded.to_numpy().tobytes().hex()}"

    return plate_keys(Path(out), depends)


def kept_predictions(out: str | Path | None, keys: dict[str, str]) -> dict[str, Predictions]:
    """Return the predictions of the plates of which nothing has changed."""
    if out is None or not keys:
        return {}
    fields, wells = (kept_rows(Path(out), table, keys) for table in (FIELD_PREDICTIONS, PREDICTIONS))
    known = {name: _kept_features(Path(out), name, keys[name]) for name in fields if name in wells}
    return {
        name: Predictions(
            fields[name], wells[name], {name: own[0]}, {name: own[1]}, light={name: own[2]} if own[2].size else {}
        )
        for name, own in known.items()
        if own is not None
    }


def join_predictions(parts: list[Predictions]) -> Predictions:
    """Return the predictions of several plates, in the order of their names."""
    plates = sorted((plate, number) for number, part in enumerate(parts) for plate in part.wells.index.unique("plate"))
    fields = [parts[number].fields.loc[[plate]] for plate, number in plates]
    wells = [parts[number].wells.loc[[plate]] for plate, number in plates]
    features = {plate: parts[number].features[plate] for plate, number in plates}
    unevenness = {plate: parts[number].unevenness[plate] for plate, number in plates}
    light = {plate: own for part in parts for plate, own in part.light.items()}
    maps = next((part.maps for part in parts if part.maps is not None), None)
    return Predictions(pd.concat(fields), pd.concat(wells), features, unevenness, light=light, maps=maps)


def keep_features(screen: str | Path, predictions: Predictions, keys: dict[str, str]) -> None:
    """Keep the features of plates and their controls' light, hidden beside the results: else they are computed again.

    Raises
    ------
    StoreError
        If they cannot be written.
    """
    for plate in keys.keys() & predictions.features.keys():
        features, light = predictions.features[plate], predictions.light.get(plate, _DARK)
        kept: dict[str, Any] = {f"light_{axis}": light[axis].to_numpy().astype(str) for axis in _LIGHT}
        kept |= {"wells": features["well"].to_numpy().astype(str), "key": np.array(keys[plate])}
        kept |= {"features": features, "unevenness": predictions.unevenness[plate], "light": light}
        with replacing(_place(Path(screen), plate)) as partial:
            np.savez(partial, **kept)


def _kept_features(screen: Path, plate: str, key: str) -> tuple[xr.DataArray, ...] | None:
    """Return the features of a plate, their unevenness, and the light of its controls, if the key is the same."""
    try:
        with open_file(_place(screen, plate)) as file, np.load(file, allow_pickle=False) as kept:
            if str(kept["key"]) == key:
                features = xr.DataArray(kept["features"], {"well": kept["wells"]}, _FEATURES)
                unevenness = xr.DataArray(kept["unevenness"], dims=("network", "feature", "feature_too"))
                light = xr.DataArray(kept["light"], {axis: kept[f"light_{axis}"] for axis in _LIGHT}, _LIGHT)
                return features, unevenness, light
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):  # not there, or damaged
        pass
    return None


def _place(screen: Path, plate: str) -> Path:
    return child(screen / "results", f"features-{plate}", ".npz").with_name(f".features-{plate}.npz")
