"""Prediction over a whole screen as ordinary Dask work: a few fields a task, the network once in each worker."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from distributed import Client, as_completed, get_worker
from distributed.scheduler import KilledWorker
from tqdm.auto import tqdm

from hcskit.cluster._checks import check_versions, versions
from hcskit.cluster.ranks._gang import Patience
from hcskit.errors import InputError, RunError
from hcskit.results import read_illumination
from hcskit.store import open_plates

# What loads TensorFlow is imported in functions: a worker's first task must set its number of threads before.
if TYPE_CHECKING:
    from hcskit.inference import Predictions
    from hcskit.training import ModelCard

__all__ = ["predict"]

_FIELDS = 16  # in a task: seconds of work, so that little is lost with a worker, and all workers end together
_RETRIES = 2  # a shared file system may fail for a moment
_POLL = 0.2
_FETCH = 60.0  # seconds to bring a result here, if its worker is still there
# A worker's threads read side by side; the network takes one field at a time, with all its threads. Four at once gave
# the same numbers on two cores, a tenth to a third faster, but Keras does not promise it, and memory is held fourfold.
_opening, _computing = Lock(), Lock()


def predict(
    client: Client, screen: str | Path, model: str | Path, *, progress: bool = True, patience: float = 300.0
) -> Predictions:
    """Read the phenotypes of every usable field of a screen, on a cluster.

    The fields of a worker that is lost are done by the others, or by its replacement.

    Parameters
    ----------
    client : distributed.Client
        Client of the cluster; see `hcskit.cluster.open_cluster`.
    screen : path-like
        Folder of a screen whose quality step has run; all workers must see it.
    model : path-like
        Folder of a trained network; all workers must see it, and each reads it there.
    progress : bool
        Show a progress bar over fields.
    patience : float
        Seconds to wait while there is no worker at all.

    Returns
    -------
    hcskit.inference._predict.Predictions
        What `hcskit.inference._predict.predict` returns on one machine.

    Raises
    ------
    InputError
        If a plate does not fit the model's card, or a worker finds another model there or has other versions.
    RunError
        If there is no worker any more, or workers die of the same fields again and again.
    """
    from hcskit.inference import gather_predictions, predictable_fields
    from hcskit.training import load_card

    screen, model = str(Path(screen).resolve()), str(Path(model).resolve())
    card = load_card(model)
    fields = predictable_fields(open_plates(screen), card)[["plate", "well", "field"]]
    parts = [
        plate.iloc[start : start + _FIELDS]
        for _, plate in fields.groupby("plate", sort=False)
        for start in range(0, len(plate), _FIELDS)
    ]
    told: dict[str, Any] = {"screen": screen, "model": model, "sha256": card.weights_sha256, "software": versions()}
    do = partial(_predict_fields, call=uuid4().hex, **told)
    futures = client.map(do, parts, pure=False, retries=_RETRIES)
    part_of = dict(zip(futures, parts, strict=True))
    crops: dict[int, npt.NDArray[np.float32]] = {}
    with tqdm(total=len(fields), unit="field", desc="predict", disable=not progress) as bar:
        for future, found in _completed(client, futures, patience):
            crops |= zip(part_of[future].index, found, strict=True)
            bar.update(len(found))
    return gather_predictions(fields, [crops[number] for number in fields.index], card.classes)


def _completed(client: Client, futures: Sequence[Any], patience: float) -> Iterator[tuple[Any, Any]]:
    """Yield futures with their results as they come; nothing is left on the cluster when this ends."""
    coming = as_completed(futures, loop=client.loop)  # type: ignore[no-untyped-call]
    patient = Patience(client, patience)
    try:
        while coming.count():  # type: ignore[no-untyped-call]
            for future in coming.next_batch(block=False):  # type: ignore[no-untyped-call]
                try:
                    yield future, future.result(timeout=_FETCH)
                except TimeoutError:
                    if future.status == "error":
                        raise
                    # Lost with its worker, and done again.
                    coming.add(future)  # type: ignore[no-untyped-call]
                else:
                    future.release()
            patient.check()
            time.sleep(_POLL)
    except KilledWorker as error:
        raise RunError(
            f"{error.allowed_failures + 1} workers died one after another while they predicted the same fields; look "
            "at their output, and give them more memory or time"
        ) from error
    finally:
        client.cancel(futures)  # type: ignore[no-untyped-call]


def _predict_fields(
    fields: pd.DataFrame, *, call: str, screen: str, model: str, sha256: str, software: dict[str, str]
) -> list[npt.NDArray[np.float32]]:
    """Predict some fields of one plate, in a worker: probabilities (crop, network, class) of each."""
    check_versions(get_worker().address, versions(), software)
    threads = str(get_worker().state.nthreads)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, threads)
    from hcskit.data import PlateSource
    from hcskit.inference import predict_source

    plate = fields["plate"].iloc[0]
    with _opening:
        networks, card = _networks(model, sha256)
        images, light = _plates(call, screen)[plate], _illumination(call, screen, plate)
    source = PlateSource({plate: images}, light, fields, card.channels, card.binning)
    return predict_source(source, networks, card, turn=_computing)


@lru_cache(maxsize=1)
def _networks(folder: str, sha256: str) -> tuple[Any, ModelCard]:
    from hcskit.training import each_network, load_model

    model, card = load_model(folder)
    if card.weights_sha256 != sha256:
        raise InputError(f"{folder} holds another model for this worker than for the machine that asked: is it shared?")
    return each_network(model), card


# Kept for one call: the next may find a plate imported anew, or other fields excluded.
@lru_cache(maxsize=1)
def _plates(call: str, screen: str) -> dict[str, xr.Dataset]:  # noqa: ARG001
    return open_plates(screen)


@lru_cache(maxsize=2)
def _illumination(call: str, screen: str, plate: str) -> xr.Dataset:  # noqa: ARG001
    return read_illumination(screen, [plate])
