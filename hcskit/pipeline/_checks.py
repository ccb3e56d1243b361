"""Checks of a run before its first step: what file names, labels and headers show to be wrong, all of it at once."""

from __future__ import annotations

import inspect
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr
from dask.utils import format_bytes

from hcskit import planning, training
from hcskit.cluster import AnyCluster, ClusterConfig, check_training, config_of
from hcskit.data import ScreenData
from hcskit.errors import HcskitError, InputError
from hcskit.inference import predictable_fields
from hcskit.pipeline._apart import call_apart
from hcskit.pipeline._notebook import StepNotebook
from hcskit.platemap import read_plate_map
from hcskit.readers import ImageIndex, file_images, read_folder
from hcskit.recipe import Recipe
from hcskit.screen import make_plate, match_plate_map, max_projection, treated_fields
from hcskit.store import open_plates, stored_bytes

__all__ = ["check_steps"]


def check_steps(steps: Sequence[tuple[StepNotebook, Mapping[str, Any]]], run: Path) -> None:
    """Refuse steps that cannot succeed, before the first of them runs; reads labels and headers, and writes nothing.

    The steps that come with hcskit are checked, by their names and parameters; what a step of your own needs is its
    own business.

    Parameters
    ----------
    steps : sequence of (StepNotebook, dict)
        The steps that are to run, with all of their parameters.
    run : pathlib.Path
        Folder of the run.

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


class _Outlook:
    """What is known before a run: its plates, without their pixels; the room it takes; and what is wrong.

    Attributes
    ----------
    plates : dict of str to xarray.Dataset
        The plates as they will be; empty as long as they are not known.
    faults : dict of str to None
        Sentences, each once.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.plates: dict[str, xr.Dataset] = {}
        self.faults: dict[str, None] = {}
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
        missing = {name for name in notebook.paths if known and self._lacks(values[name])}
        for name in missing:
            self.faults[f"there is no file or folder {values[name]} (parameter {name})"] = None
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

    def _lacks(self, path: Any) -> bool:
        """Whether there is nothing at a path, nor will a step make it."""
        return isinstance(path, str) and not Path(path).exists() and self.run not in (Path(path), *Path(path).parents)

    def _call(self, check: Callable[..., None], values: Mapping[str, Any]) -> None:
        """Call a check if the step has what it looks at: a lab's own step of that name may not."""
        wanted = list(inspect.signature(check).parameters)
        if all(name in values for name in wanted):
            with self._noting():
                check(*(values[name] for name in wanted))

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except (HcskitError, OSError) as error:
            self.faults[str(error)] = None

    def _import(
        self,
        source: str | None,
        plate_map: str | None,
        reader: str | None,
        layout: str | None,
        plate: str | None,
        time: int | str | None,
        allow_missing: bool,
        follow_links: bool,
    ) -> None:
        self.plates = {}
        if source is None:  # the simulated plate of the run, which an earlier step makes
            return
        raw = []
        for index in read_folder(source, layout or reader, plate, self.run, time=time, follow_links=follow_links):
            with self._noting():
                index.check_absent(allow_missing)
            with self._noting():
                raw.append(self._foresee(index, plate_map, allow_missing))
        if next(self.run.glob("*.zarr"), None) is None:  # an import that was stopped had the room
            with self._noting():
                self._room += stored_bytes(raw)
        self.plates = {str(plate.attrs["plate"]): max_projection(plate) for plate in raw}

    def _foresee(self, index: ImageIndex, plate_map: str | None, allow_missing: bool) -> xr.Dataset:
        """Return the plate that an index will become."""
        info = index.info(check=False)
        images = file_images(index, info)
        table = index.plate_map if plate_map is None else read_plate_map(plate_map, index.plate)
        if table is not None:
            with self._noting():
                table = match_plate_map(info.wells, table, plate=info.name, allow_missing=allow_missing)
        return make_plate(info, images.chunked(info.dims), images.present, table)

    def _train(self, recipe: str, cluster: AnyCluster | None) -> None:
        how, config = Recipe.of(recipe), config_of(cluster)
        if self._mapped():
            # Not in this process: TensorFlow would stay in its memory, and on the GPU, for the whole run.
            self._room += call_apart(_check_training, ScreenData(self.plates), how, config)

    def _predict(self, model: str | None) -> None:
        if model is None:  # the one that the run trains
            return
        card = training.load_card(model)
        if self.plates:
            predictable_fields(ScreenData(self.plates), card)

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
