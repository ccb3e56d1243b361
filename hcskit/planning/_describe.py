"""What a person asks before a training: how many images, how many gigabytes, how long on how many hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import xarray as xr

from hcskit.planning._memory import memory_of_rank
from hcskit.planning._scaling import Hosts, Workload, predict
from hcskit.planning._size import DataSize
from hcskit.training import Recipe, ScreenData

__all__ = ["amounts", "describe", "timetable"]


def amounts(plates: Mapping[str, xr.Dataset], plates_a_year: int | None = None) -> pd.DataFrame:
    """Count images and bytes as one looks at a well, a plate, an experiment or a production line.

    Parameters
    ----------
    plates : mapping of str to xarray.Dataset
        The plates of an experiment, of two-dimensional images.
    plates_a_year : int, optional
        How many such plates the line makes.

    Returns
    -------
    pandas.DataFrame
        Index ``of``; columns ``images`` and ``gigabytes`` (1e9 bytes, not compressed), of one each: the mean well with
        images, the mean plate, the experiment, and the line in a year.
    """
    images = [int(plate["present"].sum()) for plate in plates.values()]
    size = sum(count * _image_bytes(plate) for count, plate in zip(images, plates.values(), strict=True))
    wells = sum(int(plate["present"].any(["field", "channel"]).sum()) for plate in plates.values())
    shares = {"well": 1 / wells, "plate": 1 / len(plates), "experiment": 1.0}
    if plates_a_year is not None:
        shares["year"] = plates_a_year / len(plates)
    rows = {name: (round(sum(images) * share), size * share / 1e9) for name, share in shares.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["images", "gigabytes"]).rename_axis("of")


def timetable(work: Workload, hosts: Hosts, nodes: Sequence[int], ranks_per_node: int, epochs: int) -> pd.DataFrame:
    """Predict a training on several numbers of hosts, but for those with more ranks than images in a batch.

    Returns
    -------
    pandas.DataFrame
        Index ``nodes``; columns ``ranks, images_per_second, epoch_seconds, training_hours, efficiency``.
    """
    rows = {}
    for count in nodes:
        if count * ranks_per_node * work.steps <= work.images:
            said = predict(work, hosts, count, ranks_per_node)
            hours = epochs * said.epoch / 3600
            rows[count] = (said.ranks, said.images_per_second, said.epoch, hours, said.efficiency)
    columns = ["ranks", "images_per_second", "epoch_seconds", "training_hours", "efficiency"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("nodes")


def describe(
    plates: Mapping[str, xr.Dataset],
    recipe: Recipe,
    hosts: Hosts | None = None,
    *,
    nodes: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128),
    ranks_per_node: int = 1,
) -> list[str]:
    """Say in lines what a training needs: images, bytes, memory of a rank and, where the hosts are known, time.

    Raises
    ------
    InputError
        If there is nothing to learn from, or a batch cannot be shared by the ranks of one host.
    """
    data = DataSize.of(ScreenData(plates), recipe)
    counted = amounts(plates)
    lines = [f"{of:<14}{row.images:>9.0f} images{row.gigabytes:>12.3f} GB" for of, row in counted.iterrows()]
    lines.append(
        f"learned from  {data.n_fields} fields, {data.n_channels} channels, {data.n_classes} classes; "
        f"{data.learned(recipe)} to learn, the rest to validate"
    )
    lines.append(f"memory        {memory_of_rank(recipe, data, ranks_per_node)} for each of {ranks_per_node} ranks")
    if hosts is None:
        return lines
    work = Workload.of(recipe, data)
    lines.append(
        f"an epoch has  {work.images} crops in {work.steps} steps; exchanged {work.gradient_bytes / 1e6:.1f} MB a step"
    )
    table = timetable(work, hosts, nodes, ranks_per_node, recipe.optimiser.epochs)
    return [*lines, *table.to_string(float_format="{:.3g}".format).splitlines()]


def _image_bytes(plate: xr.Dataset) -> int:
    return int(plate.sizes["y"] * plate.sizes["x"] * plate["image"].dtype.itemsize)
