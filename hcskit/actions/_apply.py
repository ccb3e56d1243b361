"""A trained network applied to every field, here or on a cluster: its predictions, and its features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from hcskit.actions._aside import Aside
from hcskit.actions._doubts import say_doubts
from hcskit.actions._kept_predictions import join_predictions, keep_features, kept_predictions, prediction_keys
from hcskit.actions._over_fields import (
    Site,
    apply_to_fields,
    measure_fields,
    one_plate,
    open_site,
    plates_of,
    standards,
    untreated_fields,
)
from hcskit.actions._saliency import example_maps
from hcskit.cluster import AnyCluster
from hcskit.data import LabelledData, ScreenData, open_data
from hcskit.errors import DriftError, InputError
from hcskit.inference import (
    Predictions,
    compare_untreated,
    feature_network,
    gather_distances,
    gather_features,
    gather_predictions,
    gather_profiles,
    gather_strengths,
    predictable_fields,
    reading_network,
    write_predictions,
)
from hcskit.results import AS_IN_TRAINING, FIELD_PROFILES, PROFILES, take_back, write_csv, write_table
from hcskit.screen import field_table
from hcskit.training import ModelCard, TrainedModel, gather_unevenness, open_model

__all__ = ["embed", "predict"]


def predict(
    data: str | Path | LabelledData,
    model: str | Path | TrainedModel,
    out: str | Path | None = None,
    *,
    standardise: bool | None = None,
    strict: bool = False,
    set_aside: bool = False,
    cluster: AnyCluster | None = None,
    say: Callable[[str], object] = tqdm.write,
    progress: bool = True,
) -> Predictions:
    """Read the phenotypes of every usable field.

    A field is cut into the fewest crops of the size the network was trained on; its probability is their mean. Where
    the results are written beside the plates, a plate is read again only if its images, its labels, its illumination,
    the excluded fields, the model, or hcskit have changed since. Where plates have controls, the strength of each
    phenotype is told as well (docs/readouts.md).

    A plate with negative controls is brought to the brightness that the network learned from, and is compared with
    what it learned from (docs/new-plates.md).

    Parameters
    ----------
    data : path-like or LabelledData
        Folder of a screen whose quality step has run, or of images. Here, also what `hcskit.data.open_data` returns.
    model : path-like or TrainedModel
        A trained network, or its folder.
    out : path-like, optional
        Of a screen: folder of a screen or a run, whose tables are written. Of images: a CSV file, one row an image. By
        default, nothing is written.
    standardise : bool, optional
        Whether to bring each plate to the brightness of those that were learned from, by its own negative controls. By
        default, as the model's recipe says.
    strict : bool
        Raise an error, after everything is written, if a plate is unlike those that the network learned from.
    set_aside : bool
        Of a screen: read the other plates where one does not fit the model, or its pixels cannot be read, and leave it
        out of all later steps: the table ``set_aside`` has the reasons. By default, such a plate is an error.
    cluster : Cluster, ClusterConfig or path-like, optional
        Where to compute; by default in this process. If a worker is lost, the others do its fields.
    say : callable
        Receives the paths of written files, how each plate compares with those that the network learned from, and any
        reason to distrust the network.
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
    DriftError
        If `strict`, and a plate is shifted, or not of this assay.
    RunError
        If no worker is left, or the same fields kill worker after worker.
    """
    aside = Aside(Path(out or ""), "predict", allowed=set_aside and _beside(out, data))
    if aside.allowed:
        take_back(aside.screen, aside.step)
    images, trained = _open(data, model, out, standardise)
    if not aside.allowed:
        predictable_fields(images, trained.card)  # what does not fit is refused before hours of work
    say_doubts(trained, say)
    keys = prediction_keys(data, out, images, trained.card)
    kept = kept_predictions(out, keys)
    for plate in kept:
        say(f"plate {plate}: predictions as before: nothing has changed")
    found = dict(kept)
    plates = plates_of(images) if aside.allowed else _with_fields(images)
    if todo := [name for name in plates if name not in kept]:
        with open_site(data, images, trained, cluster, progress) as site:
            each = site.each(todo, lambda name, own: aside.attempt(name, partial(_read, name, own)))
            found |= {name: one for name, one in zip(todo, each, strict=True) if one is not None}
            if found and out is not None and (first := min(found)) in todo:
                found[first] = _with_examples(first, site, found[first])
    aside.write(len(found), say)
    if isinstance(images, ScreenData):
        images = ScreenData({name: plate for name, plate in images.plates.items() if name not in aside.reasons})
    parts = list(found.values())
    predictions = join_predictions(parts)
    if isinstance(images, ScreenData):
        seen = predictions.features, predictions.unevenness, images.plates, trained.card
        predictions = replace(
            predictions,
            strengths=gather_strengths(*seen),
            distances=gather_distances(*seen),
            drift=compare_untreated(predictions.features, predictions.light, trained.card),
        )
    if out is not None:
        _write(out, images, predictions, trained.card, keys, say)
    strange = [f"plate {plate} is {verdict}" for plate, verdict in predictions.verdicts.items()]
    for line in strange:
        say(line)
    if strict and any(verdict != AS_IN_TRAINING for verdict in predictions.verdicts.values()):
        raise DriftError(f"{'; '.join(strange)}: train or fine-tune a model on plates like these, or do without strict")
    return predictions


def _write(
    out: str | Path,
    images: LabelledData,
    predictions: Predictions,
    card: ModelCard,
    keys: dict[str, str],
    say: Callable[[str], object],
) -> None:
    if isinstance(images, ScreenData):
        for path in write_predictions(out, images.plates, predictions, card, keys):
            say(f"wrote {path}")
        keep_features(out, predictions, keys)
    else:
        table = predictions.wells.reset_index().pivot_table("probability", "well", "phenotype")
        _write_images(out, table[list(card.classes)], say)


def embed(
    data: str | Path | LabelledData,
    model: str | Path | TrainedModel,
    out: str | Path | None = None,
    *,
    standardise: bool | None = None,
    cluster: AnyCluster | None = None,
    say: Callable[[str], object] = tqdm.write,
    progress: bool = True,
) -> pd.DataFrame:
    """Describe every well by the features that a network has before its output layer.

    Features are averaged over the crops of a field, then over the fields of a well. The features of an ensemble's
    networks are concatenated: a feature means something different in each network, so their mean means little.

    Parameters
    ----------
    data, model, out, standardise, cluster, say, progress
        As `predict` takes them.

    Returns
    -------
    pandas.DataFrame
        Index ``plate, well``; columns ``feature_1`` and so on, dimensionless. Written as the table ``profiles``, and
        those of each field as ``field_profiles``.

    Raises
    ------
    InputError
        If the layer before the output has more axes than (batch, feature), or as `predict` does.
    RunError
        As `predict` does.
    """
    images, trained = _open(data, model, out, standardise)
    predictable_fields(images, trained.card)  # what does not fit is refused before hours of work

    def describe(name: str, site: Site) -> tuple[pd.DataFrame, pd.DataFrame]:
        fields = predictable_fields(one_plate(images, name), trained.card)
        light = measure_fields(site, untreated_fields(fields, trained.card))
        found = apply_to_fields(site, _features, fields, standards(light, trained.card))
        return (
            gather_profiles(found.fields, found.crops, FIELD_PROFILES.labels),
            gather_profiles(found.fields, found.crops),
        )

    with open_site(data, images, trained, cluster, progress) as site:
        found = site.each(_with_fields(images), describe)
    fields, profiles = (pd.concat([each[kind] for each in found]) for kind in (0, 1))
    if out is not None and isinstance(images, ScreenData):
        for table, own in ((FIELD_PROFILES, fields), (PROFILES, profiles)):
            say(f"wrote {write_table(out, table, own)}")
    elif out is not None:
        _write_images(out, profiles.droplevel("plate"), say)
    return profiles


def _beside(out: str | Path | None, data: str | Path | LabelledData) -> bool:
    """Whether the results of a screen are written beside its plates."""
    return out is not None and isinstance(data, str | Path) and Path(out).resolve() == Path(data).resolve()


def _with_fields(images: LabelledData) -> list[str]:
    """Return the names of the plates that have a usable field."""
    if not isinstance(images, ScreenData):
        return plates_of(images)
    return [name for name, plate in images.plates.items() if len(field_table(plate))]


def _read(name: str, site: Site) -> Predictions:
    images, card = one_plate(site.images, name), site.trained.card
    fields = predictable_fields(images, card)
    light = measure_fields(site, untreated_fields(fields, card))
    found = apply_to_fields(site, reading_network, fields, standards(light, card))
    count = len(card.classes)
    said = gather_predictions(found.fields, [own[..., :count] for own in found.crops], card.classes)
    seen = found.fields, [own[..., count:] for own in found.crops]
    return replace(said, features=gather_features(*seen), unevenness=gather_unevenness(*seen), light=light)


def _with_examples(name: str, site: Site, said: Predictions) -> Predictions:
    images, card = one_plate(site.images, name), site.trained.card
    if not isinstance(images, ScreenData):
        return said
    fields = predictable_fields(images, card)
    return replace(said, maps=example_maps(site, images, fields, said, standards(said.light, card)))


def _features(model: Any, _: ModelCard) -> Any:
    return feature_network(model)


def _open(
    data: str | Path | LabelledData,
    model: str | Path | TrainedModel,
    out: str | Path | None,
    standardise: bool | None,
) -> tuple[LabelledData, TrainedModel]:
    images, trained = open_data(data, illumination=False), open_model(model)
    _check_out(images, out)
    recipe = trained.card.recipe
    if standardise in (None, recipe.prediction.standardise):
        return images, trained
    prediction = recipe.prediction.model_copy(update={"standardise": standardise})
    own = {"recipe": recipe.model_copy(update={"prediction": prediction})}
    return images, replace(trained, card=trained.card.model_copy(update=own))


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
