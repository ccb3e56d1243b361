"""A simulated plate on disk, laid out as a microscope's export folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray
from scipy.special import expit, logit

from hcskit.errors import InputError, StoreError
from hcskit.files import replacing
from hcskit.plate import PlateFormat, Well
from hcskit.simulation._design import CHANNELS, DEMO_DESIGN, PlateDesign
from hcskit.simulation._field import simulate_field
from hcskit.simulation._layout import Treatment, lay_out, plate_map_table, truth_table

__all__ = ["SimulatedPlate", "simulate"]


@dataclass(frozen=True, slots=True)
class SimulatedPlate:
    """Where a simulated plate lies, and what it was made from.

    Attributes
    ----------
    folder, images, plate_map, truth : pathlib.Path
        The export folder, and in it the folder of images, the plate map and the true dose responses.
    design : PlateDesign
    seed : int
    """

    folder: Path
    design: PlateDesign
    seed: int

    @property
    def images(self) -> Path:
        """Folder of images, named ``PLATE_WELL_fFIELD_CHANNEL.tif``."""
        return self.folder / "images"

    @property
    def plate_map(self) -> Path:
        """CSV that `hcskit.platemap.read_plate_map` reads; it also lists the wells that were not acquired."""
        return self.folder / "plate_map.csv"

    @property
    def truth(self) -> Path:
        """CSV of the true dose response, one row a compound; no ``ec50`` where it is inactive."""
        return self.folder / "truth.csv"


def simulate(
    folder: str | Path,
    design: PlateDesign = DEMO_DESIGN,
    *,
    seed: int = 0,
    progress: Callable[[Sequence[Treatment]], Iterable[Treatment]] | None = None,
) -> SimulatedPlate:
    """Simulate a plate and write it like a microscope's export.

    ``plate_map.csv`` is written last: a folder without it is not a whole plate. The same design and seed give the
    same pixels; a field's do not depend on which others are acquired.

    Parameters
    ----------
    folder : path-like
        New or empty folder to write to.
    design : PlateDesign
        By default `DEMO_DESIGN`, a 96-well plate with a few faults, about 29 MB.
    seed : int
        Not negative.
    progress : callable, optional
        Wraps the sequence of wells, as ``tqdm.tqdm`` does.

    Returns
    -------
    SimulatedPlate
        The paths of what was written.

    Raises
    ------
    InputError
        If the folder is not empty or is a file, or the seed is negative.
    StoreError
        If the plate cannot be written.
    """
    if seed < 0:
        raise InputError(f"seed {seed} is negative; expected 0 or more")
    plate = SimulatedPlate(Path(folder), design, seed)
    treatments = lay_out(design)
    acquired = [treatment for treatment in treatments if treatment.well.name not in design.missing_wells]
    try:
        _claim(plate)
        for treatment in acquired if progress is None else progress(acquired):
            _write_well(plate, treatment)
        _write_table(truth_table(design), plate.truth)
        _write_table(plate_map_table(treatments), plate.plate_map)
    except OSError as error:
        raise StoreError(
            f"the simulated plate could not be written to {folder}: {error}; delete the folder and run again"
        ) from error
    return plate


def _claim(plate: SimulatedPlate) -> None:
    if plate.folder.exists() and not plate.folder.is_dir():
        raise InputError(f"{plate.folder} is a file; a simulated plate needs an empty or a new folder")
    if plate.folder.exists() and any(plate.folder.iterdir()):
        unfinished = plate.images.exists() and not plate.plate_map.exists()
        raise InputError(
            f"{plate.folder} is not empty{' (a simulation that did not finish?)' if unfinished else ''}; a simulated "
            "plate needs an empty or a new folder: delete this one or name another"
        )
    plate.images.mkdir(parents=True)


def _write_well(plate: SimulatedPlate, treatment: Treatment) -> None:
    design, well = plate.design, treatment.well
    rng = _generator(plate.seed, well, 0)
    sensitivity, cells, light = design.well_variability * rng.standard_normal(3)
    edge = 1.0 - design.edge_effect * _edge(well, design.format)
    strengths = {name: float(expit(logit(value) + sensitivity)) for name, value in treatment.strengths.items()}
    for field in range(1, design.fields + 1):
        if (well.name, field) in design.missing_fields:
            continue
        images = simulate_field(
            design,
            strengths,
            _generator(plate.seed, well, field),
            density=edge * np.exp(cells),
            brightness=edge * np.exp(light),
            in_focus=(well.name, field) not in design.blurred_fields,
        )
        for channel, image in zip(CHANNELS, images, strict=True):
            _write_image(plate.images / f"{design.name}_{well.name}_f{field:02d}_{channel}.tif", image, design)


def _generator(seed: int, well: Well, stream: int) -> np.random.Generator:
    """One independent stream for each field of each well, and stream 0 for what its fields share."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(well.row, well.column, stream)))


def _edge(well: Well, format: PlateFormat) -> float:
    """How much of the edge effect a well has: 1 in the outermost wells, about a tenth one well further in."""
    distance = min(well.row, format.rows - 1 - well.row, well.column, format.columns - 1 - well.column)
    return float(np.exp(-2.0 * distance))


def _write_image(path: Path, image: NDArray[np.uint16], design: PlateDesign) -> None:
    pixels_per_centimetre = 1e4 / design.pixel_size
    tifffile.imwrite(
        path,
        image,
        photometric="minisblack",
        compression="zlib",
        resolution=(pixels_per_centimetre, pixels_per_centimetre),
        resolutionunit="CENTIMETER",
        metadata=None,
    )


def _write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table at once or not at all."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False)
