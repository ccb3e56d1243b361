"""The plan of a training: its images, gigabytes, and time on several numbers of hosts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from hcskit.data import ImageFolder, ScreenData, open_data
from hcskit.planning._memory import Memory, memory_of_rank
from hcskit.planning._scaling import Hosts, Workload, predict
from hcskit.planning._size import DataSize, in_parts
from hcskit.recipe import Recipe, stages

__all__ = ["Plan", "amounts", "plan", "timetable"]


def amounts(plates: Mapping[str, xr.Dataset], plates_a_year: int | None = None) -> pd.DataFrame:
    """Count the images and bytes of a well, a plate, an experiment and a production line.

    Parameters
    ----------
    plates : mapping of str to xarray.Dataset
        The plates of an experiment, of two-dimensional images.
    plates_a_year : int, optional
        How many such plates the line makes.

    Returns
    -------
    pandas.DataFrame
        Index ``of``; columns ``images`` and ``gigabytes`` (1e9 bytes, uncompressed) of the mean well with
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


def timetable(works: Mapping[Workload, int], hosts: Hosts, nodes: Sequence[int], ranks_per_node: int) -> pd.DataFrame:
    """Predict a training on several numbers of hosts, except those with more ranks than images in a part of a batch.

    Parameters
    ----------
    works : mapping of Workload to int
        Workload of each stage of a training, and its number of epochs.
    hosts : Hosts
        What each host can do.
    nodes : sequence of int
        Numbers of hosts.
    ranks_per_node : int
        Ranks of each.

    Returns
    -------
    pandas.DataFrame
        Index ``nodes``; columns ``ranks, images_per_second, epoch_seconds, training_hours, efficiency``, of the whole
        training.
    """
    rows, epochs = {}, np.array(list(works.values()))
    for count in nodes:
        ranks = count * ranks_per_node
        if all(ranks * work.parts * work.steps <= work.images for work in works):
            said = [predict(work, hosts, count, ranks_per_node) for work in works]
            seconds = epochs * [one.epoch for one in said]
            rate, efficiency = (
                np.average([getattr(one, name) for one in said], weights=seconds)
                for name in ("images_per_second", "efficiency")
            )
            rows[count] = (ranks, rate, seconds.sum() / epochs.sum(), seconds.sum() / 3600, efficiency)
    columns = ["ranks", "images_per_second", "epoch_seconds", "training_hours", "efficiency"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("nodes")


@dataclass(frozen=True)
class Plan:
    """What a training needs; `str` formats it as a page.

    Attributes
    ----------
    amounts : pandas.DataFrame
        Index ``of``; ``images`` and ``gigabytes`` (1e9 bytes, not compressed) of a well, a plate, all of the data.
    size : DataSize
        What the recipe takes of them.
    learned : int
        Fields that are learned from; the rest is validated on.
    memory : Memory
        Of each rank.
    ranks_per_node : int
        Ranks of a node.
    works : mapping of Workload to int
        Workload of each stage of the training, and its number of epochs.
    timetable : pandas.DataFrame or None
        As `timetable` returns it; None if the speed of a node was not given.
    """

    amounts: pd.DataFrame
    size: DataSize
    learned: int
    memory: Memory
    ranks_per_node: int
    works: Mapping[Workload, int]
    timetable: pd.DataFrame | None

    def __str__(self) -> str:
        lines = [f"{of:<14}{row.images:>9.0f} images{row.gigabytes:>12.3f} GB" for of, row in self.amounts.iterrows()]
        lines.append(
            f"learned from  {self.size.n_fields} fields, {self.size.n_channels} channels, {self.size.n_classes} "
            f"classes; {self.learned} to learn, the rest to validate"
        )
        lines.append(f"memory        {self.memory} for each of {self.ranks_per_node} ranks")
        if self.timetable is None:
            return "\n".join(lines)
        lines += [
            f"{epochs:<4} epochs   {work.images} crops in {work.steps} steps{in_parts(work.parts)}; exchanged "
            f"{work.gradient_bytes / 1e6:.1f} MB a step"
            for work, epochs in self.works.items()
        ]
        return "\n".join([*lines, self.timetable.to_string(float_format="{:.3g}".format)])


def plan(
    data: str | Path | ScreenData | ImageFolder,
    recipe: Recipe | str | Path,
    hosts: Hosts | float | None = None,
    *,
    nodes: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128),
    ranks_per_node: int = 1,
) -> Plan:
    """Work out what a training needs: images, bytes, memory of a rank and, where the hosts are known, time.

    Parameters
    ----------
    data : path-like, ScreenData or ImageFolder
        What is learned from: a screen, or images in folders that are called what they show.
    recipe : Recipe or path-like
        How to train.
    hosts : Hosts or float, optional
        What a node can do, or how many images a second it trains on, as `hcskit tune-ranks` measures it.
    nodes : sequence of int
        Numbers of nodes to predict the time for.
    ranks_per_node : int
        Ranks of each.

    Raises
    ------
    InputError
        If there is nothing to learn from, or a batch cannot be shared by the ranks of one host.
    """
    images = open_data(data, illumination=False) if isinstance(data, str | Path) else data
    recipe = Recipe.of(recipe)
    hosts = Hosts(hosts) if isinstance(hosts, int | float) else hosts
    size = DataSize.of(images, recipe)
    works = {Workload.of(recipe, size, stage.batch): stage.end - stage.begin for stage in stages(recipe)}
    return Plan(
        amounts(images.plates) if isinstance(images, ScreenData) else _amount(images),
        size,
        size.learned(recipe),
        memory_of_rank(recipe, size, ranks_per_node),
        ranks_per_node,
        works,
        None if hosts is None else timetable(works, hosts, nodes, ranks_per_node),
    )


def _amount(folder: ImageFolder) -> pd.DataFrame:
    """Count the images of a folder, and their bytes when they are not compressed."""
    each = math.prod(folder.image_shape) * len(folder.channels) * folder.dtype.itemsize
    images = len(folder.files)
    return pd.DataFrame({"images": [images], "gigabytes": [images * each / 1e9]}, index=["folder"])


def _image_bytes(plate: xr.Dataset) -> int:
    return int(plate.sizes["y"] * plate.sizes["x"] * plate["image"].dtype.itemsize)
