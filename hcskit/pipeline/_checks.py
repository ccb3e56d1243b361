"""Checks of a run before its first step: what file names, labels and headers show to be wrong, all of it at once."""

from __future__ import annotations

import inspect
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr
from dask.utils import format_bytes

from hcskit import planning, training
from hcskit.cluster import AnyCluster, ClusterConfig, check_training, config_of
from hcskit.data import ScreenData, unlike_plates
from hcskit.errors import HcskitError, InputError
from hcskit.inference import predictable_fields
from hcskit.pipeline._apart import call_apart
from hcskit.pipeline._notebook import StepNotebook, named_paths
from hcskit.platemap import read_plate_map
from hcskit.readers import ImageIndex, file_images, read_folders
from hcskit.recipe import Recipe
from hcskit.screen import make_plate, match_plate_map, max_projection, treated_fields
from hcskit.store import open_plates, stored_bytes

__all__ = ["check_steps"]


def check_steps(steps: Sequence[tuple[StepNotebook, Mapping[str, Any]]], run: Path) -> list[str]:
    """Refuse steps that cannot succeed, before the first of them runs; reads labels and headers, and writes nothing.

    The steps that come with hcskit are checked, by their names and parameters; what a step of your own needs is its
    own business.

    Parameters
    ----------
    steps : sequence of (StepNotebook, dict)
        The steps that are to run, with all of their parameters.
    run : pathlib.Path
        Folder of the run.

    Returns
    -------
    list of str
        What is wrong with plates that the import will set aside.

    Raises
    ------
    InputError
        If there is a fault; the message lists all of them.
    """
    outlook = _Outlook(run)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the step itself will say it
        for notebook, values in steps:
            outlook.check(notebook, values)
        outlook.check_room()
    faults = list(outlook.faults)
    if len(faults) == 1:
        raise InputError(faults[0])
    if faults:
        listed = "".join("\n  - " + fault.replace("\n", "\n    ") for fault in faults)
        raise InputError(f"{len(faults)} faults were found, and nothing was run:{listed}")
    return list(outlook.aside)


@dataclass
class _Foreseen:
    """What is known of a plate before it is imported: its labels, the bytes that it takes, and what is wrong."""

    plate: xr.Dataset | None = None
    room: int = 0
    faults: dict[str, None] = field(default_factory=dict)


class _Outlook:
    """What is known before a run: its plates, without their pixels; the room it takes; and what is wrong.

    Attributes
    ----------
    plates : dict of str to xarray.Dataset
        The plates as they will be; empty as long as they are not known.
    faults : dict of str to None
        Sentences, each once.
    aside : dict of str to None
        Faults of plates that will be set aside.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.plates: dict[str, xr.Dataset] = {}
        self.faults: dict[str, None] = {}
        self.aside: dict[str, None] = {}
        self._room = 0
        if next(run.glob("*.zarr"), None) is not None:
            with self._noting():
                self.plates = open_plates(run)

    def check(self, notebook: StepNotebook, values: Mapping[str, Any]) -> None:
        """Check one step; those before it have been checked."""
        checks: dict[str, Callable[..., None]] = {
            "import": self._import,
            "train": self._train,
            "predict": self._predict,
            "response": self._fit,
        }
        known = notebook.name in checks or notebook.name in ("quality", "report")
        missing = {}
        for name in notebook.paths if known else ():
            if gone := [path for path in named_paths(values[name]) if self._lacks(path)]:
                missing[name] = gone
        for name, gone in missing.items():
            self.faults |= {f"there is no file or folder {path} (parameter {name})": None for path in gone}
        usable = {name: value for name, value in values.items() if name not in missing}
        if usable.get("cluster") is not None:
            with self._noting():
                config_of(usable["cluster"])
        if notebook.name in checks:
            self._call(checks[notebook.name], usable)

    def check_room(self) -> None:
        """Compare what the run will write with the free space of its disk."""
        there = next(folder for folder in (self.run, *self.run.parents) if folder.exists())
        free = shutil.disk_usage(there).free
        if self._room > free:
            self.faults[
                f"the run takes about {format_bytes(self._room)} for plates and network, and the disk of {self.run} "
                f"has {format_bytes(free)} free; make room, or choose another folder with --out"
            ] = None

    def _lacks(self, path: Path) -> bool:
        """Whether there is nothing at a path, nor will a step make it."""
        return not path.exists() and self.run not in (path, *path.parents)

    def _call(self, check: Callable[..., None], values: Mapping[str, Any]) -> None:
        """Call a check if the step has what it looks at: a lab's own step of that name may not."""
        wanted = inspect.signature(check).parameters
        if all(name in values or one.default is not one.empty for name, one in wanted.items()):
            with self._noting():
                check(**{name: values[name] for name in wanted if name in values})

    @contextmanager
    def _noting(self, faults: dict[str, None] | None = None) -> Iterator[None]:
        try:
            yield
        except (HcskitError, OSError) as error:
            (self.faults if faults is None else faults)[str(error)] = None

    def _import(
        self,
        source: str | list[str] | None,
        plate_map: str | None,
        reader: str | None,
        layout: str | None,
        plate: str | None,
        allow_missing: bool,
        follow_links: bool,
        time: int | str | None = None,
        set_aside: bool = False,
    ) -> None:
        self.plates = {}
        if source is None:  # the simulated plate of the run, which an earlier step makes
            return
        unread: dict[str, InputError] = {}
        exports = read_folders(
            *(named_paths(source), layout or reader, plate, self.run),
            time=time,
            follow_links=follow_links,
            refused=unread if set_aside else None,
        )
        foreseen = [self._foresee(index, plate_map, allow_missing) for export in exports for index in export]
        faults = dict.fromkeys(map(str, unread.values())) | {fault: None for one in foreseen for fault in one.faults}
        good = [one for one in foreseen if not one.faults]
        if set_aside and good:
            self.aside |= faults
        else:
            self.faults |= faults
            good = foreseen
        if next(self.run.glob("*.zarr"), None) is None:  # an import that was stopped had the room
            self._room += sum(one.room for one in good)
        raw = [one.plate for one in good if one.plate is not None]
        self.plates = {str(plate.attrs["plate"]): max_projection(plate) for plate in raw}

    def _foresee(self, index: ImageIndex, plate_map: str | None, allow_missing: bool) -> _Foreseen:
        """Look at the plate that an index will become."""
        found = _Foreseen()
        with self._noting(found.faults):
            index.check_absent(allow_missing)
        with self._noting(found.faults):
            info = index.info(check=False)
            images = file_images(index, info)
            table = index.plate_map if plate_map is None else read_plate_map(plate_map, index.plate)
            if table is not None:
                with self._noting(found.faults):
                    table = match_plate_map(info.wells, table, plate=info.name, allow_missing=allow_missing)
            found.plate = make_plate(info, images.chunked(info.dims), images.present, table)
            found.room = stored_bytes([found.plate])
        return found

    def _train(self, recipe: str, cluster: AnyCluster | None, set_aside: bool = False) -> None:
        how, config = Recipe.of(recipe), config_of(cluster)
        if self._mapped():
            odd = unlike_plates(self.plates, how.data) if set_aside else {}
            self.aside |= dict.fromkeys(map(str, odd.values()))
            self.plates = {name: plate for name, plate in self.plates.items() if name not in odd}
            # Not in this process: TensorFlow would stay in its memory, and on the GPU, for the whole run.
            self._room += call_apart(_check_training, ScreenData(self.plates), how, config)

    def _predict(self, model: str | None, set_aside: bool = False) -> None:
        if model is None:  # the one that the run trains
            return
        card = training.load_card(model)
        faults: dict[str, dict[str, None]] = {name: {} for name in self.plates}
        for name, plate in self.plates.items():
            with self._noting(faults[name]):
                predictable_fields(ScreenData({name: plate}), card)
        bad = [name for name, own in faults.items() if own]
        told = self.aside if set_aside and len(bad) < len(self.plates) else self.faults
        for name in bad:
            told |= faults[name]

    def _fit(self) -> None:
        if self._mapped() and not (treated_fields(self.plates)["role"] == "treatment").any():
            raise InputError(
                f"no well of {', '.join(self.plates)} has the role treatment in the plate map; there is nothing to fit"
            )

    def _mapped(self) -> bool:
        """Whether the plates are known and have plate maps; to be without one is a fault."""
        bare = [name for name, plate in self.plates.items() if "role" not in plate.coords]
        if bare:
            raise InputError(
                f"plate {', '.join(bare)} has no plate map, so nothing is known of its wells; give one with "
                "-p plate_map=FILE"
            )
        return bool(self.plates)


def _check_training(data: ScreenData, recipe: Recipe, config: ClusterConfig) -> int:
    """Check a training, and return the bytes that it writes."""
    check_training(data, recipe, config, config.workers)
    return planning.training_bytes(recipe, planning.DataSize.of(data, recipe))
