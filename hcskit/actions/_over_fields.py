"""Fields looked at one by one, here or on a cluster: a network applied to them, or their light measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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
from hcskit.cluster import AnyCluster, job_runner
from hcskit.data import LabelledData, Normalisation, ScreenData, gather_light, measure_light, open_data, standard_of
from hcskit.errors import InputError
from hcskit.inference import apply_network
from hcskit.jobs import RunJobs
from hcskit.results import read_illumination
from hcskit.training import ENOUGH_WELLS, ModelCard, TrainedModel, load_model

__all__ = ["Applied", "Site", "apply_to_fields", "measure_fields", "open_site", "standards", "untreated_fields"]

_FIELDS = 16  # per job: seconds of work, so that little is lost with a worker and all workers end together
# Threads read side by side. They open one by one: pandas may miss a label when several threads look first
# (pandas-dev/pandas#21150). The network takes a few fields at a time, with all its threads. Four threads at once gave
# the same numbers on two cores, a tenth to a third faster, but Keras does not promise it, and memory is held fourfold.
_opening, _computing = Lock(), Lock()

_Network = Callable[[Any, ModelCard], Any]
_Arrays = list[npt.NDArray[np.float32]]


@dataclass(frozen=True)
class _Place:
    """Where a worker finds its inputs. They stay open for one call only: the plate may change before the next."""

    call: str
    data: Path
    model: Path
    sha256: str


@dataclass(frozen=True)
class Site:
    """Where fields are looked at: here, in data that are open, or in the workers of a cluster, which open them."""

    images: LabelledData
    trained: TrainedModel
    place: _Place | None
    run: RunJobs
    progress: bool


@dataclass(frozen=True)
class Applied:
    """What a network returned for the crops of each field."""

    fields: pd.DataFrame
    crops: _Arrays


@contextmanager
def open_site(
    data: str | Path | LabelledData,
    images: LabelledData,
    trained: TrainedModel,
    cluster: AnyCluster | None,
    progress: bool,
) -> Iterator[Site]:
    """Open a cluster, if one is given, for all that a verb does there."""
    place = None
    if cluster is not None:
        place = _Place(uuid4().hex, folder_of(data), trained.folder.resolve(), trained.card.weights_sha256)
    with job_runner(cluster) as run:
        yield Site(images, trained, place, run, progress)


def apply_to_fields(
    site: Site, network: _Network, fields: pd.DataFrame, constants: Mapping[str, Normalisation] | None = None
) -> Applied:
    """Apply a network to fields; those of a plate in `constants` are normalised by its own constants."""
    parts, card = _parts(fields), site.trained.card
    own = [card.model_copy(update={"normalisation": (constants or {}).get(_plate(part), card.normalisation)})
           for part in parts]  # fmt: skip
    if site.place is None:
        apply = partial(_apply_here, data=site.images, network=network(site.trained.network, card))
    else:
        apply = partial(_apply_in_worker, place=site.place, network=network)
    jobs = [partial(apply, part, card=card) for part, card in zip(parts, own, strict=True)]
    with tqdm(total=len(fields), unit="field", disable=not site.progress) as bar:
        found = site.run(jobs, lambda crops: bar.update(len(crops)))
    return Applied(pd.concat(parts, ignore_index=True), list(chain.from_iterable(found)))


def measure_fields(site: Site, fields: pd.DataFrame) -> dict[str, xr.DataArray]:
    """Measure the light of fields; returns (well, look, channel) of each plate."""
    measure = partial(_measure, data=site.images if site.place is None else site.place, card=site.trained.card)
    parts = _parts(fields)
    found = list(chain.from_iterable(site.run([partial(measure, part) for part in parts])))
    ordered = pd.concat([*parts, fields.iloc[:0]], ignore_index=True)
    return {
        str(plate): gather_light(own, [found[row] for row in own.index], site.trained.card.channels)
        for plate, own in ordered.groupby("plate", sort=False)
    }


def untreated_fields(fields: pd.DataFrame, card: ModelCard) -> pd.DataFrame:
    """Return the fields of negative controls, where the network has learned from such."""
    known = card.negative_class is not None and "role" in fields
    return fields[fields["role"] == "negative_control"] if known else fields.iloc[:0]


def standards(light: Mapping[str, xr.DataArray], card: ModelCard) -> dict[str, Normalisation]:
    """Return the constants of each plate that has enough negative controls for its own."""
    if not card.recipe.prediction.standardise:
        return {}
    return {plate: standard_of(own) for plate, own in light.items() if own.sizes["well"] >= ENOUGH_WELLS}


def _parts(fields: pd.DataFrame) -> list[pd.DataFrame]:
    """Cut a list of fields into parts of one plate each; they are the same wherever they are looked at."""
    return [
        plate.iloc[start : start + _FIELDS]
        for _, plate in fields.groupby("plate", sort=False)
        for start in range(0, len(plate), _FIELDS)
    ]


def _plate(part: pd.DataFrame) -> str:
    return str(part["plate"].iloc[0])


def _apply_here(part: pd.DataFrame, *, data: LabelledData, network: Any, card: ModelCard) -> _Arrays:
    return apply_network(_source(part, data, card), network, card, turn=_computing)


def _apply_in_worker(part: pd.DataFrame, *, place: _Place, network: _Network, card: ModelCard) -> _Arrays:
    with _opening:
        applied = _network(place.model, place.sha256, network)
    return apply_network(_source(part, place, card), applied, card, turn=_computing)


def _measure(part: pd.DataFrame, *, data: LabelledData | _Place, card: ModelCard) -> list[npt.NDArray[np.float64]]:
    source = _source(part, data, card)
    return [measure_light(source, row) for row in range(len(part))]


def _source(part: pd.DataFrame, data: LabelledData | _Place, card: ModelCard) -> Any:
    with _opening:
        if isinstance(data, _Place):
            opened = _data(data)
            if isinstance(opened, ScreenData):
                opened = ScreenData(opened.plates, _illumination(data, _plate(part)))
            data = opened
        if isinstance(data, ScreenData):  # other plates may have images of another size
            plate = _plate(part)
            data = ScreenData({plate: data.plates[plate]}, data.illumination)
        return data.source(part, card.channels, card.binning)


@lru_cache(maxsize=1)
def _network(folder: Path, sha256: str, network: _Network) -> Any:
    model, card = load_model(folder)
    if card.weights_sha256 != sha256:
        raise InputError(f"{folder} holds another model for this worker than for the machine that asked: is it shared?")
    return network(model, card)


@lru_cache(maxsize=1)
def _data(place: _Place) -> LabelledData:
    return open_data(place.data, illumination=False)


@lru_cache(maxsize=2)
def _illumination(place: _Place, plate: str) -> xr.Dataset:
    return read_illumination(place.data, [plate])
