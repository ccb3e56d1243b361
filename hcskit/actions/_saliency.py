"""Which parts of a field speak for a phenotype, here or on a cluster."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from tqdm import tqdm

from hcskit.actions._over_fields import Site, apply_to_fields, measure_fields, open_site, standards, untreated_fields
from hcskit.cluster import AnyCluster
from hcskit.data import LabelledData, Normalisation, ScreenData, open_data
from hcskit.errors import InputError
from hcskit.inference import Predictions, join_maps, predictable_fields, saliency_network
from hcskit.training import TrainedModel, open_model

__all__ = ["example_maps", "saliency"]

_PLACE = ["plate", "well", "field"]
_MOST = 48  # rows and columns of an example


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
    images, trained = open_data(data, illumination=False), open_model(model)
    if not isinstance(images, ScreenData):
        raise InputError(f"saliency is of fields of a screen; found {type(images).__name__}")
    fields = predictable_fields(images, trained.card)
    asked = pd.MultiIndex.from_tuples(list(places), names=_PLACE)
    number = pd.MultiIndex.from_frame(fields[_PLACE]).get_indexer(asked)
    if (number < 0).any():
        raise InputError(f"there is no usable field {', '.join(map(str, asked[number < 0]))} (plate, well, field)")
    known = list(trained.card.untreated.phenotypes) if trained.card.untreated else [phenotype]
    if phenotype not in known:
        raise InputError(f"the model has no phenotype {phenotype!r}; it has {', '.join(known)}")
    with open_site(data, images, trained, cluster, progress) as site:
        light = measure_fields(
            site, untreated_fields(fields[fields["plate"].isin(asked.unique("plate"))], trained.card)
        )
        maps = maps_of(site, images, fields.iloc[number], standards(light, trained.card))
    if len({own.shape for own in maps}) > 1:
        raise InputError("the fields differ in size; ask for those of one size at a time")
    coordinates = {name: ("place", asked.get_level_values(name)) for name in _PLACE}
    own = np.stack(maps)[..., known.index(phenotype)]
    return xr.DataArray(own, coordinates, ("place", "y", "x"), name=phenotype)


def maps_of(
    site: Site, images: ScreenData, fields: pd.DataFrame, constants: Mapping[str, Normalisation]
) -> list[npt.NDArray[np.float32]]:
    """Return the maps (y, x, phenotype) of fields, in their order.

    Raises
    ------
    InputError
        As `hcskit.inference.saliency_network` does.
    """
    found, card = apply_to_fields(site, saliency_network, fields, constants), site.trained.card
    shapes = [
        (images.plates[plate].sizes["y"] // card.binning, images.plates[plate].sizes["x"] // card.binning)
        for plate in found.fields["plate"]
    ]
    maps = [join_maps(crops, card.crop, shape) for crops, shape in zip(found.crops, shapes, strict=True)]
    # Fields are looked at plate by plate.
    order = pd.MultiIndex.from_frame(found.fields[_PLACE]).get_indexer(pd.MultiIndex.from_frame(fields[_PLACE]))
    return [maps[place] for place in order]


def example_maps(
    site: Site, images: ScreenData, fields: pd.DataFrame, said: Predictions, constants: Mapping[str, Normalisation]
) -> pd.DataFrame:
    """Return maps of some fields for each phenotype: an untreated one, its positive control, and the surest treatment.

    They are of the first plate, and small. Empty where the model has none, or the plate has no plate map.
    """
    card = site.trained.card
    own = fields[fields["plate"] == min(fields["plate"])].drop_duplicates("well")
    if card.untreated is None or "role" not in own or not _pools(site):
        return pd.DataFrame()
    rows = {
        phenotype: pd.concat(_examples(own, said, phenotype, card.recipe.data.classes))
        for phenotype in card.untreated.phenotypes
    }
    chosen = pd.concat(rows.values()).drop_duplicates(_PLACE)
    maps = dict(zip(map(tuple, chosen[_PLACE].to_numpy()), maps_of(site, images, chosen, constants), strict=True))
    tables = [
        _table(place, phenotype, maps[place][..., number])
        for number, (phenotype, examples) in enumerate(rows.items())
        for place in map(tuple, examples[_PLACE].to_numpy())
    ]
    return pd.concat(tables, ignore_index=True).set_index([*_PLACE, "phenotype"])


def _examples(fields: pd.DataFrame, said: Predictions, phenotype: str, classes: str) -> list[pd.DataFrame]:
    sure = said.wells["probability"].xs(phenotype, level="phenotype").rename("sure")
    treated = fields[fields["role"] == "treatment"].join(sure, on=["plate", "well"]).sort_values("sure")
    positive = fields[(fields["role"] != "negative_control") & (fields[classes].astype(str) == phenotype)]
    controls = positive[positive["role"] == "positive_control"]
    return [fields[fields["role"] == "negative_control"].head(1), controls.head(1), treated.tail(1)]


def _pools(site: Site) -> bool:
    """Whether the network has an average over a grid: of those that hcskit brings, all but the published head."""
    return getattr(site.trained.recipe.model, "head", "pool") == "pool"


def _table(place: tuple[str, str, int], phenotype: str, values: npt.NDArray[np.float32]) -> pd.DataFrame:
    step = math.ceil(max(values.shape) / _MOST)
    small = values[step // 2 :: step, step // 2 :: step]
    row, column = (axis.ravel() for axis in np.indices(small.shape))
    named = dict(zip(_PLACE, place, strict=True)) | {"phenotype": phenotype}
    return pd.DataFrame({**named, "row": row, "column": column, "strength": small.ravel().astype(float)})
