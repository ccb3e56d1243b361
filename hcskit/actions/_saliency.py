"""Which parts of a field speak for a phenotype, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from tqdm import tqdm

from hcskit.actions._over_fields import Site, apply_to_fields, measure_fields, open_site, standards, untreated_fields
from hcskit.cluster import AnyCluster
from hcskit.data import LabelledData, ScreenData, open_data
from hcskit.errors import InputError
from hcskit.inference import join_maps, predictable_fields, saliency_network
from hcskit.training import TrainedModel, open_model

__all__ = ["saliency"]

_PLACE = ["plate", "well", "field"]


def saliency(
    data: str | Path | LabelledData,
    model: str | Path | TrainedModel,
    places: Sequence[tuple[str, str, int]],
    phenotype: str,
    *,
    cluster: AnyCluster | None = None,
    say: Callable[[str], object] = tqdm.write,  # noqa: ARG001 - all verbs have it
    progress: bool = True,
) -> xr.DataArray:
    """Tell what each place of some fields adds to the strength of a phenotype (docs/new-plates.md).

    Parameters
    ----------
    data : path-like or LabelledData
        Folder of a screen whose quality step has run, or what `hcskit.data.open_data` returns.
    model : path-like or TrainedModel
        A trained network, or its folder.
    places : sequence of tuple
        Plate, well and field of each.
    phenotype : str
        A class of the model.
    cluster : Cluster, ClusterConfig or path-like, optional
        Where to compute; by default in this process.
    say : callable
        As all verbs have it; nothing is said.
    progress : bool
        Show a progress bar over fields.

    Returns
    -------
    xarray.DataArray
        (place, y, x), coordinates ``plate, well, field`` of the places; in pixels of the model's binning. The mean over
        a field is its strength, between the controls that the model learned from. `hcskit.views.overlay_saliency`
        draws one.

    Raises
    ------
    InputError
        If there is no such field or phenotype, the fields differ in size, or the model has no average over a grid or
        was trained before its card kept what its controls look like.
    """
    images, trained = open_data(data, illumination=cluster is None), open_model(model)
    if not isinstance(images, ScreenData):
        raise InputError(f"saliency is of fields of a screen; found {type(images).__name__}")
    fields = predictable_fields(images, trained.card)
    asked = pd.MultiIndex.from_tuples(list(places), names=_PLACE)
    number = pd.MultiIndex.from_frame(fields[_PLACE]).get_indexer(asked)
    if (number < 0).any():
        raise InputError(f"there is no usable field {', '.join(map(str, asked[number < 0]))} (plate, well, field)")
    with open_site(data, images, trained, cluster, progress) as site:
        maps = _maps(site, images, fields.iloc[number], fields, phenotype)
    coordinates = {name: ("place", asked.get_level_values(name)) for name in _PLACE}
    return xr.DataArray(np.stack(maps), coordinates, ("place", "y", "x"), name=phenotype)


def _maps(
    site: Site, images: ScreenData, chosen: pd.DataFrame, fields: pd.DataFrame, phenotype: str
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    card = site.trained.card
    own = fields[fields["plate"].isin(chosen["plate"])]
    light = measure_fields(site, untreated_fields(own, card))
    found = apply_to_fields(site, partial(saliency_network, phenotype=phenotype), chosen, standards(light, card))
    shapes = [
        (images.plates[plate].sizes["y"] // card.binning, images.plates[plate].sizes["x"] // card.binning)
        for plate in found.fields["plate"]
    ]
    if len(set(shapes)) > 1:
        raise InputError(f"the fields differ in size, {sorted(set(shapes))}; ask for those of one size at a time")
    maps = [join_maps(crops, card.crop, shape) for crops, shape in zip(found.crops, shapes, strict=True)]
    # Fields are looked at plate by plate; the result has the order that was asked for.
    order = pd.MultiIndex.from_frame(found.fields[_PLACE]).get_indexer(pd.MultiIndex.from_frame(chosen[_PLACE]))
    return [maps[place] for place in order]
