"""Fields looked at one by one, here or on a cluster: a network applied to them, or their light measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from tqdm import tqdm

from hcskit.actions._folder import folder_of
from hcskit.cluster import AnyCluster, job_runner, plates_at_once
from hcskit.data import (
    LabelledData,
    Normalisation,
    ScreenData,
    Source,
    gather_light,
    measure_light,
    open_data,
    standard_of,
)
from hcskit.errors import MismatchError
from hcskit.inference import apply_network
from hcskit.jobs import RunJobs, side_by_side
from hcskit.results import read_illumination
from hcskit.store import open_plates
from hcskit.training import ENOUGH_WELLS, ModelCard, TrainedModel, load_model

__all__ = [
    "Applied",
    "Site",
    "apply_to_fields",
    "measure_fields",
    "one_plate",
    "open_site",
    "plates_of",
    "standards",
    "untreated_fields",
]

_FIELDS = 16  # per job: seconds of work, so that little is lost with a worker and all workers end together
# Threads read side by side. They open one by one: pandas may miss a label when several threads look first
# (pandas-dev/pandas#21150). The network takes a few fields at a time, with all its threads. Four threads at once gave
# the same numbers on two cores, a tenth to a third faster, but Keras does not promise it, and memory is held fourfold.
_opening, _computing = Lock(), Lock()

R = TypeVar("R")
_Network = Callable[[Any, ModelCard], Any]
_Arrays = list[npt.NDArray[np.float32]]


@dataclass(frozen=True)
class _Place:
    """Where a worker finds its inputs. They stay open for one call only: the plate may change before the next."""

    call: str
    data: Path
    plate: Path | None  # None where the data are a folder of images
    model: Path
    sha256: str


@dataclass(frozen=True)
class Site:
    """Where fields are looked at: here, in data that are open, or in the workers of a cluster, which open them."""

    images: LabelledData
    trained: TrainedModel
    folder: Path | None
    is_elsewhere: bool
    run: RunJobs
    bar: Any
    at_once: int
    call: str = field(default_factory=lambda: uuid4().hex)
    networks: dict[_Network, Any] = field(default_factory=dict)

    def each(self, plates: Sequence[str], work: Callable[[str, Site], R]) -> list[R]:
        """Do something with each of some plates, several at a time."""
        return side_by_side(lambda name, run: work(name, replace(self, run=run)), plates, self.run, self.at_once)

    def source(self, plate: str) -> LabelledData | _Place:
        """Return the data of one plate, with its illumination, or where a worker finds them."""
        own = self.images.plates[plate] if isinstance(self.images, ScreenData) else None
        if self.is_elsewhere and self.folder is not None:
            place = None if own is None else Path(own.encoding["source"])
            return _Place(
                self.call, self.folder, place, self.trained.folder.resolve(), self.trained.card.weights_sha256
            )
        if own is None or not isinstance(self.images, ScreenData):
            return self.images
        light = self.images.illumination
        if light is None and self.folder is not None:  # not that of all plates at once: it is as large as some images
            light = read_illumination(self.folder, [plate])
        return ScreenData({plate: own}, light)

    def network(self, network: _Network) -> Any:
        """Return what a network is applied as, made once for all plates."""
        with _opening:
            if network not in self.networks:
                self.networks[network] = network(self.trained.network, self.trained.card)
            return self.networks[network]


@dataclass(frozen=True)
class Applied:
    """What a network returned for the crops of each field."""

    fields: pd.DataFrame
    crops: _Arrays


def plates_of(images: LabelledData) -> list[str]:
    """Return the names of plates; the images of a folder are one without a name."""
    return list(images.plates) if isinstance(images, ScreenData) else [""]


def one_plate(images: LabelledData, name: str) -> LabelledData:
    """Return a plate by its name, without its illumination."""
    return ScreenData({name: images.plates[name]}) if isinstance(images, ScreenData) else images


@contextmanager
def open_site(
    data: str | Path | LabelledData,
    images: LabelledData,
    trained: TrainedModel,
    cluster: AnyCluster | None,
    progress: bool,
) -> Iterator[Site]:
    """Open a cluster, if one is given, for all that a verb does there."""
    folder = folder_of(data) if cluster is not None or isinstance(data, str | Path) else None
    with job_runner(cluster) as run, tqdm(total=0, unit="field", disable=not progress) as bar:
        yield Site(images, trained, folder, cluster is not None, run, bar, plates_at_once(cluster))


def apply_to_fields(
    site: Site, network: _Network, fields: pd.DataFrame, constants: Mapping[str, Normalisation] | None = None
) -> Applied:
    """Apply a network to fields; those of a plate in `constants` are normalised by its own constants."""
    parts, card = _parts(fields), site.trained.card
    constant = {plate: (constants or {}).get(plate, card.normalisation) for plate, _ in parts}
    if site.is_elsewhere:
        apply = partial(_apply_in_worker, network)
    else:
        apply = partial(_apply_here, site.network(network), card)
    sources = {plate: site.source(plate) for plate in constant}
    jobs = [partial(apply, sources[plate], constant[plate], own[_labels(own)]) for plate, own in parts]
    site.bar.total += len(fields)
    found = site.run(jobs, lambda crops: site.bar.update(len(crops)))
    return Applied(_joined(parts, fields), list(chain.from_iterable(found)))


def measure_fields(site: Site, fields: pd.DataFrame) -> dict[str, xr.DataArray]:
    """Measure the light of fields; returns (well, look, channel) of each plate."""
    parts, card = _parts(fields), site.trained.card
    sources = {plate: site.source(plate) for plate, _ in parts}
    measure = partial(_measure, card.channels, card.binning)
    jobs = [partial(measure, sources[plate], own[_labels(own)]) for plate, own in parts]
    found = list(chain.from_iterable(site.run(jobs)))
    ordered = _joined(parts, fields)
    return {
        str(plate): gather_light(own, [found[row] for row in own.index], card.channels)
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


def _parts(fields: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Cut a list of fields into parts of one plate each; they are the same wherever they are looked at."""
    return [
        (str(name), plate.iloc[start : start + _FIELDS])
        for name, plate in fields.groupby("plate", sort=False)
        for start in range(0, len(plate), _FIELDS)
    ]


def _joined(parts: list[tuple[str, pd.DataFrame]], fields: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([*(own for _, own in parts), fields.iloc[:0]], ignore_index=True)


def _labels(part: pd.DataFrame) -> list[str]:
    """Return the columns that say where an image is: the others need not be sent."""
    return [name for name in ("plate", "well", "field", "file") if name in part]


def _apply_here(
    network: Any, card: ModelCard, data: LabelledData | _Place, constant: Normalisation, part: pd.DataFrame
) -> _Arrays:
    own = card.model_copy(update={"normalisation": constant})
    return apply_network(_open(data, part, card.channels, card.binning), network, own, turn=_computing)


def _apply_in_worker(network: _Network, place: _Place, constant: Normalisation, part: pd.DataFrame) -> _Arrays:
    with _opening:
        applied, card = _network(place.model, place.sha256, network)
    return _apply_here(applied, card, place, constant, part)


def _measure(
    channels: tuple[str, ...], binning: int, data: LabelledData | _Place, part: pd.DataFrame
) -> list[npt.NDArray[np.float64]]:
    source = _open(data, part, channels, binning)
    return [measure_light(source, row) for row in range(len(part))]


def _open(data: LabelledData | _Place, part: pd.DataFrame, channels: Sequence[str], binning: int) -> Source:
    with _opening:
        opened = _data(data) if isinstance(data, _Place) else data
        return opened.source(part, channels, binning)


@lru_cache(maxsize=1)
def _network(folder: Path, sha256: str, network: _Network) -> tuple[Any, ModelCard]:
    model, card = load_model(folder)
    if card.weights_sha256 != sha256:
        raise MismatchError(
            f"{folder} holds another model for this worker than for the machine that asked: is it shared?"
        )
    return network(model, card), card


@lru_cache(maxsize=2)  # a plate's illumination is as large as its images of one field
def _data(place: _Place) -> LabelledData:
    if place.plate is None:
        return open_data(place.data, illumination=False)
    plates = open_plates(place.plate)
    return ScreenData(plates, read_illumination(place.data, list(plates)))
