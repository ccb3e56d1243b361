"""A trained network applied to every field, here or on a cluster: its predictions, and its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from tqdm import tqdm

from hcskit.actions._folder import folder_of
from hcskit.actions._kept_predictions import join_predictions, keep_features, kept_predictions, prediction_keys
from hcskit.cluster import AnyCluster, job_runner
from hcskit.data import LabelledData, ScreenData, open_data
from hcskit.errors import InputError
from hcskit.inference import (
    Predictions,
    apply_network,
    feature_network,
    gather_features,
    gather_predictions,
    gather_profiles,
    gather_strengths,
    gather_unevenness,
    predictable_fields,
    reading_network,
    write_predictions,
)
from hcskit.results import PROFILES, read_illumination, write_csv, write_table
from hcskit.training import ModelCard, TrainedModel, load_model, open_model

__all__ = ["embed", "predict"]

_FIELDS = 16  # per job: seconds of work, so that little is lost with a worker and all workers end together
# Threads read side by side. They open one by one: pandas may miss a label when several threads look first
# (pandas-dev/pandas#21150). The network takes a few fields at a time, with all its threads. Four threads at once gave
# the same numbers on two cores, a tenth to a third faster, but Keras does not promise it, and memory is held fourfold.
_opening, _computing = Lock(), Lock()

_Arrays = list[npt.NDArray[np.float32]]


def predict(
    data: str | Path | LabelledData,
    model: str | Path | TrainedModel,
    out: str | Path | None = None,
    *,
    cluster: AnyCluster | None = None,
    say: Callable[[str], object] = tqdm.write,
    progress: bool = True,
) -> Predictions:
    """Read the phenotypes of every usable field.

    A field is cut into the fewest crops of the size the network was trained on; its probability is their mean. Where
    the results are written beside the plates, a plate is read again only if its images, its labels, its illumination,
    the excluded fields, the model, or hcskit have changed since. Where plates have controls, the strength of each
    phenotype is told as well (docs/readouts.md).

    Parameters
    ----------
    data : path-like or LabelledData
        Folder of a screen whose quality step has run, or of images. Here, also what `hcskit.data.open_data` returns.
    model : path-like or TrainedModel
        A trained network, or its folder.
    out : path-like, optional
        Of a screen: folder of a screen or a run, whose tables are written. Of images: a CSV file, one row an image. By
        default, nothing is written.
    cluster : Cluster, ClusterConfig or path-like, optional
        Where to compute; by default in this process. If a worker is lost, the others do its fields.
    say : callable
        Receives the paths of written files, and any reason to distrust the network.
    progress : bool
        Show a progress bar over fields.

    Returns
    -------
    Predictions
        Tables of fields and wells; each image of a folder is a well with the name of its file.

    Raises
    ------
    InputError
        If the data do not fit the model's card: a channel is missing, the size or type of a pixel differs, or images
        are smaller than the network's input. On a cluster: if a worker finds a different model, or other versions.
    RunError
        If no worker is left, or the same fields kill worker after worker.
    """
    images, trained = _open(data, model, out, cluster)
    for doubt in trained.card.doubts:
        say(doubt)
    keys = prediction_keys(data, out, images, trained.card)
    kept = kept_predictions(out, keys)
    fields = predictable_fields(images, trained.card)
    todo = fields[~fields["plate"].isin(kept)]
    for plate in kept:
        say(f"plate {plate}: predictions as before: nothing has changed")
    parts = list(kept.values())
    if len(todo) or not parts:
        found = _apply(data, images, trained, reading_network, todo, cluster, progress)
        parts.append(_predictions(found, trained.card))
    predictions = join_predictions(parts)
    if isinstance(images, ScreenData):
        read = predictions.features, predictions.unevenness
        predictions = replace(predictions, strengths=gather_strengths(*read, images.plates, trained.card))
    if out is None:
        return predictions
    if isinstance(images, ScreenData):
        for path in write_predictions(out, images.plates, predictions, trained.card, keys):
            say(f"wrote {path}")
        keep_features(out, predictions, keys)
    else:
        table = predictions.wells.reset_index().pivot_table("probability", "well", "phenotype")
        _write_images(out, table.loc[fields["well"], list(trained.card.classes)], say)
    return predictions


def embed(
    data: str | Path | LabelledData,
    model: str | Path | TrainedModel,
    out: str | Path | None = None,
    *,
    cluster: AnyCluster | None = None,
    say: Callable[[str], object] = tqdm.write,
    progress: bool = True,
) -> pd.DataFrame:
    """Describe every well by the features that a network has before its output layer.

    Features are averaged over the crops of a field, then over the fields of a well. The features of an ensemble's
    networks are concatenated: a feature means something different in each network, so their mean means little.

    Parameters
    ----------
    data, model, out, cluster, say, progress
        As `predict` takes them.

    Returns
    -------
    pandas.DataFrame
        Index ``plate, well``; columns ``feature_1`` and so on, dimensionless. Written as the table ``profiles``.

    Raises
    ------
    InputError
        If the layer before the output has more axes than (batch, feature), or as `predict` does.
    RunError
        As `predict` does.
    """
    images, trained = _open(data, model, out, cluster)
    fields = predictable_fields(images, trained.card)
    found = _apply(data, images, trained, _features, fields, cluster, progress)
    profiles = gather_profiles(found.fields, found.crops)
    if out is not None and isinstance(images, ScreenData):
        say(f"wrote {write_table(out, PROFILES, profiles)}")
    elif out is not None:
        _write_images(out, profiles.droplevel("plate"), say)
    return profiles


def _predictions(found: _Applied, card: ModelCard) -> Predictions:
    count = len(card.classes)
    said = gather_predictions(found.fields, [own[..., :count] for own in found.crops], card.classes)
    seen = found.fields, [own[..., count:] for own in found.crops]
    return replace(said, features=gather_features(*seen), unevenness=gather_unevenness(*seen))


def _features(model: Any, _: ModelCard) -> Any:
    return feature_network(model)


@dataclass(frozen=True)
class _Applied:
    """What a network returned for the crops of each field."""

    fields: pd.DataFrame
    crops: _Arrays


def _open(
    data: str | Path | LabelledData,
    model: str | Path | TrainedModel,
    out: str | Path | None,
    cluster: AnyCluster | None,
) -> tuple[LabelledData, TrainedModel]:
    images, trained = open_data(data, illumination=cluster is None), open_model(model)
    _check_out(images, out)
    return images, trained


def _apply(
    data: str | Path | LabelledData,
    images: LabelledData,
    trained: TrainedModel,
    network: Callable[[Any, ModelCard], Any],
    fields: pd.DataFrame,
    cluster: AnyCluster | None,
    progress: bool,
) -> _Applied:
    """Apply a network to fields, a few in a job; the jobs are the same wherever they run."""
    parts = [
        plate.iloc[start : start + _FIELDS]
        for _, plate in fields.groupby("plate", sort=False)
        for start in range(0, len(plate), _FIELDS)
    ]
    if cluster is None:
        apply = partial(_apply_to_part, data=images, network=network(trained.network, trained.card), card=trained.card)
    else:
        place = _Place(uuid4().hex, folder_of(data), trained.folder.resolve(), trained.card.weights_sha256)
        apply = partial(_apply_in_worker, place=place, network=network)
    with tqdm(total=len(fields), unit="field", disable=not progress) as bar, job_runner(cluster) as run:
        found = run([partial(apply, part) for part in parts], lambda crops: bar.update(len(crops)))
    ordered = pd.concat(parts, ignore_index=True)
    return _Applied(ordered, list(chain.from_iterable(found)))


def _apply_to_part(part: pd.DataFrame, *, data: LabelledData, network: Any, card: ModelCard) -> _Arrays:
    if isinstance(data, ScreenData):  # other plates may have images of another size
        plate = part["plate"].iloc[0]
        data = ScreenData({plate: data.plates[plate]}, data.illumination)
    with _opening:
        source = data.source(part, card.channels, card.binning)
    return apply_network(source, network, card, turn=_computing)


@dataclass(frozen=True)
class _Place:
    """Where a worker finds its inputs. They stay open for one call only: the plate may change before the next."""

    call: str
    data: Path
    model: Path
    sha256: str


def _apply_in_worker(part: pd.DataFrame, *, place: _Place, network: Callable[[Any, ModelCard], Any]) -> _Arrays:
    with _opening:
        applied, card = _network(place.model, place.sha256, network)
        data = _data(place)
        if isinstance(data, ScreenData):
            data = ScreenData(data.plates, _illumination(place, part["plate"].iloc[0]))
    return _apply_to_part(part, data=data, network=applied, card=card)


@lru_cache(maxsize=1)
def _network(folder: Path, sha256: str, network: Callable[[Any, ModelCard], Any]) -> tuple[Any, ModelCard]:
    model, card = load_model(folder)
    if card.weights_sha256 != sha256:
        raise InputError(f"{folder} holds another model for this worker than for the machine that asked: is it shared?")
    return network(model, card), card


@lru_cache(maxsize=1)
def _data(place: _Place) -> LabelledData:
    return open_data(place.data, illumination=False)


@lru_cache(maxsize=2)
def _illumination(place: _Place, plate: str) -> xr.Dataset:
    return read_illumination(place.data, [plate])


def _check_out(data: LabelledData, out: str | Path | None) -> None:
    """Before hours of work, refuse a file that cannot be written."""
    if out is None or isinstance(data, ScreenData):
        return
    path = Path(out)
    if path.is_dir():
        raise InputError(f"{path} is a folder; of a folder of images the result is one table: name a CSV file (out)")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent} to write {path.name} into")


def _write_images(out: str | Path, table: pd.DataFrame, say: Callable[[str], object]) -> None:
    write_csv(out, table.rename_axis("file").reset_index())
    say(f"wrote {out}")
